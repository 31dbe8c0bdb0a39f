"""The backstop behind coalesced sending: what nobody flushes leaves within a few milliseconds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from accelpool_wire.errors import AccelpoolError

TICK_S = 0.002
CALM_TICKS = 25
IDLE_S = 0.5


class Flusher:
    """A thread that flushes after bursts: awake while there is traffic, nearly asleep otherwise.

    Args:
        flush: Sends what is gathered.
        has_unsent: Whether something is gathered; called without any lock.
    """

    def __init__(self, flush: Callable[[], None], has_unsent: Callable[[], bool]) -> None:
        self._flush = flush
        self._has_unsent = has_unsent
        self._wanted = threading.Event()
        self._is_armed = False
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def arm(self) -> None:
        """Say that something is gathered. Costs next to nothing during a burst."""
        if self._is_armed:
            return
        self._is_armed = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="accelpool-flusher", daemon=True)
            self._thread.start()
        self._wanted.set()

    def stop(self) -> None:
        """End the thread, soon."""
        self._is_stopped = True
        self._wanted.set()

    def _run(self) -> None:
        while not self._is_stopped:
            if self._wanted.wait(IDLE_S) or self._has_unsent():
                self._wanted.clear()
                self._watch_burst()

    def _try_to_flush(self) -> None:
        with contextlib.suppress(AccelpoolError):  # the session is over: who uses it next is told
            self._flush()

    def _watch_burst(self) -> None:
        """Flush every tick until nothing was gathered for a while."""
        calm = 0
        while calm < CALM_TICKS and not self._is_stopped:
            calm = 0 if self._has_unsent() else calm + 1
            if not calm:
                self._try_to_flush()
            if self._wanted.wait(TICK_S):
                self._wanted.clear()
        self._is_armed = False
        if self._has_unsent():  # gathered since the last flush, while still armed
            self._try_to_flush()
