"""Devices, contexts and command queues."""

from __future__ import annotations

import ctypes
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyopencl as cl

from accelpool_node.backends.base.types import BackendDevice
from accelpool_node.backends.opencl.core import plain, raw, translated
from accelpool_node.backends.opencl.probe import probe
from accelpool_wire.messages import InfoValue

KINDS = (
    (cl.device_type.GPU, "gpu"),
    (cl.device_type.ACCELERATOR, "accelerator"),
    (cl.device_type.CPU, "cpu"),
    (cl.device_type.CUSTOM, "custom"),
)
INFO_PARTS = (int, raw.NameVersion)
# PoCL writes half of this bit field; in the other half is what was in memory: bits of an address.
KNOWN_BITS = {0x1070: 0x3}  # CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES
# What PyOpenCL has no names for, or asks for in fewer bytes than it has.
ASKED_WITHOUT_PYOPENCL: dict[int, type[Any]] = {
    0x1049: ctypes.c_size_t,  # CL_DEVICE_PRINTF_BUFFER_SIZE
    0x104A: ctypes.c_uint32,  # CL_DEVICE_IMAGE_PITCH_ALIGNMENT
    0x104B: ctypes.c_uint32,  # CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT
    0x106A: ctypes.c_ubyte * 16,  # CL_DEVICE_UUID_KHR, told in hexadecimal digits
    0x1073: ctypes.c_uint64,  # CL_DEVICE_INTEGER_DOT_PRODUCT_CAPABILITIES_KHR
    0x1074: ctypes.c_uint32 * 6,  # CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_8BIT_KHR
    0x1075: ctypes.c_uint32 * 6,  # CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_4X8BIT_PACKED_KHR
    0x1076: ctypes.c_uint64,  # CL_DEVICE_KERNEL_CLOCK_CAPABILITIES_KHR
    0x410F: ctypes.c_uint32 * 4,  # CL_DEVICE_PCI_BUS_INFO_KHR: domain, bus, device, function
    0x4231: ctypes.c_uint64,  # CL_DEVICE_SINGLE_FP_ATOMIC_CAPABILITIES_EXT
    0x4232: ctypes.c_uint64,  # CL_DEVICE_DOUBLE_FP_ATOMIC_CAPABILITIES_EXT
    0x4233: ctypes.c_uint64,  # CL_DEVICE_HALF_FP_ATOMIC_CAPABILITIES_EXT
}
LISTS_WITHOUT_PYOPENCL: dict[int, type[ctypes.c_char_p] | type[ctypes.c_uint32]] = {
    0x12B9: ctypes.c_char_p,  # CL_DEVICE_SPIRV_EXTENDED_INSTRUCTION_SETS_KHR
    0x12BA: ctypes.c_char_p,  # CL_DEVICE_SPIRV_EXTENSIONS_KHR
    0x12BB: ctypes.c_uint32,  # CL_DEVICE_SPIRV_CAPABILITIES_KHR
}


