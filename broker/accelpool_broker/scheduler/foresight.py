"""When a request can start at the earliest, by the ends that leases have of themselves."""

from __future__ import annotations

from accelpool_broker.scheduler.fitness import part_of
from accelpool_broker.scheduler.holds import first_gap
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.views import FOREVER, WHOLE, Demand, Request


def earliest_start(request: Request, demand: Demand, room: Room, now: float) -> float:
    """Return when as many devices as are wanted have room, FOREVER if no end of leases makes it.

    What is kept for others does not count; where the devices lie is left out of account.
    """
    times = sorted(
        _free_at(request, demand, place, room, now)
        for place in room.inventory.candidates(demand).places
        if room.kept_for.get(place, request.id) == request.id
    )
    return times[demand.count - 1] if len(times) >= demand.count else FOREVER


def _free_at(request: Request, demand: Demand, place: int, room: Room, now: float) -> float:
    """Return when a device has room for a request, for as long as it lasts if some of it is reserved."""
    total_bytes = room.inventory.memory_bytes[place]
    memory_bytes, compute_ppm = part_of(demand, total_bytes)
    at = room.free_at(place, memory_bytes, compute_ppm, now)
    if at == FOREVER or place not in room.reserved:
        return at
    lasts_s = FOREVER if request.duration_s is None else request.duration_s
    return first_gap(room.holds(place, FOREVER), at, lasts_s, total_bytes - memory_bytes, WHOLE - compute_ppm)
