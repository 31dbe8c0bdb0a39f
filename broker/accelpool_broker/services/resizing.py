"""Giving a lease another part of a device."""

from __future__ import annotations

from accelpool_broker.models import Share
from accelpool_broker.scheduler import WHOLE
from accelpool_wire.errors import Conflict, Unsatisfiable


def resize(share: Share, memory_bytes: int | None, compute_ppm: int | None) -> bool:
    """Change a share, if its device has room for it; whether it has more of anything then.

    The database would refuse too much, but not as clearly.

    Raises:
        Conflict: Others have what it lacks.
        Unsatisfiable: The device has less.
    """
    device = share.device
    memory_bytes = share.memory_bytes if memory_bytes is None else memory_bytes
    compute_ppm = share.compute_ppm if compute_ppm is None else compute_ppm
    if memory_bytes > device.memory_bytes:
        what = f"{device.name} has {device.memory_bytes} bytes of memory, not {memory_bytes}"
        raise Unsatisfiable(what, devices={device.id: what})
    free_bytes = device.memory_bytes - device.used_memory_bytes + share.memory_bytes
    free_ppm = WHOLE - device.used_compute_ppm + share.compute_ppm
    if memory_bytes > free_bytes or compute_ppm > free_ppm:
        free = f"{free_bytes} bytes and {free_ppm / WHOLE:g} of its compute"
        raise Conflict(
            f"{device.name} has {free} that no other lease has: ask for less, or for another lease"
        )
    grows = memory_bytes > share.memory_bytes or compute_ppm > share.compute_ppm
    share.memory_bytes, share.compute_ppm = memory_bytes, compute_ppm
    return grows
