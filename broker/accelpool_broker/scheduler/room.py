"""What is free on each device while decisions are made: it only ever shrinks within one pass.

What is had of one face of a piece of hardware is noted for all of them: whoever looks at a device sees what
is left of its hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heapify, heappop, heappush

from accelpool_broker.scheduler.holds import Hold, hold_of, peak
from accelpool_broker.scheduler.inventory import Inventory
from accelpool_broker.scheduler.views import ALWAYS, FOREVER, NEVER, WHOLE, LeaseView, Policy, Share, Why


class Room:
    """Free memory and compute by place, who is on which device, and what is kept or reserved for whom.

    Args:
        inventory: The pool's devices.
        closed_nodes: Names of nodes whose devices cannot be granted now.
        leases: The active leases.
        policy: The rules: how soon preemptible leases are gone.
        now: The instant.

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
        reserved: What is reserved of each device of which something is, by place.
    """

    def __init__(
        self,
        inventory: Inventory,
        closed_nodes: Iterable[str],
        leases: Iterable[LeaseView],
        *,
        policy: Policy | None = None,
        now: float = 0.0,
    ) -> None:
        self.inventory = inventory
        self.policy = policy or Policy()
        self.now = now
        self.memory_bytes = list(inventory.memory_bytes)
        self.compute_ppm = [WHOLE] * len(self.memory_bytes)
        self.is_open = bytearray(b"\x01") * len(self.memory_bytes)
        self.kept_for: dict[int, str] = {}
        self.kept_from: dict[int, float] = {}
        self.awaited: list[frozenset[int]] = []
        self.whole = dict.fromkeys(range(len(self.memory_bytes)))
        self.parted: dict[int, None] = {}
        self.leases: dict[int, list[LeaseView]] = {}
        self.reserved: dict[int, list[Hold]] = {}
        self._granted: dict[int, list[Hold]] = {}
        self._leased: dict[tuple[int, float], list[Hold]] = {}  # what is remembered of leases
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
                self.use(place, share)
                for face in self.inventory.faces[place]:
                    self.leases.setdefault(face, []).append(lease)

    def take(self, place: int, share: Share, lease: str, leaves_at: float = FOREVER) -> None:
        """Take a share of a device for a lease that leaves it by an instant."""
        self.use(place, share)
        hold = hold_of(lease, [share], ends_at=leaves_at)
        for face in self.inventory.faces[place]:
            self._granted.setdefault(face, []).append(hold)

    def use(self, place: int, share: Share) -> None:
        """Take a share of a device, whoever has it."""
        for face in self.inventory.faces[place]:
            self._use(face, share)

    def _use(self, place: int, share: Share) -> None:
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
        for face in (face for place in places for face in self.inventory.faces[place]):
            self.kept_for[face] = request
            self.kept_from[face] = starts_at

    def reserve(self, place: int, share: Share, request: str, starts_at: float, ends_at: float) -> None:
        """Reserve a share of a device from one instant to another."""
        hold = hold_of(request, [share], starts_at=starts_at, ends_at=ends_at)
        for face in self.inventory.faces[place]:
            self.reserved.setdefault(face, []).append(hold)

    def release(self, place: int, request: str) -> None:
        """Reserve no longer what is reserved of a device for a request."""
        left = [hold for hold in self.reserved.get(place, ()) if hold.id != request]
        for face in self.inventory.faces[place]:
            if left:
                self.reserved[face] = list(left)
            else:
                self.reserved.pop(face, None)

    def holds(self, place: int, warning_s: float | None = None) -> list[Hold]:
        """Return who has what of a device, now and later.

        Args:
            place: The device's.
            warning_s: How long a preemptible lease is left that is told to go now: so soon it can be gone.
                None for as long as reservations take, FOREVER if none is told.
        """
        warning_s = self.policy.lead_s if warning_s is None else warning_s
        known = self._leased.get((place, warning_s))
        if known is None:
            known = self._leased[place, warning_s] = list(self._of_leases(place, warning_s))
        return [*known, *self._granted.get(place, ()), *self.reserved.get(place, ())]

    def _of_leases(self, place: int, warning_s: float) -> Iterator[Hold]:
        for lease in self.leases.get(place, ()):
            shares = self.inventory.shares_of(place, lease.shares)
            yield hold_of(lease.id, shares, ends_at=self._gone_at(lease, warning_s))

    def _gone_at(self, lease: LeaseView, warning_s: float) -> float:
        if not lease.is_preemptible or warning_s == FOREVER:
            return end_of(lease)
        told_at = max(self.now, lease.granted_at + self.policy.min_run_s)
        if lease.notice is not None and lease.notice.why is Why.PREEMPTED:
            return min(end_of(lease), told_at + warning_s, lease.notice.revoke_at)
        return min(end_of(lease), told_at + warning_s)

    def has_room(self, place: int, share: Share) -> bool:
        """Whether a share of a device can be had now, whoever is promised what."""
        has_memory = self.memory_bytes[place] >= share.memory_bytes
        return has_memory and self.compute_ppm[place] >= share.compute_ppm

    def fits_later(self, place: int, memory_bytes: int, compute_ppm: int, leaves_at: float) -> bool:
        """Whether so much of a device that has it now has it until an instant, whatever is reserved."""
        if place not in self.reserved:
            return True
        most_bytes, most_ppm = peak(self.holds(place), -FOREVER, leaves_at)
        fits = most_bytes + memory_bytes <= self.inventory.memory_bytes[place]
        return fits and most_ppm + compute_ppm <= WHOLE

    def used_places(self) -> set[int]:
        """Return the first face of each piece of hardware of which somebody has something, now or later."""
        used = {*self.leases, *self._granted, *self.reserved}
        return {place for place in used if self.inventory.is_first(place)}

    def lent_as(self, place: int) -> int | None:
        """Return the face by which a device's hardware is lent; None if it is not, or the device is, too."""
        devices = self.inventory.devices
        lent = {share.device for lease in self.leases.get(place, ()) for share in lease.shares}
        faces = [face for face in self.inventory.faces[place] if devices[face].id in lent]
        return faces[0] if faces and place not in faces else None

    def reserved_before(self, place: int, leaves_at: float) -> Hold | None:
        """Return the first reservation of a device that begins before an instant, None if none does."""
        holds = (hold for hold in self.reserved.get(place, ()) if hold.starts_at < leaves_at)
        return min(holds, key=lambda hold: (hold.starts_at, hold.id), default=None)

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
        lacks_bytes = memory_bytes - self.memory_bytes[place]
        lacks_ppm = compute_ppm - self.compute_ppm[place]
        at = now
        for lease in sorted(self.leases.get(place, ()), key=end_of):
            if lacks_bytes <= 0 and lacks_ppm <= 0:
                break
            at = end_of(lease)
            for share in self.inventory.shares_of(place, lease.shares):
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


def end_of(lease: LeaseView) -> float:
    """Return when a lease ends however often it is renewed; a notice, which may be taken back, is no end."""
    return FOREVER if lease.ends_at is None else lease.ends_at
