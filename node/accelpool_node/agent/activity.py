"""How long each lease has been at work, from what its sessions tell. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(kw_only=True)
class _Lease:
    busy_s: float = 0.0
    counted_at: float


class Activity:
    """Adds up the sessions of leases: never faster than the clock, however many are at work at once.

    Attributes:
        total_s: How long leases have been at work, one as the other, those that have ended included.
    """

    def __init__(self) -> None:
        self.total_s = 0.0
        self._leases: dict[str, _Lease] = {}
        self._sessions: dict[str, float] = {}

    def begin(self, lease: str, now: float) -> None:
        """Take note that a lease has a session from now on."""
        self._leases.setdefault(lease, _Lease(counted_at=now))

    def hear(self, lease: str, session: str, worked_s: float, now: float) -> None:
        """Take note of what a session has worked so far, at an instant of the monotonic clock."""
        known = self._leases.get(lease)
        if known is None:
            return
        more_s = worked_s - self._sessions.get(session, 0.0)
        self._sessions[session] = max(worked_s, self._sessions.get(session, 0.0))
        counted_s = min(max(0.0, more_s), now - known.counted_at)
        known.busy_s += counted_s
        self.total_s += counted_s
        known.counted_at = now

    def end(self, session: str) -> None:
        """Forget a session; what it has worked stays with its lease."""
        self._sessions.pop(session, None)

    def keep(self, leases: Collection[str]) -> None:
        """Forget all leases but these."""
        self._leases = {lease: known for lease, known in self._leases.items() if lease in leases}

    def busy_s(self) -> dict[str, float]:
        """Return by lease how long it has been at work since it was first served."""
        return {lease: known.busy_s for lease, known in self._leases.items()}
