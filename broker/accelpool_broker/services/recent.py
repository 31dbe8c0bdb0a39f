"""What the scheduler would do, looked at a moment ago: for the many who ask where they stand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from accelpool_broker.scheduler import Outcome

KEPT_S = 1.0
DEAR_S = 0.02
REST = 10.0


class Recent:
    """The newest look at the pool.

    It is taken anew after a second, and after each change that the scheduler had a say in; but one that is
    dear is good for ten times as long as it took, whatever changes: a thousand clients that ask while leases
    come and go must not keep the broker from granting them.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._outcome: Outcome | None = None
        self._at = 0.0
        self._good_until = 0.0
        self._changes = self._seen_changes = 0

    def forget(self) -> None:
        """Take note of a change that the scheduler had a say in."""
        self._changes += 1

    def get(self, look: Callable[[], Outcome], now: float, *, knows: Callable[[Outcome], bool]) -> Outcome:
        """Return the newest look, or a new one.

        Args:
            look: Looks at the pool.
            now: The instant.
            knows: Whether a look serves the caller; else it is taken anew.
        """
        with self._turn:
            if self._outcome is not None and self._is_good(now) and knows(self._outcome):
                return self._outcome
            changes, begun = self._changes, time.thread_time()
            outcome = look()
            cost = time.thread_time() - begun
            self._outcome, self._at, self._seen_changes = outcome, now, changes
            self._good_until = time.monotonic() + (REST * cost if cost > DEAR_S else 0.0)
            return outcome

    def _is_good(self, now: float) -> bool:
        if time.monotonic() < self._good_until:
            return True
        return self._seen_changes == self._changes and 0 <= now - self._at < KEPT_S
