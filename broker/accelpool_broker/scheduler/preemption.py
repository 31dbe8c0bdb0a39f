"""Which leases end before their time so that a request can be served.

Only preemptible leases do, and only once they have run for the policy's shortest time. One yields to a
request

    of a higher priority
    of the same one, that waited already when it was granted devices kept for that request (backfill)
    of the same one, of a tenant that has less for its weight, and still has no more afterwards, when all
    that was asked to yield in this pass is gone: else the two would take turns for ever

None ends in vain: all that a request lacks must be there once they are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accelpool_broker.scheduler import fitness
from accelpool_broker.scheduler.fairness import Fairness, path, size_of
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.stay import Stay, ends_by
from accelpool_broker.scheduler.views import NEVER, Demand, LeaseView, Placement, Policy, Request


@dataclass(frozen=True, kw_only=True)
class Sacrifice:
    """Leases to end so that one share has room at a place."""

    place: int
    leases: tuple[LeaseView, ...]


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
        self._ending: set[str] = set()  # leases that yield to requests that were served before
        self._moved: dict[str, float] = {}  # devices that tenants have more or less when they have
        self.deadlines: list[float] = []

    def find(self, request: Request, demand: Demand) -> list[Sacrifice]:
        """Return what has to end for a demand of a request; nothing if that does not help, or need not be."""
        if not self._places:
            return []
        candidates = self._room.inventory.candidates(demand).members
        leaves_at = ends_by(request, self._now + self._policy.lead_s)  # it starts once they have gone
        possible = [
            sacrifice
            for place in self._places
            if place in candidates and self._room.is_usable(place, NEVER) and not self._is_awaited(place)
            if self._room.reserved_before(place, leaves_at) is None
            if (sacrifice := self._at(place, request, demand)) is not None
        ]
        free = self._chooser.open_places(demand, stay=Stay(NEVER, leaves_at))
        if demand.placement is not Placement.SAME_NODE:
            return self._enough(request, demand, demand.count - len(free), possible)
        for node in dict.fromkeys(self._node(sacrifice.place) for sacrifice in possible):
            there = [sacrifice for sacrifice in possible if self._node(sacrifice.place) == node]
            missing = demand.count - sum(self._node(place) == node for place in free)
            chosen = self._enough(request, demand, missing, there)
            if chosen:
                return chosen
        return []

    def _enough(
        self, request: Request, demand: Demand, missing: int, possible: Iterable[Sacrifice]
    ) -> list[Sacrifice]:
        """Return the cheapest sacrifices that are possible together; none if those are too few."""
        chosen: list[Sacrifice] = []
        ending: dict[str, LeaseView] = {}
        for sacrifice in sorted(possible, key=self._cost):
            if len(chosen) >= missing:
                break
            with_it = ending | {lease.id: lease for lease in sacrifice.leases}
            if all(self._may_take(lease, request, demand, with_it.values()) for lease in sacrifice.leases):
                chosen.append(sacrifice)
                ending = with_it
        if not 0 < missing == len(chosen):
            return []
        self._moved = self._after(request, demand, ending.values())
        self._ending.update(ending)
        return chosen

    def _after(self, request: Request, demand: Demand, leases: Iterable[LeaseView]) -> dict[str, float]:
        """Return what has moved between tenants once the request has what those leases leave."""
        inventory = self._room.inventory
        moved = dict(self._moved)
        changes = [(request.tenant, size_of(self._chooser.example(demand), inventory))]
        changes += [
            (lease.tenant, -size_of(lease.shares, inventory))
            for lease in leases
            if lease.id not in self._ending
        ]
        for tenant, size in changes:
            for name in path(tenant):
                moved[name] = moved.get(name, 0.0) + size
        return moved

    def _at(self, place: int, request: Request, demand: Demand) -> Sacrifice | None:
        """Return the leases that have to end for one share at a place; None if those that may do not help."""
        room = self._room
        memory_bytes, compute_ppm = fitness.part_of(demand, room.inventory.memory_bytes[place])
        lacks_bytes = memory_bytes - room.memory_bytes[place]
        lacks_ppm = compute_ppm - room.compute_ppm[place]
        if lacks_bytes <= 0 and lacks_ppm <= 0:
            return None  # it has room: it is among the free ones
        chosen: list[LeaseView] = []
        for lease in self._yielding(room.leases[place], request, demand):
            if lacks_bytes <= 0 and lacks_ppm <= 0:
                break
            chosen.append(lease)
            for share in room.inventory.shares_of(place, lease.shares):
                lacks_bytes -= share.memory_bytes
                lacks_ppm -= share.compute_ppm
        return Sacrifice(place=place, leases=tuple(chosen)) if lacks_bytes <= 0 and lacks_ppm <= 0 else None

    def _yielding(self, leases: Sequence[LeaseView], request: Request, demand: Demand) -> list[LeaseView]:
        found = [lease for lease in leases if self._yields(lease, request, demand)]
        return sorted(
            found, key=lambda lease: (not self._is_going(lease), lease.priority, -lease.granted_at, lease.id)
        )

    def _yields(self, lease: LeaseView, request: Request, demand: Demand) -> bool:
        """Whether a lease yields to a request, if no other one has to."""
        if not lease.is_preemptible:
            return False
        if not self._may_take(lease, request, demand, [lease]):
            return False
        ready_at = lease.granted_at + self._policy.min_run_s
        if ready_at > self._now:
            self.deadlines.append(ready_at)
            return False
        return True

    def _may_take(
        self, lease: LeaseView, request: Request, demand: Demand, ending: Iterable[LeaseView]
    ) -> bool:
        """Whether a lease yields to a request, if all of these end for it."""
        if lease.id in self._ending:
            return True
        if lease.priority != request.priority:
            return lease.priority < request.priority
        if lease.is_backfill and lease.order > request.order:
            return True
        after = self._after(request, demand, ending)
        return self._fairness.is_no_richer(request.tenant, lease.tenant, after)

    def _cost(self, sacrifice: Sacrifice) -> tuple[int, int, int, float, int]:
        """Return what orders sacrifices: those that go anyway first, then low priorities, few, short runs."""
        fresh = [lease for lease in sacrifice.leases if not self._is_going(lease)]
        priority = max((lease.priority for lease in fresh), default=-(1 << 31))
        newest = max((lease.granted_at for lease in fresh), default=0.0)
        return (len(fresh) > 0, priority, len(fresh), -newest, sacrifice.place)

    def _is_going(self, lease: LeaseView) -> bool:
        """Whether a lease ends no later than one that is told now."""
        return lease.notice is not None and lease.notice.revoke_at <= self._now + self._policy.grace_s

    def _is_awaited(self, place: int) -> bool:
        """Whether what is left there goes to a request that comes before."""
        return any(place in awaited for awaited in self._room.awaited)

    def _node(self, place: int) -> str:
        return self._room.inventory.devices[place].node
