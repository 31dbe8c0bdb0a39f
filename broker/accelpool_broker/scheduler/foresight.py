"""When a request can start at the earliest, by the ends that leases have of themselves."""

from __future__ import annotations

from accelpool_broker.scheduler.fitness import part_of
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.views import FOREVER, Demand


def earliest_start(request: str, demand: Demand, room: Room, now: float) -> float:
    """Return when as many devices as are wanted have room, FOREVER if no end of leases makes it.

    What is kept for others does not count; where the devices lie is left out of account.
    """
    times = sorted(
        room.free_at(place, *part_of(demand, room.inventory.memory_bytes[place]), now)
        for place in room.inventory.candidates(demand).places
        if room.kept_for.get(place, request) == request
    )
    return times[demand.count - 1] if len(times) >= demand.count else FOREVER
