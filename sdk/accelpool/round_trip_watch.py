"""Warns a program that spends its time on the way to its devices: most of it, in round trips.

Every hundredth synchronous call looks at what the session has cost. Once a second was spent waiting, the
round trip itself is measured, by a few that do nothing: what the system knows of the connection (TCP_INFO)
ends at a tunnel. What is posted, launches among it, is not looked at and costs nothing.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from accelpool.context_stats import ContextStats
from accelpool.errors import PerformanceWarning

CALLS = 100
WAITED_S = 1.0
NULL_ROUND_TRIPS = 5
MOSTLY = 0.5
NEAR_S = 0.0005  # a round trip on the same machine, or nearly so: not what a program suffers from
HERE = str(Path(__file__).parent)


class RoundTripWatch:
    """Looks at a session's costs now and then, and warns once.

    Args:
        cost: Returns what the session has cost until now.
        null_round_trip: Makes a round trip that does nothing.
    """

    __slots__ = ("_calls", "_cost", "_has_warned", "_null_round_trip", "_seen", "_since")

    def __init__(self, cost: Callable[[], ContextStats], null_round_trip: Callable[[], object]) -> None:
        self._cost = cost
        self._null_round_trip = null_round_trip
        self._calls = 0
        self._has_warned = False
        self._seen = ContextStats()
        self._since = time.perf_counter()

    def count(self) -> None:
        """Count a synchronous call; it has not been sent yet."""
        self._calls += 1
        if self._calls >= CALLS and not self._has_warned:
            self._calls = 0
            self._look()

    def _look(self) -> None:
        now, at = self._cost(), time.perf_counter()
        spent, lasted_s = now - self._seen, at - self._since
        if spent.waited_s < WAITED_S:
            return
        self._seen, self._since = now, at
        found = finding(spent, lasted_s, self._round_trip_s())
        if found is not None and not self._has_warned:
            self._has_warned = True
            warnings.warn(found, PerformanceWarning, stacklevel=_depth(sys._getframe()))

    def _round_trip_s(self) -> float:
        took = []
        for _ in range(NULL_ROUND_TRIPS):
            began = time.perf_counter()
            self._null_round_trip()
            took.append(time.perf_counter() - began)
        return min(took)


def finding(spent: ContextStats, lasted_s: float, round_trip_s: float) -> str | None:
    """Return a sentence for a program most of whose time went by on the way, None for others.

    Args:
        spent: What a stretch of the session has cost.
        lasted_s: How long that lasted, in seconds.
        round_trip_s: How long a round trip takes that does nothing.
    """
    on_the_way_s = min(spent.waited_s, spent.round_trips * round_trip_s, lasted_s)
    if round_trip_s < NEAR_S or on_the_way_s < MOSTLY * lasted_s:
        return None
    call, count = max(((row[0], row[1]) for row in spent.rows()), key=lambda row: row[1])
    return (
        f"{on_the_way_s / lasted_s:.0%} of the last {lasted_s:.1f} s went by on the way to the devices, in "
        f"{spent.round_trips:,} round trips of {round_trip_s * 1e3:.1f} ms, {count:,} of them for {call}: "
        "enqueue without waiting, and wait or read once at the end; docs/sdk.md says under 'What waits and "
        "what does not' what costs no round trip, and ctx.stats has the numbers"
    )


def _depth(frame: FrameType) -> int:
    """Return how far up, from a frame, the caller of this package is: for `warnings.warn` there."""
    depth = 1
    above: FrameType | None = frame
    while above is not None and above.f_code.co_filename.startswith(HERE):
        depth += 1
        above = above.f_back
    return depth
