"""The pool's devices before any lease: platforms and devices made from what the broker lists.

A node tells a device's attributes by name. Those named like OpenCL's device infos, in lower case, are infos
of the device; those named like its platform infos, after "platform_", are infos of the platform.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from accelpool.constants import Constants, device_info, device_type, platform_info
from accelpool.device import Device, Platform, platforms_of
from accelpool.errors import RemoteProtocolError
from accelpool.records import DeviceRecord

if TYPE_CHECKING:
    from accelpool.broker import Broker

KIND_BITS = {
    "gpu": device_type.GPU,
    "cpu": device_type.CPU,
    "accelerator": device_type.ACCELERATOR,
    "custom": device_type.CUSTOM,
}


def platforms(items: Iterable[Any], broker: Broker) -> list[Platform]:
    """Return the platforms of the broker's devices that can be leased, now or later.

    Raises:
        RemoteProtocolError: An item is no device.
    """
    made: dict[tuple[Any, ...], Platform] = {}
    devices = []
    for item in items:
        record = _record(item)
        if record.state in ("faulty", "lost"):
            continue
        platform = Platform(_platform_info(record))
        platform = made.setdefault(platform._key(), platform)
        devices.append(_device(record, platform, broker))
    return platforms_of(devices)


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
