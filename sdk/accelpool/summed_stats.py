"""What several connections have cost together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from accelpool.connections import ConnectionStats
from accelpool_wire.inbox import Waits


class SummedStats:
    """The sums over some connections' stats.

    Args:
        parts: Returns these stats, whenever a sum is asked for.
    """

    def __init__(self, parts: Callable[[], Iterable[ConnectionStats]]) -> None:
        self._all = parts

    @property
    def round_trips(self) -> int:
        """How often somebody waited for a worker."""
        return sum(stats.round_trips for stats in self._all())

    @property
    def waited_s(self) -> float:
        """Seconds spent so."""
        return sum(stats.waited_s for stats in self._all())

    @property
    def network_s(self) -> float:
        """Seconds of these that the network took, at least, as far as the system knows."""
        return sum(stats.network_s for stats in self._all())

    @property
    def by_call(self) -> dict[str, Waits]:
        """How often, and how long, for which call."""
        total: dict[str, Waits] = {}
        for stats in self._all():
            for call, waits in list(stats.by_call.items()):
                sum_ = total.setdefault(call, Waits())
                sum_.round_trips += waits.round_trips
                sum_.waited_s += waits.waited_s
        return total

    @property
    def bytes_sent(self) -> int:
        """Bytes sent to the workers by this client."""
        return sum(stats.bytes_sent for stats in self._all())

    @property
    def bytes_received(self) -> int:
        """Bytes received from the workers by this client."""
        return sum(stats.bytes_received for stats in self._all())
