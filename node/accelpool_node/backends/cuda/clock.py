"""The device's clock: what CUDA's events tell of each other, as nanoseconds of one time.

CUDA tells how long after another event one was reached, as a float of milliseconds: over an hour that is a
quarter of a millisecond coarse. So times are told from an event not far away, which is replaced as time goes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

FAR_MS = 1000.0
NS_PER_MS = 1e6


class Clock:
    """Tells when events were reached, in ns; the host's monotonic clock is the same to some microseconds.

    Args:
        anchor: An event that was reached just now, and is not recorded again.
        leave: Takes an anchor that is not needed any more.
    """

    def __init__(self, anchor: Any, leave: Callable[[Any], None]) -> None:
        self._anchor = anchor
        self._anchor_ns = time.monotonic_ns()
        self._leave = leave
        self._telling = threading.Lock()

    def span(self, started: Any, done: Any) -> tuple[int, int]:
        """Return when two events were reached, the second one after the first; neither is recorded again."""
        with self._telling:
            away_ms = started.time_since(self._anchor)
            start_ns = self._anchor_ns + round(away_ms * NS_PER_MS)
            end_ns = start_ns + max(0, round(done.time_since(started) * NS_PER_MS))
            if away_ms > FAR_MS:
                self._leave(self._anchor)
                self._anchor, self._anchor_ns = done, end_ns
            return start_ns, end_ns
