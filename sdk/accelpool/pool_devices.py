"""The pool's devices before any lease: platforms and devices made from what the broker lists.

A node tells a device's attributes by name. Those named like OpenCL's device infos, in lower case, are infos
of the device; those named like its platform infos, after "platform_", are infos of the platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from accelpool.constants import Constants, device_info, device_type, platform_info
from accelpool.device import Device, Platform, platforms_of
from accelpool.errors import RemoteProtocolError
from accelpool.records import DeviceRecord

if TYPE_CHECKING:
    from accelpool.broker import Broker

CUDA = "cuda"
PCI = re.compile(r"([0-9a-fA-F]{1,8}):([0-9a-fA-F]{1,2}):([0-9a-fA-F]{1,2})")
KIND_BITS = {
    "gpu": device_type.GPU,
    "cpu": device_type.CPU,
    "accelerator": device_type.ACCELERATOR,
    "custom": device_type.CUSTOM,
}


def platforms(items: Iterable[Any], broker: Broker) -> list[Platform]:
    """Return the platforms of the broker's devices that can be leased, now or later, and have OpenCL's words.

    Raises:
        RemoteProtocolError: An item is no device.
    """
    records = (_record(item) for item in items)
    return platforms_of(_devices((record for record in records if record.api != CUDA), broker))


def cuda_devices(broker: Broker) -> list[Device]:
    """Return the broker's CUDA devices that can be leased, now or later; none of `platforms` has them.

    Raises:
        Unauthorized, TransportError: As `Broker.get_platforms` does.
    """
    records = [record for item in broker.devices() if (record := _record(item)).api == CUDA]
    return _devices(
        (replace(record, attributes=_cuda_names(record.attributes)) for record in records), broker
    )


def _devices(records: Iterable[DeviceRecord], broker: Broker) -> list[Device]:
    made: dict[tuple[Any, ...], Platform] = {}
    devices = []
    for record in records:
        if record.state in ("faulty", "lost"):
            continue
        platform = Platform(_platform_info(record))
        platform = made.setdefault(platform._key(), platform)
        devices.append(_device(record, platform, broker))
    return devices


def _record(item: Any) -> DeviceRecord:
    try:
        return msgspec.convert(item, DeviceRecord)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"the broker's device is malformed: {error}") from error


def _device(record: DeviceRecord, platform: Platform, broker: Broker) -> Device:
    info: dict[int, Any] = {
        device_info.NAME: record.name,
        device_info.TYPE: KIND_BITS.get(record.kind, device_type.CUSTOM),
        device_info.GLOBAL_MEM_SIZE: record.capacity.memory_bytes,
        device_info.MAX_COMPUTE_UNITS: record.capacity.compute_units,
        **_named(record.attributes, device_info),
    }
    info.pop(device_info.PLATFORM, None)
    extensions = info.get(device_info.EXTENSIONS)
    if isinstance(extensions, list):
        info[device_info.EXTENSIONS] = " ".join(map(str, extensions))
    key = (record.node, record.environment, record.name)
    return Device(info, platform, key, pool_id=record.id, broker=broker)


def _cuda_names(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes with CUDA's under OpenCL's names for them: the capability and the PCI address."""
    found = dict(attributes)
    major, _, minor = str(attributes.get("compute_capability", "")).partition(".")
    if major.isdecimal() and minor.isdecimal():
        found |= {"compute_capability_major_nv": int(major), "compute_capability_minor_nv": int(minor)}
    address = PCI.match(str(attributes.get("hardware", "")))
    if address is not None:
        names = ("pci_domain_id_nv", "pci_bus_id_nv", "pci_slot_id_nv")
        found |= {name: int(part, 16) for name, part in zip(names, address.groups(), strict=True)}
    return found


def _platform_info(record: DeviceRecord) -> dict[int, Any]:
    prefix = "platform_"
    told = {
        name.removeprefix(prefix): value
        for name, value in record.attributes.items()
        if name.startswith(prefix)
    }
    return {platform_info.NAME: record.environment or record.api, **_named(told, platform_info)}


def _named(attributes: Mapping[str, Any], names: type[Constants]) -> dict[int, Any]:
    """Return the attributes that are infos, by number."""
    numbers = {name.lower(): number for name, number in names._names.items()}
    return {numbers[name]: value for name, value in attributes.items() if name in numbers}
