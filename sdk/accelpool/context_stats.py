"""What a context's session has cost its client: the numbers behind `ctx.stats`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from accelpool.connections import ConnectionStats
from accelpool.notebook import table


@dataclass(frozen=True, kw_only=True)
class CallStats:
    """What one kind of call has cost.

    Attributes:
        round_trips: How often it waited for an answer.
        waited_s: Seconds spent so.
    """

    round_trips: int = 0
    waited_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ContextStats:
    """What a session has cost until a moment; the difference of two is what was in between.

    Attributes:
        round_trips: How often this process has waited for an answer from its nodes.
        waited_s: Seconds spent so, of all threads.
        network_s: Seconds of these that the network took, at least, as far as the system knows.
        bytes_sent: Bytes sent to the nodes.
        bytes_received: Bytes received from them.
        by_call: What each kind of call has cost, by its message on the data plane, such as "Finish"; "Read"
            is for copies to the host, "WaitEvents" for events.
    """

    round_trips: int = 0
    waited_s: float = 0.0
    network_s: float = 0.0
    bytes_sent: int = 0
    bytes_received: int = 0
    by_call: Mapping[str, CallStats] = field(default_factory=dict)

    @classmethod
    def of(cls, stats: ConnectionStats) -> ContextStats:
        """Return what a connection has cost until now."""
        return cls(
            round_trips=stats.round_trips,
            waited_s=stats.waited_s,
            network_s=stats.network_s,
            bytes_sent=stats.bytes_sent,
            bytes_received=stats.bytes_received,
            by_call={
                call: CallStats(round_trips=waits.round_trips, waited_s=waits.waited_s)
                for call, waits in list(stats.by_call.items())
            },
        )

    def __sub__(self, earlier: ContextStats) -> ContextStats:
        by_call = {}
        for call, now in self.by_call.items():
            before = earlier.by_call.get(call, CallStats())
            if now.round_trips > before.round_trips:
                by_call[call] = CallStats(
                    round_trips=now.round_trips - before.round_trips, waited_s=now.waited_s - before.waited_s
                )
        return ContextStats(
            round_trips=self.round_trips - earlier.round_trips,
            waited_s=self.waited_s - earlier.waited_s,
            network_s=max(0.0, self.network_s - earlier.network_s),
            bytes_sent=self.bytes_sent - earlier.bytes_sent,
            bytes_received=self.bytes_received - earlier.bytes_received,
            by_call=by_call,
        )

    def rows(self) -> list[tuple[str, int, float]]:
        """Return call, round trips and seconds, what took longest first."""
        found = [(call, each.round_trips, each.waited_s) for call, each in self.by_call.items()]
        return sorted(found, key=lambda row: row[2], reverse=True)

    def _repr_html_(self) -> str:
        sent = f"{self.bytes_sent:,} bytes sent, {self.bytes_received:,} received"
        caption = f"{sent}; network: {self.network_s:.3f} s"
        calls = [(call, f"{count:,}", f"{waited_s:.3f}") for call, count, waited_s in self.rows()]
        total = ("all", f"{self.round_trips:,}", f"{self.waited_s:.3f}")
        return table(caption, ("call", "round trips", "seconds"), [*calls, total])
