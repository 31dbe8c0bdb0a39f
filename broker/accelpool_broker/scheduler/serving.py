"""Serving the queue: who gets devices now, who waits and for what, who has to yield.

Requests are served by priority; within one the tenant comes first that has the least for its weight; within a
tenant in order of arrival. A request that has to wait keeps devices for itself: those that it could have now,
if it needs more, and those on which others have parts, so that they are not dealt out for ever in small
pieces. Requests may have what is kept (backfill) that yield when they are asked to, or end soon by
themselves, and before the waiting one could start anyway.

Requests whose time was reserved come before all others once it has come: see `reservations`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from accelpool_broker.scheduler.decisions import Grant, Wait
from accelpool_broker.scheduler.fairness import Fairness, size_of
from accelpool_broker.scheduler.foresight import earliest_start
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.preemption import Preemption
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.reasons import why_waiting
from accelpool_broker.scheduler.reservations import Reservations
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.stay import Stay, ends_by, stay_of
from accelpool_broker.scheduler.views import Demand, Placement, Policy, Request, Share

MAX_LOOKS = 32  # waiting requests for which others may have to yield, and devices may be kept


@dataclass
class Served:
    """What came of the queue; `victims` are the leases that have to yield, by id, and to which request."""

    grants: list[Grant] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    victims: dict[str, Request] = field(default_factory=dict)


class Server:
    """Serves the queue once.

    Args:
        room: What is free.
        fairness: Whose turn it is.
        quotas: What tenants may have.
        preemption: Who yields.
        reservations: What is promised for a time to come, and to whom from now on.
        policy: The rules.
        now: The instant.
        explain: The ids of the requests whose reason is wanted in full, None for all.
    """

    def __init__(
        self,
        *,
        room: Room,
        chooser: Chooser,
        fairness: Fairness,
        quotas: Quotas,
        preemption: Preemption,
        reservations: Reservations,
        policy: Policy,
        now: float,
        explain: Collection[str] | None,
    ) -> None:
        self._room = room
        self._chooser = chooser
        self._fairness = fairness
        self._quotas = quotas
        self._preemption = preemption
        self._reservations = reservations
        self._policy = policy
        self._now = now
        self._explain = explain
        self._kept = 0
        self._served = Served()

    def serve(self, waiting: Iterable[Request]) -> Served:
        """Return what comes of the waiting requests."""
        waiting = list(waiting)
        for request in waiting:
            if request.starts_at is not None:
                self._keep_word(request)
        for request in in_turn((one for one in waiting if one.starts_at is None), self._fairness):
            self._serve(request, self._chooser)
        return self._served

    def _keep_word(self, request: Request) -> None:
        """Grant what was reserved for a request, or what there is; it stays reserved if there is nothing."""
        self._reservations.release(request)
        shares = self._reservations.usable_shares(request)
        over_quota = self._quotas.why_not(
            request.tenant, request.reserved, ends_at=ends_by(request, self._now)
        )
        if shares and not over_quota and all(self._room.has_room(place, share) for place, share in shares):
            self._take(request, request.alternative, shares)
        elif not self._serve(request, Chooser(self._room)):
            self._reservations.enter(request)

    def _serve(self, request: Request, chooser: Chooser) -> bool:
        """Grant a request or let it wait; whether it was granted."""
        over_quota = self._grant(request, chooser)
        if over_quota:
            self._wait(request, over_quota)
        return not over_quota

    def _grant(self, request: Request, chooser: Chooser) -> list[str]:
        """Grant a request with its first alternative that can be served now; nothing if it was granted.

        Returns:
            Else which quota each alternative would exceed, "" if none.
        """
        over_quota: list[str] = []
        stay = self._stay(request)
        for number, demand in enumerate(request.alternatives):
            chosen = chooser.choose(demand, stay=stay)
            over_quota.append(self._over_quota(request, demand, chooser, chosen))
            if chosen and not over_quota[-1]:
                self._take(request, number, chosen)
                return []
        return over_quota

    def _over_quota(
        self, request: Request, demand: Demand, chooser: Chooser, chosen: Sequence[tuple[int, Share]]
    ) -> str:
        if not self._quotas.are_any:
            return ""
        shares = tuple(share for _, share in chosen) or chooser.example(demand)
        return self._quotas.why_not(request.tenant, shares, ends_at=ends_by(request, self._now))

    def _take(self, request: Request, number: int, chosen: Sequence[tuple[int, Share]]) -> None:
        shares = tuple(share for _, share in chosen)
        is_backfill = any(place in self._room.kept_for for place, _ in chosen)
        leaves_at = stay_of(request, self._policy, self._now).leaves_at
        for place, share in chosen:
            self._room.take(place, share, request.id, leaves_at)
        self._fairness.add(request.tenant, size_of(shares, self._room.inventory))
        self._quotas.add(request.tenant, shares, ends_by(request, self._now))
        self._served.grants.append(
            Grant(lease=request.id, shares=shares, alternative=number, is_backfill=is_backfill)
        )

    def _stay(self, request: Request) -> Stay:
        """Return how long a request stays, as far as that matters: what is alike for many is found once."""
        stay = stay_of(request, self._policy, self._now)
        return stay if self._room.reserved else Stay(stay.pass_by)

    def _wait(self, request: Request, over_quota: Sequence[str]) -> None:
        reason = over_quota[0] if all(over_quota) else ""
        if not reason and (self._explain is None or request.id in self._explain):
            reason = why_waiting(request, self._room)
        self._served.waits.append(Wait(lease=request.id, position=len(self._served.waits) + 1, reason=reason))
        if len(self._served.waits) <= MAX_LOOKS:
            self._keep(request, over_quota)

    def _keep(self, request: Request, over_quota: Sequence[str]) -> None:
        """Keep devices for a request: of those of its first alternative that it can ever be served with."""
        for demand, reason in zip(request.alternatives, over_quota, strict=True):
            candidates = self._room.inventory.candidates(demand)
            if reason or len(candidates.places) < demand.count:
                continue
            places = self._sacrificed(request, demand)
            if self._kept < self._policy.keep_depth:
                gathered = self._gathered(request, demand, places)
                self._kept += bool(gathered)
                places += gathered
            if places:
                starts_at = earliest_start(request, demand, self._room, self._now)
                self._room.keep(places, request.id, starts_at)
            if len(places) < demand.count:
                self._room.awaited.append(candidates.faces)
            return

    def _sacrificed(self, request: Request, demand: Demand) -> list[int]:
        """Return the places of leases that have to yield to the request, and note that they do."""
        found = self._preemption.find(request, demand)
        for sacrifice in found:
            for lease in sacrifice.leases:
                self._served.victims.setdefault(lease.id, request)
        return [sacrifice.place for sacrifice in found]

    def _gathered(self, request: Request, demand: Demand, sacrificed: Sequence[int]) -> list[int]:
        """Return places that are free for a demand, or partly, as many as it lacks beside some others."""
        single = replace(demand, count=1)
        leaves_at = stay_of(request, self._policy, self._now).leaves_at
        stay = Stay(leaves_at=leaves_at)
        free = self._chooser.open_places(single, stay=stay) if demand.count > 1 else []
        members = self._room.inventory.candidates(demand).members
        compute = self._room.compute_ppm
        parted = [
            place
            for place in self._room.parted
            if place in members and self._room.is_open[place] and place not in self._room.kept_for
            if self._room.reserved_before(place, leaves_at) is None
        ]
        parted.sort(key=lambda place: (-compute[place], place))
        places = [place for place in dict.fromkeys((*free, *parted)) if place not in sacrificed]
        if demand.placement is Placement.SAME_NODE:
            node = self._node(sacrificed[0]) if sacrificed else self._best_node(demand, free)
            places = [place for place in places if self._node(place) == node]
        return places[: demand.count - len(sacrificed)]

    def _best_node(self, demand: Demand, free: Iterable[int]) -> str:
        """Return which of the nodes that have enough devices has the most free ones, "" if none has."""
        found = Counter(self._node(place) for place in self._room.inventory.candidates(demand).places)
        count = Counter(self._node(place) for place in free)
        enough = (node for node, devices in found.items() if devices >= demand.count)
        return min(enough, key=lambda node: (-count[node], node), default="")

    def _node(self, place: int) -> str:
        return self._room.inventory.devices[place].node


def in_turn(waiting: Iterable[Request], fairness: Fairness) -> Iterator[Request]:
    """Yield requests in the order in which they are served; the fairness has to be told of what they get."""
    by_priority: dict[int, dict[str, deque[Request]]] = {}
    for request in sorted(waiting, key=lambda request: request.order):
        tenants = by_priority.setdefault(request.priority, {})
        tenants.setdefault(request.tenant, deque()).append(request)
    for priority in sorted(by_priority, reverse=True):
        tenants = by_priority[priority]
        heap = [(fairness.score(name), requests[0].order, name) for name, requests in tenants.items()]
        heapify(heap)
        while heap:
            score, order, name = heappop(heap)
            now = fairness.score(name)
            if now != score:
                heappush(heap, (now, order, name))  # it, or one beside it, got something meanwhile
                continue
            yield tenants[name].popleft()
            if tenants[name]:
                heappush(heap, (fairness.score(name), tenants[name][0].order, name))
