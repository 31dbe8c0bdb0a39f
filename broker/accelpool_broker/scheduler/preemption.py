"""Which leases end before their time so that a request can be served.

Only preemptible leases do, and only once they have run for the policy's shortest time. One yields to a
request

    of a higher priority
    of the same one, that waited already when it was granted devices kept for that request (backfill)
    of the same one, of a tenant that has less for its weight, and still has no more afterwards

None ends in vain: all that a request lacks must be there once they are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accelpool_broker.scheduler import fitness
from accelpool_broker.scheduler.fairness import Fairness, size_of
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.views import WHOLE, Demand, LeaseView, Placement, Policy, Request


@dataclass(frozen=True, kw_only=True)
class Sacrifice:
    """Leases to end so that one share has room at a place."""

    place: int
    leases: tuple[LeaseView, ...]

    @property
    def cost(self) -> tuple[int, int, int, float, int]:
        """What orders sacrifices: those told already first, then low priorities, few leases, short runs."""
        fresh = [lease for lease in self.leases if lease.notice is None]
        priority = max((lease.priority for lease in fresh), default=-(1 << 31))
        newest = max((lease.granted_at for lease in fresh), default=0.0)
        return (len(fresh) > 0, priority, len(fresh), -newest, self.place)


class Preemption:
    """Finds leases that yield to requests, within one pass."""

    def __init__(self, room: Room, chooser: Chooser, fairness: Fairness, policy: Policy, now: float) -> None:
        self._room = room
        self._chooser = chooser
        self._fairness = fairness
        self._policy = policy
        self._now = now
        self._places = [
            place
            for place, leases in sorted(room.leases.items())
            if any(lease.is_preemptible for lease in leases)
        ]
        self.deadlines: list[float] = []

    def find(self, request: Request, demand: Demand) -> list[Sacrifice]:
        """Return what has to end for a demand of a request; nothing if that does not help, or need not be."""
        if not self._places:
            return []
        candidates = self._room.inventory.candidates(demand).members
        possible = [
            sacrifice
            for place in self._places
            if place in candidates and self._room.is_open[place] and place not in self._room.kept_for
            if (sacrifice := self._at(place, request, demand)) is not None
        ]
        free = self._chooser.open_places(demand, may_pass=False)
        if demand.placement is not Placement.SAME_NODE:
            return self._enough(demand.count - len(free), possible)
        for node in dict.fromkeys(self._node(sacrifice.place) for sacrifice in possible):
            there = [sacrifice for sacrifice in possible if self._node(sacrifice.place) == node]
            missing = demand.count - sum(self._node(place) == node for place in free)
            chosen = self._enough(missing, there)
            if chosen:
                return chosen
        return []

    def _enough(self, missing: int, possible: Iterable[Sacrifice]) -> list[Sacrifice]:
        ordered = sorted(possible, key=lambda sacrifice: sacrifice.cost)
        return ordered[:missing] if 0 < missing <= len(ordered) else []

    def _at(self, place: int, request: Request, demand: Demand) -> Sacrifice | None:
        """Return the leases that have to end for one share at a place; None if those that may do not help."""
        room = self._room
        memory_bytes, compute_ppm = fitness.part_of(demand, room.inventory.memory_bytes[place])
        lacks_bytes = memory_bytes - room.memory_bytes[place]
        lacks_ppm = compute_ppm - room.compute_ppm[place]
        if lacks_bytes <= 0 and lacks_ppm <= 0:
            return None  # it has room: it is among the free ones
        chosen: list[LeaseView] = []
        device = room.inventory.devices[place].id
        for lease in self._yielding(room.leases[place], request, demand):
            if lacks_bytes <= 0 and lacks_ppm <= 0:
                break
            chosen.append(lease)
            for share in lease.shares:
                if share.device == device:
                    lacks_bytes -= share.memory_bytes
                    lacks_ppm -= share.compute_ppm
        return Sacrifice(place=place, leases=tuple(chosen)) if lacks_bytes <= 0 and lacks_ppm <= 0 else None

    def _yielding(self, leases: Sequence[LeaseView], request: Request, demand: Demand) -> list[LeaseView]:
        found = [lease for lease in leases if self._yields(lease, request, demand)]
        return sorted(
            found, key=lambda lease: (lease.notice is None, lease.priority, -lease.granted_at, lease.id)
        )

    def _yields(self, lease: LeaseView, request: Request, demand: Demand) -> bool:
        if not lease.is_preemptible:
            return False
        if not self._has_to_yield(lease, request, demand):
            return False
        ready_at = lease.granted_at + self._policy.min_run_s
        if ready_at > self._now:
            self.deadlines.append(ready_at)
            return False
        return True

    def _has_to_yield(self, lease: LeaseView, request: Request, demand: Demand) -> bool:
        if lease.priority != request.priority:
            return lease.priority < request.priority
        if lease.is_backfill and lease.order > request.order:
            return True
        if lease.tenant == request.tenant:
            return False
        held = size_of(lease.shares, self._room.inventory)
        wanted = demand.count * (demand.compute_ppm or WHOLE) / WHOLE
        return self._fairness.may_reclaim(request.tenant, wanted, lease.tenant, held)

    def _node(self, place: int) -> str:
        return self._room.inventory.devices[place].node
