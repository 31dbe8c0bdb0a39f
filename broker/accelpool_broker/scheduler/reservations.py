"""Devices for a time to come: what is reserved, for whom there is no room, who has to go in time.

A request that begins later is given shares when it is made, and keeps them: nobody gets anything of them who
might still have it then. It counts on devices

    that are free, or whose leases end of themselves before it starts
    whose leases are preemptible: these are told in time
    that no other reservation has meanwhile
    that are not kept for a request that waits already

If some of its devices drop out (their node does not answer, is cordoned, ...) others are reserved instead
where there are any, else it keeps them for when they are back. Whoever has nothing when his time comes is
served before all that wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from math import inf, nextafter

from accelpool_broker.scheduler.decisions import Booking, Wait
from accelpool_broker.scheduler.fitness import part_of
from accelpool_broker.scheduler.holds import peak
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.reasons import said, why_waiting
from accelpool_broker.scheduler.room import Room, end_of
from accelpool_broker.scheduler.stay import UNBOUND
from accelpool_broker.scheduler.views import FOREVER, WHOLE, Demand, LeaseView, Request, Share

MAX_PLANS = 8  # reservations for which devices are looked for in one pass


@dataclass
class Kept:
    """What came of the requests for a time to come."""

    bookings: list[Booking] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    displaced: list[str] = field(default_factory=list)


class Reservations:
    """What is reserved, within one pass: in the room of devices, and in the quotas of tenants.

    Args:
        room: What is free.
        quotas: What tenants may have.
        requests: Those that have a time, and those among them whose time has come.
    """

    def __init__(self, room: Room, quotas: Quotas, requests: Iterable[Request]) -> None:
        self._room = room
        self._quotas = quotas
        self._requests: dict[str, Request] = {}
        for request in sorted(requests, key=lambda request: request.order):
            self.enter(request)

    def enter(self, request: Request) -> None:
        """Reserve a request's shares."""
        starts_at, ends_at = period(request)
        self._requests[request.id] = request
        self._quotas.reserve(request)
        for place, share in self.shares(request):
            self._room.reserve(place, share, request.id, starts_at, ends_at)

    def release(self, request: Request) -> None:
        """Reserve a request's shares no longer."""
        del self._requests[request.id]
        self._quotas.release(request.id)
        for place, _ in self.shares(request):
            self._room.release(place, request.id)

    def shares(self, request: Request) -> list[tuple[int, Share]]:
        """Return what is reserved for a request of devices that are there, with their places."""
        places = self._room.inventory.places
        return [(places[share.device], share) for share in request.reserved if share.device in places]

    def usable_shares(self, request: Request) -> list[tuple[int, Share]]:
        """Return all that is reserved for a request, with places; none if some of it cannot be used now."""
        shares = self.shares(request)
        members = self._room.inventory.candidates(request.alternatives[request.alternative]).members
        is_usable = all(place in members and self._room.is_open[place] for place, _ in shares)
        return shares if is_usable and len(shares) == len(request.reserved) else []

    def victims(self) -> dict[str, Request]:
        """Return the leases that have to go for what begins soon, by id, and for which request."""
        found: dict[str, Request] = {}
        for request in self._requests.values():
            starts_at = max(period(request)[0], self._room.now)
            if starts_at - self._room.policy.lead_s <= self._room.now:
                for place, _ in self.shares(request):
                    for lease in self._in_the_way(place, starts_at, found):
                        found.setdefault(lease.id, request)
        return found

    def _in_the_way(self, place: int, at: float, going: Iterable[str]) -> Iterator[LeaseView]:
        """Yield as many preemptible leases as there is too little room for on a device at an instant."""
        room = self._room
        used_bytes, used_ppm = peak(room.holds(place, warning_s=FOREVER), at, nextafter(at, inf))
        yielding = [
            lease for lease in room.leases.get(place, ()) if lease.is_preemptible and end_of(lease) > at
        ]
        for lease in sorted(yielding, key=lambda one: (one.id not in going, _cost(one))):
            if used_bytes <= room.inventory.memory_bytes[place] and used_ppm <= WHOLE:
                return
            shares = room.inventory.shares_of(place, lease.shares)
            used_bytes -= sum(share.memory_bytes for share in shares)
            used_ppm -= sum(share.compute_ppm for share in shares)
            yield lease

    def settle(self) -> Kept:
        """Return what is newly reserved, and what all those wait for whose time is to come.

        Devices are looked for for those that have none yet, then for those that begin first, of which some
        dropped out; no more than MAX_PLANS times in one pass.
        """
        kept = Kept()
        early = [one for one in self._requests.values() if period(one)[0] > self._room.now]
        plans = 0
        for request in sorted(early, key=lambda one: (bool(one.reserved), period(one)[0], one.order)):
            starts_at, ends_at = period(request)
            time = f"from {said(starts_at)} until {said(ends_at)}"
            reason = f"reserved {time}"
            if not self._is_kept(request):
                plans += 1
                why_not = self._replan(request, kept) if plans <= MAX_PLANS else "its devices dropped out"
                if why_not:
                    kept.displaced.append(request.id)
                    reason = f"no room for it {time}: {why_not}"
            kept.waits.append(Wait(lease=request.id, position=None, reason=reason))
        return kept

    def deadlines(self) -> Iterator[float]:
        """Yield when the reservations start, and when the leases are told that have to go for them."""
        for request in self._requests.values():
            starts_at = period(request)[0]
            yield starts_at
            yield starts_at - self._room.policy.lead_s

    def _is_kept(self, request: Request) -> bool:
        """Whether what is reserved for a request will be there as things are."""
        starts_at, ends_at = period(request)
        shares, grace_s = self.usable_shares(request), self._room.policy.grace_s
        if not shares:
            return False
        for place, _ in shares:
            used_bytes, used_ppm = peak(self._room.holds(place, grace_s), starts_at, ends_at)
            if used_bytes > self._room.inventory.memory_bytes[place] or used_ppm > WHOLE:
                return False
        return not self._quotas.why_not(request.tenant, (), starts_at, ends_at)

    def _replan(self, request: Request, kept: Kept) -> str:
        """Reserve what there is for a request; return why there is nothing, and leave it as it was."""
        starts_at, ends_at = period(request)
        self.release(request)
        room = self._room_within(starts_at, ends_at)
        over_quota = ""
        for number, demand in enumerate(request.alternatives):
            chooser = Chooser(room)
            shares = tuple(share for _, share in chooser.choose(demand, stay=UNBOUND))
            wanted = shares or chooser.example(demand)
            excess = self._quotas.why_not(request.tenant, wanted, starts_at, ends_at)
            if shares and not excess:
                kept.bookings.append(Booking(lease=request.id, shares=shares, alternative=number))
                self.enter(replace(request, reserved=shares, alternative=number))
                return ""
            over_quota = over_quota or excess
        self.enter(request)
        return over_quota or why_waiting(request, room)

    def _room_within(self, starts_at: float, ends_at: float) -> Room:
        """Return what is free all the time from one instant to another."""
        now = self._room
        room = Room(now.inventory, (), (), policy=now.policy, now=now.now)
        room.is_open = now.is_open
        room.kept_for = now.kept_for
        for place in sorted(now.used_places()):
            memory_bytes, compute_ppm = peak(now.holds(place), starts_at, ends_at)
            if memory_bytes or compute_ppm:
                device = now.inventory.devices[place].id
                room.use(place, Share(device=device, memory_bytes=memory_bytes, compute_ppm=compute_ppm))
        return room