class Devices:
    """Devices, contexts and command queues."""

    def __init__(self) -> None:
        self._parted = itertools.count(1)

    @translated("clGetDeviceIDs")
    def devices(self) -> list[BackendDevice]:
        """Return the devices of all platforms; a platform that fails is left out."""
        found: list[BackendDevice] = []
        names: Counter[str] = Counter()
        try:
            platforms = cl.get_platforms()
        except cl.Error:
            return found  # no driver at all: PLATFORM_NOT_FOUND_KHR
        for platform in platforms:
            try:
                devices = platform.get_devices()
            except cl.Error:
                continue
            for device in devices:
                name = device.name.strip()
                names[name] += 1
                unique = name if names[name] == 1 else f"{name} #{names[name]}"
                found.append(_describe(unique, platform, device))
        return found

    def probe(self, device: BackendDevice) -> str:
        """Build and run a small kernel."""
        return probe(self, device)  # type: ignore[arg-type]  # whole in `OpenCLBackend`

    @translated("clCreateContext")
    def create_context(self, devices: Sequence[BackendDevice]) -> Any:
        """Return a `pyopencl.Context`."""
        return cl.Context([device.handle for device in devices])

    @translated("clCreateSubDevices")
    def create_sub_devices(self, device: BackendDevice, properties: Sequence[int]) -> list[BackendDevice]:
        """Return `pyopencl.Device`s."""
        parts = device.handle.create_sub_devices([*properties, 0])
        first = next(self._parted) if parts else 0
        return [
            _describe(f"{device.name}/{first}.{index}", device.handle.platform, part)
            for index, part in enumerate(parts)
        ]

    @translated("clGetDeviceAndHostTimer")
    def device_and_host_timer(self, device: BackendDevice) -> tuple[int, int]:
        """Ask the driver."""
        on_device, on_host = device.handle.device_and_host_timer()
        return int(on_device), int(on_host)

    @translated("clCreateCommandQueueWithProperties")
    def create_command_queue(
        self, context: Any, device: BackendDevice, properties: int, size: int = 0
    ) -> Any:
        """Return a `pyopencl.CommandQueue`."""
        if not size:
            return raw.CommandQueue(context, device.handle, properties)
        given = [cl.queue_properties.PROPERTIES, properties, cl.queue_properties.SIZE, size]
        return raw.CommandQueue(context, device.handle, given)

    @translated("clSetDefaultDeviceCommandQueue")
    def set_default_device_command_queue(self, context: Any, device: BackendDevice, queue: Any) -> None:
        """Set it."""
        context.set_default_device_command_queue(device.handle, queue)

    def lost(self) -> str:
        """Return "": OpenCL has no error after which a context is lost."""
        return ""


def _describe(name: str, platform: cl.Platform, device: cl.Device) -> BackendDevice:
    kind = next((word for bit, word in KINDS if device.type & bit), "custom")
    return BackendDevice(
        name=name,
        platform=_infos(platform, cl.platform_info),
        info={**_infos(device, cl.device_info), **_more_infos(device)},
        kind=kind,
        api="opencl",
        handle=device,
    )


def _infos(queried: Any, names: type) -> dict[int, InfoValue]:
    """Return every info that the driver answers with a plain value."""
    values: dict[int, InfoValue] = {}
    for name in dir(names):
        number = getattr(names, name)
        if name.startswith("_") or not isinstance(number, int):
            continue
        try:
            value = queried.get_info(number)
        except (cl.Error, ValueError):
            continue  # unknown to this driver
        if isinstance(value, (list, tuple)) and all(isinstance(part, INFO_PARTS) for part in value):
            values[number] = [plain(part) for part in value]
        elif isinstance(value, cl.DeviceTopologyAmd):
            values[number] = [value.bus, value.device, value.function]
        elif isinstance(value, int) and number in KNOWN_BITS:
            values[number] = value & KNOWN_BITS[number]
        elif isinstance(value, (bool, int, str)):
            values[number] = value
    return values


def _plain(value: Any) -> InfoValue:
    """Return what C has as a plain value: bytes in hexadecimal digits, other arrays as lists."""
    if isinstance(value, ctypes.Array):
        return bytes(value).hex() if value._type_ is ctypes.c_ubyte else list(value)
    number: int = value.value
    return number


def _more_infos(device: cl.Device) -> dict[int, InfoValue]:
    """Ask a device's driver, through the loader that PyOpenCL is linked with, for what PyOpenCL does not."""
    ask = ctypes.CDLL(raw.__file__).clGetDeviceInfo
    ask.argtypes = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
    values: dict[int, InfoValue] = {}
    for number, kind in ASKED_WITHOUT_PYOPENCL.items():
        value = kind()
        if ask(device.int_ptr, number, ctypes.sizeof(value), ctypes.byref(value), None) == 0:
            values[number] = _plain(value)
    for number, kind in LISTS_WITHOUT_PYOPENCL.items():
        size = ctypes.c_size_t()
        if ask(device.int_ptr, number, 0, None, ctypes.byref(size)) != 0:
            continue
        parts = (kind * (size.value // ctypes.sizeof(kind)))()
        if ask(device.int_ptr, number, ctypes.sizeof(parts), parts, None) == 0:
            values[number] = (
                b" ".join(filter(None, parts)).decode() if kind is ctypes.c_char_p else list(parts)
            )
    return values
