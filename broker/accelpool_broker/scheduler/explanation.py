"""Why a request waits, device by device, and when it can be served at the earliest."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.scheduler.foresight import earliest_start
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.reasons import FREE, what_of
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.views import ALWAYS, FOREVER, Demand, Request


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a device has to do with one alternative of a request.

    Attributes:
        alternative: Its number, from 0.
        mismatch: Why the device would not do, "" if it would.
        doing: If it would: what it is doing.
        kept_for: The id of the request that it is kept for, "" if it is not.
        leases: The ids of the leases that have parts of it.
    """

    device: str
    alternative: int
    mismatch: str
    doing: str
    kept_for: str
    leases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a request waits.

    Attributes:
        verdicts: Of each device for each alternative.
        earliest_at: When enough devices are free if nobody else wants them, by the ends that leases have of
            themselves; None if some that it needs have none.
    """

    verdicts: tuple[Verdict, ...]
    earliest_at: float | None


def explain(request: Request, room: Room, now: float) -> Explanation:
    """Return why a request waits, as of what room was left when it was decided.

    Args:
        request: One that waits.
        room: What was left.
        now: The instant of the decision.
    """
    verdicts = [
        _verdict(request.id, number, demand, place, room, free)
        for number, demand in enumerate(request.alternatives)
        for free in [frozenset(Chooser(room).open_places(demand, pass_by=ALWAYS))]
        for place in range(len(room.inventory.devices))
    ]
    times = [earliest_start(request.id, demand, room, now) for demand in request.alternatives]
    earliest_at = min(times, default=FOREVER)
    return Explanation(verdicts=tuple(verdicts), earliest_at=None if earliest_at == FOREVER else earliest_at)


def _verdict(
    request: str, number: int, demand: Demand, place: int, room: Room, free: frozenset[int]
) -> Verdict:
    device = room.inventory.devices[place]
    mismatch = room.inventory.mismatch(demand, place)
    doing = "" if mismatch else what_of(request, place, room, free)
    if room.kept_for.get(place) == request and doing == FREE:
        doing = "kept for it until it has all that it needs"
    return Verdict(
        device=device.id,
        alternative=number,
        mismatch=mismatch,
        doing=doing,
        kept_for=room.kept_for.get(place, ""),
        leases=tuple(lease.id for lease in room.leases.get(place, ())),
    )
