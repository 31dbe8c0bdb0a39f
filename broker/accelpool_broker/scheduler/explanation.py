"""Why a request waits, device by device, and when it can be served at the earliest."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.scheduler.foresight import earliest_start
from accelpool_broker.scheduler.reasons import FREE, LEASED_AS, RESERVED, places_free, what_of
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.stay import stay_of
from accelpool_broker.scheduler.views import FOREVER, Demand, Request


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a device has to do with one alternative of a request.

    Attributes:
        alternative: Its number, from 0.
        mismatch: Why the device would not do, "" if it would.
        doing: If it would: what it is doing.
        kept_for: The id of the request that it is kept or reserved for, "" if it is not.
        kept_from: When it is reserved from, None if it is not.
        leases: The ids of the leases that have parts of it.
    """

    device: str
    alternative: int
    mismatch: str
    doing: str
    kept_for: str
    kept_from: float | None
    leases: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a request waits.

    Attributes:
        verdicts: Of each device for each alternative.
        earliest_at: When enough devices are free if nobody else wants them, by the ends that leases have of
            themselves; None if some that it needs have none. Of what is reserved: when it begins.
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
        _verdict(request, number, demand, place, room, free)
        for number, demand in enumerate(request.alternatives)
        for free in [places_free(demand, room)]
        for place in range(len(room.inventory.devices))
    ]
    return Explanation(verdicts=tuple(verdicts), earliest_at=_earliest(request, room, now))


def _earliest(request: Request, room: Room, now: float) -> float | None:
    if request.starts_at is not None and request.starts_at > now:
        return request.starts_at if request.reserved else None
    times = [earliest_start(request, demand, room, now) for demand in request.alternatives]
    earliest_at = min(times, default=FOREVER)
    return None if earliest_at == FOREVER else earliest_at


def _verdict(
    request: Request, number: int, demand: Demand, place: int, room: Room, free: frozenset[int]
) -> Verdict:
    device = room.inventory.devices[place]
    mismatch = room.inventory.mismatch(demand, place)
    doing = "" if mismatch else what_of(request, demand, place, room, free)
    if doing.startswith(LEASED_AS):
        doing = _lent_as(place, room)
    kept_for, kept_from = room.kept_for.get(place, ""), None
    if kept_for == request.id and doing == FREE:
        doing = "kept for it until it has all that it needs"
    if any(share.device == device.id for share in request.reserved) and number == request.alternative:
        doing = "reserved for it"
    elif doing == RESERVED:
        leaves_at = stay_of(request, room.policy, room.now).leaves_at
        hold = room.reserved_before(place, leaves_at)
        assert hold is not None
        kept_for, kept_from = hold.id, hold.starts_at
    return Verdict(
        device=device.id,
        alternative=number,
        mismatch=mismatch,
        doing=doing,
        kept_for=kept_for,
        kept_from=kept_from,
        leases=tuple(lease.id for lease in room.leases.get(place, ())),
    )


def _lent_as(place: int, room: Room) -> str:
    """Return by which of its other faces a device's hardware is lent."""
    other = room.lent_as(place)
    assert other is not None
    device = room.inventory.devices[other]
    return f"its hardware is lent as {device.name} ({device.api})"
