"""A terminal for programs: a pty whose other end is an emulator, so that tests see what a user sees."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyte

LIMIT_S = 60.0
READ_BYTES = 65536
LAST = b"\0"  # shows nothing


@dataclass
class Terminal:
    """A terminal with a program in it.

    Attributes:
        written: All that the program has written, as it was written.
        screen: What a user sees of it.
    """

    process: subprocess.Popen[bytes]
    master: int
    slave: int
    screen: pyte.Screen
    written: bytes = b""
    _stream: pyte.ByteStream = field(init=False)

    def __post_init__(self) -> None:
        self._stream = pyte.ByteStream(self.screen)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self.master, keys.encode())

    def until(self, is_so: Callable[[], object], timeout_s: float = LIMIT_S) -> None:
        """Read what the program writes until something is so; fail if it is not within the time."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            left = deadline - time.monotonic()
            assert left > 0, f"not so within {timeout_s:g} s:\n{self.text}"
            self._read(min(left, 0.05))

    def shows(self, words: str) -> None:
        """Wait until words are on the screen."""
        self.until(lambda: words in self.text)

    def resize(self, columns: int, lines: int) -> None:
        """Give the window another size."""
        self.screen.resize(lines, columns)
        _set_size(self.master, columns, lines)

    def settings(self) -> list:
        """Return how the terminal treats what is typed."""
        return termios.tcgetattr(self.slave)

    def end(self) -> int:
        """Read all to the program's end, and return its exit code."""
        self.until(lambda: self.process.poll() is not None)
        os.write(self.slave, LAST)  # comes after all that the program wrote, however late that comes
        self.until(lambda: self.written.endswith(LAST))
        self.written = self.written.removesuffix(LAST)
        return self.process.returncode

    def _read(self, timeout_s: float) -> None:
        ready, _, _ = select.select([self.master], [], [], timeout_s)
        if ready:
            part = os.read(self.master, READ_BYTES)
            self.written += part
            self._stream.feed(part)


@contextmanager
def terminal(
    command: list[str], variables: Mapping[str, str], *, cwd: Path, columns: int = 80, lines: int = 24
) -> Iterator[Terminal]:
    """Run a program in a terminal of its own; what a failed test leaves is killed."""
    master, slave = pty.openpty()
    _set_size(master, columns, lines)
    unwanted = ("COLUMNS", "LINES", "FORCE_COLOR", "TERM")
    env = {"TERM": "xterm-256color", **{k: v for k, v in variables.items() if k not in unwanted}}

    def own_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=env, cwd=cwd, start_new_session=True,
        preexec_fn=own_terminal,
    )  # fmt: skip
    shown = Terminal(process=process, master=master, slave=slave, screen=pyte.Screen(columns, lines))
    try:
        yield shown
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(LIMIT_S)
        os.close(master)
        os.close(slave)


def _set_size(descriptor: int, columns: int, lines: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
