"""Devices, contexts and command queues."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import BackendDevice
from accelpool_node.backends.null.objects import BUILT_IN, MAX_GROUP, MEMORY_BYTES, NullQueue, refused
from accelpool_wire.codes import ErrorCode
from accelpool_wire.messages import InfoValue

# OpenCL's numbers of the infos that clients check against, and this device's answers.
INFO: dict[int, InfoValue] = {
    0x1000: 1 << 4,  # TYPE: CUSTOM
    0x1002: 1,  # MAX_COMPUTE_UNITS
    0x1003: 3,  # MAX_WORK_ITEM_DIMENSIONS
    0x1004: MAX_GROUP,  # MAX_WORK_GROUP_SIZE
    0x1005: [MAX_GROUP, MAX_GROUP, 64],  # MAX_WORK_ITEM_SIZES
    0x1010: MEMORY_BYTES,  # MAX_MEM_ALLOC_SIZE
    0x1011: 8192,  # IMAGE2D_MAX_WIDTH
    0x1012: 8192,  # IMAGE2D_MAX_HEIGHT
    0x1013: 2048,  # IMAGE3D_MAX_WIDTH
    0x1014: 2048,  # IMAGE3D_MAX_HEIGHT
    0x1015: 2048,  # IMAGE3D_MAX_DEPTH
    0x1016: 1,  # IMAGE_SUPPORT
    0x1019: 1024,  # MEM_BASE_ADDR_ALIGN, in bits
    0x101F: MEMORY_BYTES,  # GLOBAL_MEM_SIZE
    0x1023: 32768,  # LOCAL_MEM_SIZE
    0x1027: 1,  # AVAILABLE
    0x1028: 1,  # COMPILER_AVAILABLE
    0x102C: "accelpool",  # VENDOR
    0x102D: "0",  # DRIVER_VERSION
    0x102F: "OpenCL 1.2 accelpool null",  # VERSION
    0x1030: "",  # EXTENSIONS
    0x103E: 1,  # LINKER_AVAILABLE
    0x103F: BUILT_IN,  # BUILT_IN_KERNELS
    0x1040: 65536,  # IMAGE_MAX_BUFFER_SIZE
    0x1041: 2048,  # IMAGE_MAX_ARRAY_SIZE
    0x1053: 1,  # SVM_CAPABILITIES: COARSE_GRAIN_BUFFER
}
PLATFORM: dict[int, InfoValue] = {
    0x0901: "OpenCL 1.2 accelpool null",
    0x0902: "accelpool null",
    0x0903: "accelpool",
}


def place(index: int) -> dict[int, InfoValue]:
    """Return the infos that say at which place on the PCI bus a null device is: that of all its faces."""
    return {0x4008: index & 0xFF, 0x4009: 0, 0x400A: index >> 8}


class Devices:
    """Devices that compute nothing."""

    def __init__(self, count: int = 1) -> None:
        self._count = count

    def devices(self) -> list[BackendDevice]:
        """Return as many null devices as asked for."""
        return [
            BackendDevice(
                name=f"null-{index}",
                platform=dict(PLATFORM),
                info={**INFO, **place(index), 0x102B: f"null-{index}"},
                kind="custom",
                api="null",
            )
            for index in range(self._count)
        ]

    def probe(self, device: BackendDevice) -> str:
        """Find nothing wrong."""
        return ""

    def create_context(self, devices: Sequence[BackendDevice]) -> Any:
        """Return the devices."""
        return tuple(devices)

    def create_sub_devices(self, device: BackendDevice, properties: Sequence[int]) -> list[BackendDevice]:
        """Refuse: one compute unit has no parts."""
        raise refused("clCreateSubDevices", ErrorCode.DEVICE_PARTITION_FAILED, device.name)

    def device_and_host_timer(self, device: BackendDevice) -> tuple[int, int]:
        """Return the host's clock as both."""
        now = time.monotonic_ns()
        return now, now

    def create_command_queue(
        self, context: Any, device: BackendDevice, properties: int, size: int = 0
    ) -> Any:
        """Return a queue with the properties."""
        return NullQueue(properties=properties)

    def set_default_device_command_queue(self, context: Any, device: BackendDevice, queue: Any) -> None:
        """Refuse: there are no on-device queues."""
        raise refused("clSetDefaultDeviceCommandQueue", ErrorCode.INVALID_OPERATION, device.name)

    def lost(self) -> str:
        """Return ""."""
        return ""
