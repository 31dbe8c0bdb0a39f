"""An allowance: so much at once, and so much per second from then on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Allowance:
    """Says whether something that others can bring about may be done once more.

    Args:
        burst: How often at once.
        per_s: How often per second after that.
        clock: Seconds from any start, never going back.
    """

    def __init__(self, *, burst: float, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._lock = threading.Lock()
        self._left, self._at = burst, clock()

    def take(self) -> bool:
        """Take one, if there is one left."""
        with self._lock:
            now = self._clock()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True
