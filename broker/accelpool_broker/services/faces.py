"""Devices that are faces of one piece of hardware: what all of them have in common."""

from __future__ import annotations

from collections.abc import Iterable

from accelpool_broker.models import Device


class Faces:
    """Some devices, by their hardware.

    Args:
        devices: With all that are the same hardware as one of them.
    """

    def __init__(self, devices: Iterable[Device]) -> None:
        self._devices = {device.id: device for device in devices}
        self._faces: dict[str, list[Device]] = {}
        for device in self._devices.values():
            self._faces.setdefault(device.hardware, []).append(device)

    def next_epoch(self, id: str) -> Device:
        """Return a device that is granted anew; grants of all faces are numbered in one series."""
        device = self._devices[id]
        faces = self._faces[device.hardware]
        epoch = 1 + max(face.epoch for face in faces)
        for face in faces:
            face.epoch = epoch
        return device


def level_memory(devices: Iterable[Device]) -> None:
    """Give all faces of the same hardware the memory of that which tells the least: so much all can lend.

    Args:
        devices: All that a node ever had; those that it no longer reports have no say.
    """
    devices = tuple(devices)
    least: dict[str, int] = {}
    for device in devices:
        if device.is_present:
            least[device.hardware] = min(least.get(device.hardware, device.memory_bytes), device.memory_bytes)
    for device in devices:
        device.memory_bytes = least.get(device.hardware, device.memory_bytes)
