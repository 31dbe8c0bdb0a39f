"""Devices: listed with what is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from accelpool_broker.models import Device, NodeState
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import NotFound


class DeviceState(StrEnum):
    """What a device is doing; the first that holds, in this order from the last."""

    FREE = "free"
    LEASED = "leased"
    FAULTY = "faulty"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class SeenDevice:
    """A device, what it is doing, and the ids of those leases that have parts of it and may be seen.

    With `is_others` tenants have it of whom nothing may be seen.
    """

    device: Device
    state: DeviceState
    leases: tuple[str, ...]
    is_others: bool

    @property
    def free_memory_bytes(self) -> int:
        """How much of its memory can be leased now."""
        free = self.device.memory_bytes - self.device.used_memory_bytes
        return free if self.state in (DeviceState.FREE, DeviceState.LEASED) else 0

    @property
    def is_image_known(self) -> bool:
        """Whether its node can tell which binary was loaded on it last."""
        is_known = self.state not in (DeviceState.FAULTY, DeviceState.LOST)
        return is_known and self.device.loaded_sha256 is not None

    @property
    def readings(self) -> dict[str, float | None] | None:
        """What it measured a few seconds ago; None if its node does not tell, or it is of others' work."""
        if self.state is DeviceState.LOST or self.is_others:
            return None
        return self.device.node.readings.get(self.device.name)

    @property
    def free_compute(self) -> float:
        """What part of its compute can be leased now."""
        free = (WHOLE - self.device.used_compute_ppm) / WHOLE
        return free if self.state in (DeviceState.FREE, DeviceState.LEASED) else 0.0


class Devices:
    """The devices of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def get(self, id: str, caller: Caller) -> SeenDevice:
        """Return a device."""
        with self._pool.store.read() as tx:
            device = tx.device(id)
            if device is None:
                raise NotFound(f"there is no device {id}", instance=f"/devices/{id}")
            return _see(device, tx.leases_of_devices([id], within=caller.sees_only).get(id, ()), caller)

    def names(self) -> dict[str, tuple[str, str]]:
        """Return the node and the name of each device, by id."""
        with self._pool.store.read() as tx:
            return {device.id: (device.node_name, device.name) for device in tx.device_rows()}

    def page(
        self,
        caller: Caller,
        *,
        kind: str | None,
        node: str | None,
        is_free: bool | None,
        after: int,
        limit: int,
    ) -> list[SeenDevice]:
        """Return devices in order of registration."""
        with self._pool.store.read() as tx:
            devices = tx.device_page(kind=kind, node=node, is_free=is_free, after=after, limit=limit)
            held = tx.leases_of_devices((device.id for device in devices), within=caller.sees_only)
            return [_see(device, held.get(device.id, ()), caller) for device in devices]


def state_of(node_state: str, fault: str, used_compute_ppm: int) -> DeviceState:
    """Return what a device is doing."""
    if node_state == NodeState.LOST:
        return DeviceState.LOST
    if fault:
        return DeviceState.FAULTY
    return DeviceState.LEASED if used_compute_ppm else DeviceState.FREE


def _see(device: Device, leases: Sequence[str], caller: Caller) -> SeenDevice:
    state = state_of(device.node.state, device.fault, device.used_compute_ppm)
    is_others = caller.sees_only is not None and device.used_compute_ppm > 0 and not leases
    return SeenDevice(device=device, state=state, leases=tuple(leases), is_others=is_others)
