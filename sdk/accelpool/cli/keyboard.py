"""The keys that a terminal's user presses, each as it is pressed; the terminal is as before afterwards."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from types import FrameType

ENTER, ESCAPE, BACKSPACE = "\r", "\x1b", "\x7f"
SAME = {"\n": ENTER, "\b": BACKSPACE}
LONGEST_KEY = 64


class Keyboard:
    """Waits for keys, and for whatever else wakes it.

    Args:
        descriptor: The terminal's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._is_open = True

    def wake(self) -> None:
        """End a wait, from any thread or signal handler."""
        if self._is_open:
            with contextlib.suppress(BlockingIOError):  # it is awake
                os.write(self._waker, b"!")

    def wait(self) -> list[str]:
        """Return the keys that were pressed, none if something else has woken it; wait for either.

        Raises:
            EOFError: The terminal is gone.
        """
        ready, _, _ = select.select([self._descriptor, self._woken], [], [])
        if self._woken in ready:
            os.read(self._woken, LONGEST_KEY)
        return self._read() if self._descriptor in ready else []

    def close(self) -> None:
        """Close what wakes it."""
        self._is_open = False
        os.close(self._woken)
        os.close(self._waker)

    def _read(self) -> list[str]:
        pressed = os.read(self._descriptor, LONGEST_KEY).decode(errors="ignore")
        if not pressed:
            raise EOFError("the terminal is gone")
        if pressed.startswith(ESCAPE) and len(pressed) > 1:
            return []  # an arrow, a function key: none that is asked for
        return [SAME.get(key, key) for key in pressed]


@contextlib.contextmanager
def keyboard(descriptor: int) -> Iterator[Keyboard]:
    """Lend a terminal's keyboard: keys come one by one, are not shown, and Ctrl-Z does not stop.

    A change of the window's size wakes it, too. For the main thread.
    """
    before = termios.tcgetattr(descriptor)
    keys = Keyboard(descriptor)

    def woken(_: int, __: FrameType | None) -> None:
        keys.wake()

    of_window = signal.signal(signal.SIGWINCH, woken)
    try:
        tty.setcbreak(descriptor)
        _turn_stopping_off(descriptor)
        yield keys
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, of_window)
        keys.close()


def _turn_stopping_off(descriptor: int) -> None:
    """A program that is stopped cannot clear the screen that it has."""
    settings = termios.tcgetattr(descriptor)
    settings[6][termios.VSUSP] = b"\0"
    termios.tcsetattr(descriptor, termios.TCSANOW, settings)
