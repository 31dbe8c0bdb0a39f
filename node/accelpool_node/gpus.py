"""What NVIDIA's management library tells of the GPUs, as a monitor says it, and whose it is. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import structs

HARDWARE = "hardware"
"""The attribute of a device that is its place: on the PCI bus, and then on the GPU."""


class Readings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a device measures, whoever uses it; None is what it does not tell.

    Attributes:
        utilization: The part of the last moment, of up to a second, in which kernels ran.
        memory_utilization: The part of it in which device memory was read or written.
        memory_used_bytes: Device memory in use, by all processes and by the driver.
        temperature_c: Of the GPU.
        power_w: What the board takes.
        clock_hz: Of the multiprocessors.
    """

    utilization: float | None = None
    memory_utilization: float | None = None
    memory_used_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    clock_hz: int | None = None


POSSIBLE = {
    "utilization": (0.0, 1.0),
    "memory_utilization": (0.0, 1.0),
    "memory_used_bytes": (0, 2**63 - 1),
    "temperature_c": (-300.0, 1000.0),
    "power_w": (0.0, 1e6),
    "clock_hz": (0, 2**63 - 1),
}
"""Readings that can be, from the least to the most; what is beyond, the broker takes for not told, too."""


def possible(readings: Readings) -> Readings:
    """Return readings without those that cannot be: there are drivers that succeed and tell garbage."""
    return structs.replace(readings, **{name: None for name in POSSIBLE if not _can_be(readings, name)})


def _can_be(readings: Readings, name: str) -> bool:
    value, (low, high) = getattr(readings, name), POSSIBLE[name]
    return value is not None and low <= value <= high


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """A MIG instance: a compute instance of a GPU instance, which is a CUDA device of its own.

    Attributes:
        uuid: Its name for CUDA_VISIBLE_DEVICES, "MIG-...".
        profile: How large a part it is, like "1g.10gb"; "" if the driver does not say.
        gpu_instance, compute_instance: Their numbers on the GPU.
        readings: Its own; of temperature, power and clock a GPU has one for all.
    """

    uuid: str
    profile: str
    gpu_instance: int
    compute_instance: int
    readings: Readings = Readings()


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """A GPU.

    Attributes:
        uuid: "GPU-...".
        place: On the PCI bus, "DOMAIN:BUS:DEVICE", as in the attribute `hardware`.
        is_parted: Whether it is in MIG mode: its instances are devices, and it is none.
        instances: Those of it.
        readings: Its own.
    """

    uuid: str
    place: str
    is_parted: bool = False
    instances: list[Instance] = []
    readings: Readings = Readings()


class Look(msgspec.Struct, frozen=True):
    """All GPUs, as they are at a moment; a monitor prints one a line."""

    gpus: list[Gpu]


def place_of(domain: int, bus: int, device: int) -> str:
    """Return how a place on the PCI bus is written."""
    return f"{domain:04x}:{bus:02x}:{device:02x}"


def readings_of(gpus: Iterable[Gpu], devices: Mapping[str, Mapping[str, object]]) -> dict[str, Readings]:
    """Return what devices measure, by their names, of those that are among some GPUs.

    CUDA tells the library's UUID, also of MIG instances; OpenCL may tell the place alone.

    Args:
        gpus: As a monitor told them.
        devices: The attributes of the node's devices, by their names.
    """
    by_uuid, by_place = dict[str, Readings](), dict[str, Readings]()
    for gpu in gpus:
        by_uuid[_plain(gpu.uuid)] = by_place[gpu.place] = gpu.readings
        by_uuid |= {_plain(instance.uuid): instance.readings for instance in gpu.instances}
    found: dict[str, Readings] = {}
    for name, attributes in devices.items():
        uuid, place = str(attributes.get("uuid", "")), str(attributes.get(HARDWARE, ""))
        readings = by_uuid.get(_plain(uuid)) or by_place.get(place)
        if readings is not None:
            found[name] = readings
    return found


def _plain(uuid: str) -> str:
    """Return the 32 digits of a UUID that the management library, or CUDA, has written."""
    return uuid.removeprefix("GPU-").removeprefix("MIG-").replace("-", "").lower()
