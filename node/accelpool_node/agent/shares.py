"""The ledgers of the node's devices: who has which share now, written where the workers read it.

A device gets its ledger with its first session, and shares it with the other faces of its hardware: sessions
of all of them take turns, by whatever driver. A lease's entry holds what the broker said last, or what the
token says while the broker has said nothing; it is kept until the broker no longer names the lease, so that
what was charged to a lease stays with it from one session to the next.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from accelpool_node.agent.contract import GrantedLease, GrantedShare
from accelpool_node.agent.handshake import Admission
from accelpool_node.control import SessionShare
from accelpool_node.sharing import ledger
from accelpool_wire.errors import ProblemError
from accelpool_wire.lease_token import ShareClaim

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A session's place in the ledger of one of its devices.

    Attributes:
        hardware: Of the device.
        share: What the worker is told.
        descriptor: Of the ledger.
    """

    hardware: str
    share: SessionShare
    descriptor: int


@dataclass(frozen=True, kw_only=True)
class DeviceShares:
    """What the leases that had sessions on a device's hardware may have of it, and have.

    Attributes:
        leases: How many they are.
        waiting: Sessions of theirs that wait for their turn.
        memory_bytes: What they may allocate together.
        held_bytes: What they have allocated.
        compute: Their parts together.
    """

    leases: int = 0
    waiting: int = 0
    memory_bytes: int = 0
    held_bytes: int = 0
    compute: float = 0.0


class Shares:
    """All ledgers of the node, by hardware.

    Args:
        hardware: Returns which hardware a device is, by its name on the node.
    """

    def __init__(self, hardware: Callable[[str], str] = str) -> None:
        self._hardware = hardware
        self._registries: dict[str, ledger.Registry] = {}
        self._granted: dict[tuple[str, str], GrantedShare] = {}

    def seat(self, admission: Admission) -> list[Seat]:
        """Return a new session's places, one for each device; to be given back with `leave`.

        Raises:
            Unavailable: A device has no room for one more.
        """
        seats: list[Seat] = []
        try:
            for claim, share in zip(admission.claims.shares, admission.shares, strict=True):
                seats.append(self._seat(admission.claims.lease, claim, share))
        except ProblemError:
            self.leave(seats)
            raise
        return seats

    def _seat(self, lease: str, claim: ShareClaim, share: SessionShare) -> Seat:
        hardware = self._hardware(claim.device)
        registry = self._registries.get(hardware)
        if registry is None:
            registry = self._registries[hardware] = ledger.Registry(ledger.create())
        granted = self._granted.get((hardware, lease))
        memory_bytes, compute = _limits(granted, claim.memory_bytes, claim.compute)
        registry.set_limits(lease, memory_bytes, compute)
        slot = registry.add_session(lease)
        told = SessionShare(device=share.device, memory_bytes=memory_bytes, slot=slot)
        return Seat(hardware=hardware, share=told, descriptor=registry.ledger.descriptor)

    def of_device(self, device: str) -> DeviceShares:
        """Return what leases have of a device's hardware now."""
        registry = self._registries.get(self._hardware(device))
        if registry is None:
            return DeviceShares()
        limits = [registry.limits(lease) for lease in registry.leases()]
        return DeviceShares(
            leases=len(limits),
            waiting=len(registry.ledger.contenders()),
            memory_bytes=sum(memory_bytes for memory_bytes, _ in limits),
            held_bytes=registry.held_bytes(),
            compute=sum(compute for _, compute in limits),
        )

    def leave(self, seats: Sequence[Seat]) -> None:
        """Clear the places of a session whose process has ended, or never had them."""
        for seat in seats:
            assert seat.share.slot is not None, "a seat is a slot"
            self._registries[seat.hardware].remove_session(seat.share.slot)

    def update(self, leases: Iterable[GrantedLease]) -> None:
        """Take the broker's word: new limits hold at once, for sessions that run, too."""
        self._granted = {
            (self._hardware(share.name), lease.id): share for lease in leases for share in lease.devices
        }
        for hardware, registry in self._registries.items():
            for lease in registry.leases():
                granted = self._granted.get((hardware, lease))
                if granted is None:
                    registry.remove_lease(lease)  # later, if it has sessions: their end is under way
                elif registry.set_limits(lease, *_limits(granted, *registry.limits(lease))):
                    log.info("lease %s has now %s of %s", lease, registry.limits(lease), hardware)


def _limits(granted: GrantedShare | None, memory_bytes: int, compute: float) -> tuple[int, float]:
    """Return what the broker has said of a share, else what is known otherwise."""
    if granted is None:
        return memory_bytes, compute
    return (
        memory_bytes if granted.memory_bytes is None else granted.memory_bytes,
        compute if granted.compute is None else granted.compute,
    )