def period(request: Request) -> tuple[float, float]:
    """Return when a request for a time to come begins and ends."""
    assert request.starts_at is not None
    assert request.ends_at is not None
    return request.starts_at, request.ends_at


def in_the_way(request: Request, room: Room) -> tuple[str, ...]:
    """Return the ids of those who have, in the time of a request, what it lacks of devices that would do."""
    starts_at, ends_at = period(request)
    found: dict[str, None] = {}
    for demand in request.alternatives:
        places = room.inventory.candidates(demand).places
        full = [place for place in places if not _fits(demand, place, room, starts_at, ends_at)]
        if len(places) - len(full) < demand.count:
            holds = (hold for place in full for hold in room.holds(place))
            found |= dict.fromkeys(
                hold.id for hold in holds if hold.starts_at < ends_at and hold.ends_at > starts_at
            )
    return tuple(id for id in found if id != request.id)


def _fits(demand: Demand, place: int, room: Room, starts_at: float, ends_at: float) -> bool:
    total_bytes = room.inventory.memory_bytes[place]
    memory_bytes, compute_ppm = part_of(demand, total_bytes)
    used_bytes, used_ppm = peak(room.holds(place), starts_at, ends_at)
    return used_bytes + memory_bytes <= total_bytes and used_ppm + compute_ppm <= WHOLE


def _cost(lease: LeaseView) -> tuple[bool, int, float, str]:
    """Return what orders leases that may go: those that were told, then low priorities and short runs."""
    return (lease.notice is None, lease.priority, -lease.granted_at, lease.id)
