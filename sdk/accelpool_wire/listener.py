"""Receiving for those who do not block: one thread for a connection while anybody of them waits.

Whoever blocks receives by himself (`inbox.py`). Who does not, an event loop for one, has a function called
once what he waits for has come: from the thread that received it, or from the listener's, which receives
while nobody else does. However many wait so, there is one thread, and none a while after the last of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from accelpool_wire.errors import ProblemError, ProtocolError
from accelpool_wire.pending import Awaited

LINGER_S = 1.0


class Receiver(Protocol):
    """Receives for everybody until something is so."""

    def receive_until(self, is_ready: Callable[[], bool]) -> None:
        """Return once it is so."""
        ...


class Told:
    """That one function is to be called once something has come."""

    __slots__ = ("awaited", "callback", "note", "since_s")

    def __init__(self, awaited: Awaited, callback: Callable[[], None], note: Callable[[float], None]) -> None:
        self.awaited: Awaited = awaited
        self.callback: Callable[[], None] = callback
        self.note: Callable[[float], None] = note
        self.since_s: float = time.perf_counter()


class Listener:
    """Calls functions once what they are for has come, or the session is over.

    Args:
        inbox: Receives.
    """

    def __init__(self, inbox: Receiver) -> None:
        self._inbox = inbox
        self._changed = threading.Condition()
        self._told: dict[Awaited, list[Told]] = {}
        self._is_over = False
        self._thread: threading.Thread | None = None

    def tell(
        self, awaited: Awaited, callback: Callable[[], None], note: Callable[[float], None]
    ) -> Callable[[], None]:
        """Have a function called once; at once if there is nothing to wait for.

        Args:
            awaited: What for.
            callback: The function; it must neither block nor raise.
            note: Called before it, with the seconds that passed.

        Returns:
            What takes that back; afterwards it is not called any more.
        """
        told = Told(awaited, callback, note)
        with self._changed:
            self._told.setdefault(awaited, []).append(told)
            awaited.is_listened = True  # from now on `came` is called, unless it has come before
            if awaited.is_done or self._is_over:
                pass
            elif self._thread is None:
                self._thread = threading.Thread(target=self._run, name="accelpool-listener", daemon=True)
                self._thread.start()
            else:
                self._changed.notify()
        if awaited.is_done or self._is_over:
            self.came(awaited)
        return lambda: self._take_back(told)

    def came(self, awaited: Awaited) -> None:
        """Call whom it concerns that something has come."""
        with self._changed:
            found = self._told.pop(awaited, [])
        for told in found:
            told.note(time.perf_counter() - told.since_s)
            told.callback()

    def end(self) -> None:
        """The session is over: call everybody."""
        self._is_over = True
        for awaited in list(self._told):
            self.came(awaited)

    def _take_back(self, told: Told) -> None:
        with self._changed:
            left = [each for each in self._told.get(told.awaited, []) if each is not told]
            if left:
                self._told[told.awaited] = left
            else:
                self._told.pop(told.awaited, None)

    def _run(self) -> None:
        while self._has_work():
            try:
                self._inbox.receive_until(lambda: not self._told)
            except (ProblemError, ProtocolError):
                self.end()

    def _has_work(self) -> bool:
        """Wait for work; whether there is some. If not, the thread ends, and the next who asks starts one."""
        with self._changed:
            if not self._told and not self._is_over:
                self._changed.wait(LINGER_S)
            if not self._told:
                self._thread = None
            return bool(self._told)
