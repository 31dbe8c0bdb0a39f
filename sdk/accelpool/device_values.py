"""What a device's infos are that are neither numbers nor texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from accelpool.constants import device_info, device_topology_type_amd, platform_info

VERSIONED = frozenset(
    {
        device_info.EXTENSIONS_WITH_VERSION,
        device_info.ILS_WITH_VERSION,
        device_info.BUILT_IN_KERNELS_WITH_VERSION,
        device_info.OPENCL_C_ALL_VERSIONS,
        device_info.OPENCL_C_FEATURES,
        platform_info.EXTENSIONS_WITH_VERSION,
    }
)


@dataclass
class NameVersion:
    """A name with its version, packed as `version_bits` says."""

    version: int = 0
    name: str = ""


@dataclass
class DeviceTopologyAmd:
    """Where an AMD device is attached."""

    bus: int = 0
    device: int = 0
    function: int = 0
    type: int = field(default=device_topology_type_amd.PCIE, init=False)


def shown(number: int, value: Any) -> Any:
    """Return an info as it is shown: what the wire has as lists, as objects."""
    if number in VERSIONED and isinstance(value, list):
        return [NameVersion(*pair) for pair in value]
    if number == device_info.TOPOLOGY_AMD and isinstance(value, list):
        return DeviceTopologyAmd(*value)
    return list(value) if isinstance(value, list) else value
