"""Which devices serve a demand now.

    one whole device        the first free one in order of preference one part of a device    the fullest
    device that has room (best fit), else the first free one; with SPREAD the
                            other way round
    several                 at one endpoint (one driver environment of one node) if there is room at one, else
    on one
                            node, else on as few nodes as will do; with SAME_NODE on one node or not at all;
                            with SPREAD on as many nodes as there are; with PACK on the nodes that are the
                            most used

Devices that have the wanted image loaded come before all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import nsmallest

from accelpool_broker.scheduler import fitness
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.stay import WHATEVER, Stay
from accelpool_broker.scheduler.views import WHOLE, Demand, Placement, Share

Near = Callable[[int], tuple[str, ...]]  # what devices near to each other have in common


class Chooser:
    """Finds devices for demands within one pass; what failed once is not tried again."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._inventory = room.inventory
        self._next_free: dict[tuple[object, ...], int] = {}
        self._failed: set[tuple[object, ...]] = set()
        self._examples: dict[tuple[object, ...], tuple[Share, ...]] = {}

    def has_failed(self, demand: Demand, *, stay: Stay) -> bool:
        """Whether the same was found impossible before in this pass."""
        return self._key(demand, stay) in self._failed

    def choose(self, demand: Demand, *, stay: Stay) -> list[tuple[int, Share]]:
        """Return places with the shares that serve a demand; none if it cannot be served now.

        Args:
            demand: What is wanted.
            stay: When the devices are left again: what is kept or reserved for others will do if that is
                before they can start.
        """
        if self.has_failed(demand, stay=stay):
            return []
        places = self._choose(demand, stay)
        if not places:
            self._failed.add(self._key(demand, stay))
        return [(place, self._share(demand, place)) for place in places]

    def example(self, demand: Demand) -> tuple[Share, ...]:
        """Return shares that would serve a demand, whether or not they are free: of the smallest devices."""
        key = self._key(demand, WHATEVER)
        if key not in self._examples:
            places = self._inventory.candidates(demand).places
            memory = self._inventory.memory_bytes
            smallest = nsmallest(demand.count, places, key=lambda place: (memory[place], place))
            self._examples[key] = tuple(self._share(demand, place) for place in smallest)
        return self._examples[key]

    def open_places(self, demand: Demand, *, stay: Stay) -> list[int]:
        """Return the places of all devices on which one share of a demand has room now."""
        members = self._inventory.candidates(demand).members
        room = self._room
        places = [
            place
            for place in (room.whole if fitness.wants_whole(demand) else (*room.whole, *room.parted))
            if place in members
            and room.is_usable(place, stay.pass_by)
            and self._has_room(demand, place, stay)
        ]
        return sorted(places)

    def _key(self, demand: Demand, stay: Stay) -> tuple[object, ...]:
        return (self._inventory.candidates(demand), *_part(demand), demand.count, demand.placement, stay)

    def _choose(self, demand: Demand, stay: Stay) -> Sequence[int]:
        if demand.image:
            loaded = self._with_image(demand, stay)
            if loaded:
                return loaded
        if demand.count > 1 or (
            demand.placement in (Placement.SPREAD, Placement.PACK) and fitness.wants_whole(demand)
        ):  # fmt: skip
            return self._several(demand, self.open_places(demand, stay=stay))
        place = self._one(demand, stay)
        return [] if place is None else [place]

    def _one(self, demand: Demand, stay: Stay) -> int | None:
        candidates = self._inventory.candidates(demand)
        if fitness.wants_whole(demand):
            return self._first_free(demand, stay)
        if demand.placement is Placement.SPREAD:
            free = self._first_free(demand, stay)
            return self._emptiest(demand, stay) if free is None else free
        tightest = self._room.tightest(
            demand.compute_ppm or 1,
            lambda place: (
                place in candidates.members
                and self._room.is_usable(place, stay.pass_by)
                and self._has_room(demand, place, stay)
            ),
        )
        return self._first_free(demand, stay) if tightest is None else tightest

    def _first_free(self, demand: Demand, stay: Stay) -> int | None:
        """Return the first device that nobody has; devices are never free again within one pass."""
        candidates, room = self._inventory.candidates(demand), self._room
        key = (candidates, stay, *(_part(demand) if room.reserved else ()))
        number = self._next_free.get(key, 0)
        places = candidates.places
        while number < len(places) and not (
            places[number] in room.whole
            and room.is_usable(places[number], stay.pass_by)
            and self._has_room(demand, places[number], stay)
        ):
            number += 1
        self._next_free[key] = number
        return places[number] if number < len(places) else None

    def _emptiest(self, demand: Demand, stay: Stay) -> int | None:
        free = self._room.compute_ppm
        places = self.open_places(demand, stay=stay)
        return min(places, key=lambda place: (-free[place], place), default=None)

    def _with_image(self, demand: Demand, stay: Stay) -> Sequence[int]:
        devices = self._inventory.devices
        places = [
            place
            for place in self.open_places(demand, stay=stay)
            if devices[place].loaded_image == demand.image
        ]
        return self._several(demand, places)

    def _several(self, demand: Demand, places: Sequence[int]) -> Sequence[int]:
        """Return as many of the places as are wanted, placed as wanted; none if there are too few."""
        count = demand.count
        if len(places) < count:
            return []
        if not fitness.wants_whole(demand):
            places = sorted(places, key=lambda place: (self._room.compute_ppm[place], place))
        if demand.placement in (Placement.SPREAD, Placement.PACK):
            return self._by_use(demand, places)
        for near in (self._endpoint, self._node):
            roomy = [group for group in _grouped(places, near) if len(group) >= count]
            if roomy:
                return self._gather(roomy[0], count, (self._endpoint,))
        return [] if demand.placement is Placement.SAME_NODE else self._gather(
            places, count, (self._node, self._endpoint)
        )  # fmt: skip

    def _by_use(self, demand: Demand, places: Sequence[int]) -> list[int]:
        """Return places on the least used nodes, in turn, or on the most used, one node after the other."""
        is_spread = demand.placement is Placement.SPREAD
        groups = sorted(
            _grouped(places, self._node), key=lambda group: self._use_of_node(group[0]), reverse=not is_spread
        )
        if not is_spread:
            return [place for group in groups for place in group][: demand.count]
        rounds = (group[number] for number in range(len(places)) for group in groups if number < len(group))
        return [place for place, _ in zip(rounds, range(demand.count), strict=False)]

    def _use_of_node(self, place: int) -> int:
        on_node = self._inventory.on_node[self._inventory.devices[place].node]
        firsts = (other for other in on_node if self._inventory.is_first(other))
        return sum(WHOLE - self._room.compute_ppm[other] for other in firsts)

    def _share(self, demand: Demand, place: int) -> Share:
        memory_bytes, compute_ppm = fitness.part_of(demand, self._inventory.memory_bytes[place])
        device = self._inventory.devices[place].id
        return Share(device=device, memory_bytes=memory_bytes, compute_ppm=compute_ppm)

    def _has_room(self, demand: Demand, place: int, stay: Stay) -> bool:
        """Whether a device has room for a share, now and for as long as it is had."""
        room = self._room
        memory_bytes, compute_ppm = fitness.part_of(demand, self._inventory.memory_bytes[place])
        if room.memory_bytes[place] < memory_bytes or room.compute_ppm[place] < compute_ppm:
            return False
        return room.fits_later(place, memory_bytes, compute_ppm, stay.leaves_at)

    def _node(self, place: int) -> tuple[str, ...]:
        return (self._inventory.devices[place].node,)

    def _endpoint(self, place: int) -> tuple[str, ...]:
        device = self._inventory.devices[place]
        return (device.node, device.environment)

    def _gather(self, places: Sequence[int], count: int, levels: tuple[Near, ...]) -> list[int]:
        """Return `count` of at least as many places from as few groups as possible, level by level."""
        if not levels:
            return list(places[:count])
        fullest = sorted(enumerate(_grouped(places, levels[0])), key=lambda item: -len(item[1]))
        chosen: list[int] = []
        while len(fullest[0][1]) < count - len(chosen):
            _, group = fullest.pop(0)
            chosen += self._gather(group, len(group), levels[1:])
        missing = count - len(chosen)  # several may have room for the rest: the preferred one gives it
        _, last = min(item for item in fullest if len(item[1]) >= missing)
        return chosen + self._gather(last, missing, levels[1:])


def _part(demand: Demand) -> tuple[object, ...]:
    return (demand.memory_bytes, demand.memory_ppm, demand.compute_ppm, demand.is_exclusive)


def _grouped(places: Iterable[int], near: Near) -> list[list[int]]:
    """Return places by what `near` says of them; groups and their members keep the order."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for place in places:
        groups.setdefault(near(place), []).append(place)
    return list(groups.values())
