"""One thread that carries out what time alone brings about: expiries and lost nodes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from accelpool_broker.clock import Clock
from accelpool_wire.errors import Unavailable

RETRY_S = 1.0
LONGEST_S = 3600.0

log = logging.getLogger(__name__)


class Timer:
    """Calls `tick` at the deadline that it returned last, or at an earlier one set meanwhile."""

    def __init__(self, *, clock: Clock, tick: Callable[[], float | None]) -> None:
        self._clock = clock
        self._tick = tick
        self._condition = threading.Condition()
        self._deadline: float | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="timer", daemon=True)

    def __enter__(self) -> Timer:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the thread."""
        with self._condition:
            self._is_stopping = True
            self._condition.notify()
        self._thread.join()

    def set(self, deadline: float) -> None:
        """Look no later than at this instant."""
        with self._condition:
            if self._deadline is None or deadline < self._deadline:
                self._deadline = deadline
                self._condition.notify()

    def _run(self) -> None:
        while self._sleep():
            try:
                deadline = self._tick()
            except Unavailable as error:
                log.warning("the timer tries again in %g s: %s", RETRY_S, error)
                deadline = self._clock.now() + RETRY_S
            except Exception:
                log.exception("the timer tries again in %g s", RETRY_S)
                deadline = self._clock.now() + RETRY_S
            if deadline is not None:
                self.set(deadline)

    def _sleep(self) -> bool:
        """Wait for the deadline; whether there is something to do, rather than to stop."""
        with self._condition:
            while not self._is_stopping:
                left = LONGEST_S if self._deadline is None else self._deadline - self._clock.now()
                if left <= 0:
                    self._deadline = None
                    return True
                self._condition.wait(min(left, LONGEST_S))
            return False
