"""How much of what a session waits for is in the hands of other nodes.

Whoever waits for a command that waits for another node must not do so in the session's own thread, which may
be what the other node waits for; and such a wait is no device that hangs.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator


class PeerWaits:
    """Counts transfers between nodes, and knows when one last waited for the other side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending = 0
        self._waiting = 0
        self._last = float("-inf")

    @property
    def is_pending(self) -> bool:
        """Whether a transfer is under way, so that a command may wait for another node."""
        return self._pending > 0

    @property
    def pending(self) -> int:
        """How many transfers are under way."""
        return self._pending

    def began(self) -> None:
        """Take note that a transfer is under way from now on."""
        with self._lock:
            self._pending += 1

    def ended(self) -> None:
        """Take note that a transfer is over."""
        with self._lock:
            self._pending -= 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The transfer waits for the other side, and not for a device of ours, in this context."""
        self.begin_wait()
        try:
            yield
        finally:
            self.end_wait()

    def begin_wait(self) -> None:
        """Take note that a transfer waits for the other side from now on."""
        with self._lock:
            self._waiting += 1

    def end_wait(self) -> None:
        """Take note that a transfer waits for the other side no more."""
        with self._lock:
            self._waiting -= 1
            self._last = time.monotonic()

    def quiet_s(self) -> float:
        """How long no transfer has waited for the other side, in seconds: a wait may hang for that long."""
        with self._lock:
            return 0.0 if self._waiting else time.monotonic() - self._last
