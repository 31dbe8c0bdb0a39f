"""What is free on each device while decisions are made: it only ever shrinks within one pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush

from accelpool_broker.scheduler.inventory import Inventory
from accelpool_broker.scheduler.views import ALWAYS, FOREVER, NEVER, WHOLE, LeaseView, Share


class Room:
    """Free memory and compute by place, who is on which device, and what is kept for whom.

    Args:
        inventory: The pool's devices.
        closed_nodes: Names of nodes whose devices cannot be granted now.
        leases: The active leases.

    Attributes:
        memory_bytes: Free memory by place.
        compute_ppm: Free compute by place.
        is_open: Whether the device can be granted now, by place.
        kept_for: The id of the earlier request that a device is kept for, by place.
        kept_from: When that request can start at the earliest, by place.
        awaited: Devices that earlier requests still need some of, and will get before anybody else.
        whole: Places of devices of which nobody has anything.
        parted: Places of devices of which some is free and some is not.
        leases: The active leases on each device that has any, by place.
    """

    def __init__(
        self, inventory: Inventory, closed_nodes: Iterable[str], leases: Iterable[LeaseView]
    ) -> None:
        self.inventory = inventory
        self.memory_bytes = list(inventory.memory_bytes)
        self.compute_ppm = [WHOLE] * len(self.memory_bytes)
        self.is_open = bytearray(b"\x01") * len(self.memory_bytes)
        self.kept_for: dict[int, str] = {}
        self.kept_from: dict[int, float] = {}
        self.awaited: list[frozenset[int]] = []
        self.whole = dict.fromkeys(range(len(self.memory_bytes)))
        self.parted: dict[int, None] = {}
        self.leases: dict[int, list[LeaseView]] = {}
        self._buckets: dict[int, list[int]] | None = None
        for name in closed_nodes:
            for place in inventory.on_node.get(name, ()):
                self.is_open[place] = 0
        for lease in leases:
            self._occupy(lease)

    def _occupy(self, lease: LeaseView) -> None:
        for share in lease.shares:
            place = self.inventory.places.get(share.device)
            if place is not None:
                self.take(place, share)
                self.leases.setdefault(place, []).append(lease)

    def take(self, place: int, share: Share) -> None:
        """Take a share of a device."""
        self.whole.pop(place, None)
        self.memory_bytes[place] -= share.memory_bytes
        self.compute_ppm[place] -= share.compute_ppm
        if self.memory_bytes[place] > 0 and self.compute_ppm[place] > 0:
            self.parted[place] = None
            if self._buckets is not None:
                heappush(self._buckets.setdefault(self.compute_ppm[place], []), place)
        else:
            self.parted.pop(place, None)

    def keep(self, places: Iterable[int], request: str, starts_at: float) -> None:
        """Keep devices for a request that has to wait, and can start at that instant at the earliest."""
        for place in places:
            self.kept_for[place] = request
            self.kept_from[place] = starts_at

    def is_usable(self, place: int, pass_by: float) -> bool:
        """Whether a device may be had now by somebody who leaves it of himself by an instant.

        One that is kept may, if that is before the earlier request can start: it costs that one nothing.
        """
        if not self.is_open[place]:
            return False
        if place not in self.kept_for or pass_by == ALWAYS:
            return True
        return pass_by != NEVER and pass_by <= self.kept_from[place]

    def free_at(self, place: int, memory_bytes: int, compute_ppm: int, now: float) -> float:
        """Return when so much of a device is free by the ends that leases have; FOREVER if never."""
        if not self.is_open[place]:
            return FOREVER
        device = self.inventory.devices[place].id
        lacks_bytes = memory_bytes - self.memory_bytes[place]
        lacks_ppm = compute_ppm - self.compute_ppm[place]
        at = now
        for lease in sorted(self.leases.get(place, ()), key=_end):
            if lacks_bytes <= 0 and lacks_ppm <= 0:
                break
            at = _end(lease)
            for share in lease.shares:
                if share.device == device:
                    lacks_bytes -= share.memory_bytes
                    lacks_ppm -= share.compute_ppm
        return at if lacks_bytes <= 0 and lacks_ppm <= 0 else FOREVER

    def tightest(self, compute_ppm: int, fits: Callable[[int], bool]) -> int | None:
        """Return the place of the parted device with the least free compute, of at least so much, that fits.

        Among equals the preferred device decides.
        """
        buckets = self._bucketed()
        for free in sorted(free for free in buckets if free >= compute_ppm):
            place = self._first(buckets[free], free, fits)
            if place is not None:
                return place
        return None

    def _bucketed(self) -> dict[int, list[int]]:
        """Return heaps of the places of parted devices, by free compute; entries may be out of date."""
        if self._buckets is None:
            self._buckets = {}
            for place in self.parted:
                self._buckets.setdefault(self.compute_ppm[place], []).append(place)
            for heap in self._buckets.values():
                heapify(heap)
        return self._buckets

    def _first(self, heap: list[int], free: int, fits: Callable[[int], bool]) -> int | None:
        passed = []
        found = None
        while heap and found is None:
            place = heappop(heap)
            if place in self.parted and self.compute_ppm[place] == free:
                passed.append(place)
                found = place if fits(place) else None
        for place in passed:
            heappush(heap, place)
        return found


def _end(lease: LeaseView) -> float:
    """Return when a lease ends however often it is renewed; a notice, which may be taken back, is no end."""
    return FOREVER if lease.ends_at is None else lease.ends_at
