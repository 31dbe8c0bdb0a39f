"""What sessions have done since the agent started, added up. No I/O."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from accelpool_node.control import Traffic
from accelpool_wire.codes import NAMES

OTHER = "OTHER"
CODES = frozenset(NAMES.values())


@dataclass(kw_only=True)
class Tally:
    """What sessions have done, those that have ended included.

    Attributes:
        begun: Sessions that began, by driver environment.
        ended: Sessions that ended, by driver environment and cause.
        from_clients: Bytes; so are the next three.
        to_clients: ...
        from_nodes: ...
        to_nodes: ...
        commands: Messages of clients.
        round_trips: Those of them that wanted an answer.
        failures: Failures that clients were answered with, by the name of their code.
    """

    begun: Counter[str] = field(default_factory=Counter)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    from_clients: int = 0
    to_clients: int = 0
    from_nodes: int = 0
    to_nodes: int = 0
    commands: int = 0
    round_trips: int = 0
    failures: Counter[str] = field(default_factory=Counter)

    def hear(self, before: Traffic, now: Traffic) -> None:
        """Add what a session has moved since it was last heard of; a worker takes nothing back."""
        self.from_clients += max(0, now.from_client - before.from_client)
        self.to_clients += max(0, now.to_client - before.to_client)
        self.from_nodes += max(0, now.from_peers - before.from_peers)
        self.to_nodes += max(0, now.to_peers - before.to_peers)
        self.commands += max(0, now.commands - before.commands)
        self.round_trips += max(0, now.round_trips - before.round_trips)
        for code, count in now.failures.items():
            known = code if code in CODES else OTHER
            self.failures[known] += max(0, count - before.failures.get(code, 0))
