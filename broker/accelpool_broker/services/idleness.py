"""Whether leases have something to do, from what agents tell of their devices' work.

An agent says how long each lease had work so far; the broker compares it with what it heard before. A lease
is idle from the start of the first interval in which it had too little, until the end of the first in which
it had enough. One over several nodes is busy as long as it is on any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from accelpool_broker.models import Lease

BUSY_FROM = 0.02  # of the time
SHORTEST_S = 4.0


@dataclass(frozen=True)
class _Heard:
    busy_s: float
    at: float


class Idleness:
    """What was heard last of each lease on each node; after a restart it is heard anew."""

    def __init__(self) -> None:
        self._heard: dict[str, dict[str, _Heard]] = {}

    def hear(self, node: str, leases: Iterable[Lease], busy_s: Mapping[str, float], now: float) -> bool:
        """Take note of a report, and say in the leases since when they are idle.

        Args:
            node: The node's name.
            leases: The active leases that have devices there.
            busy_s: How long each had work so far, by id; one that is not there had none.
            now: The instant of the report.

        Returns:
            Whether any lease became idle, or busy again.
        """
        before = self._heard.get(node, {})
        after: dict[str, _Heard] = {}
        has_changed = False
        for lease in leases:
            known, new = before.get(lease.id), _Heard(busy_s.get(lease.id, 0.0), now)
            after[lease.id] = new if known is None or now - known.at >= SHORTEST_S else known
            if known is not None and after[lease.id] is new:
                has_changed |= _judge(lease, known, new)
        self._heard[node] = after
        return has_changed


def _judge(lease: Lease, known: _Heard, new: _Heard) -> bool:
    worked_s = new.busy_s - known.busy_s
    is_busy = not 0 <= worked_s < BUSY_FROM * (new.at - known.at)  # less than before: another agent counts
    if is_busy == (lease.idle_since is None):
        return False
    lease.idle_since = None if is_busy else known.at
    return True
