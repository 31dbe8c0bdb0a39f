"""The node's devices: what was found, under which names and attributes, and what works. No I/O.

A device's name on the node is its environment and its backend's name for it ("intel/AMD EPYC"): unique, and
the same after a restart. A GPU that OpenCL and CUDA both show is two devices, its faces: what is lent of
either, and whose turn it is, goes by the hardware.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import structs

from accelpool_node import gpus
from accelpool_node.agent.contract import AttributeValue, Capacity, DeviceReport, LoadedImage
from accelpool_node.discover import NO_SANDBOX, Listed
from accelpool_node.drivers import BUNDLED
from accelpool_node.gpus import HARDWARE
from accelpool_node.sandbox.policy import Sandbox
from accelpool_wire.messages import InfoValue

MAX_FAULT = 500
MAX_NAME = 255
NOTHING: Mapping[str, str] = MappingProxyType({})
GLOBAL_MEM_SIZE, MAX_COMPUTE_UNITS, EXTENSIONS = 0x101F, 0x1002, 0x1030
PCI_BUS, PCI_SLOT, PCI_DOMAIN = 0x4008, 0x4009, 0x400A  # cl_nv_device_attribute_query
PCI_BUS_INFO = 0x410F  # cl_khr_pci_bus_info: domain, bus, device, function
PLATFORM_VERSION, PLATFORM_NAME, PLATFORM_VENDOR = 0x0901, 0x0902, 0x0903

CAPABILITY_MAJOR, CAPABILITY_MINOR = 0x4000, 0x4001
# Attributes by OpenCL's numbers: its own names in small letters.
# Source: OpenCL 3.0 API specification, clGetPlatformInfo and clGetDeviceInfo; cl.h of the Khronos headers.
PLATFORM_ATTRIBUTES = {
    PLATFORM_NAME: "platform_name",
    PLATFORM_VERSION: "platform_version",
    PLATFORM_VENDOR: "platform_vendor",
}
DEVICE_ATTRIBUTES = {
    0x102B: "name",
    0x106A: "uuid",
    0x102C: "vendor",
    0x1001: "vendor_id",
    0x102D: "driver_version",
    0x102F: "version",
    0x103D: "opencl_c_version",
    0x105B: "il_version",
    0x102E: "profile",
    MAX_COMPUTE_UNITS: "max_compute_units",
    0x100C: "max_clock_frequency",
    0x100D: "address_bits",
    0x1003: "max_work_item_dimensions",
    0x1004: "max_work_group_size",
    0x1005: "max_work_item_sizes",
    0x105C: "max_num_sub_groups",
    GLOBAL_MEM_SIZE: "global_mem_size",
    0x101E: "global_mem_cache_size",
    0x1010: "max_mem_alloc_size",
    0x1020: "max_constant_buffer_size",
    0x1023: "local_mem_size",
    0x1017: "max_parameter_size",
    0x1019: "mem_base_addr_align",
    0x1035: "host_unified_memory",
    0x1016: "image_support",
    0x1026: "endian_little",
    0x1028: "compiler_available",
    0x1025: "profiling_timer_resolution",
    0x102A: "queue_properties",
    0x1033: "half_fp_config",
    0x1032: "double_fp_config",
    0x1053: "svm_capabilities",
}
TRUTHS = frozenset({"host_unified_memory", "image_support", "endian_little", "compiler_available"})


@dataclass(frozen=True, kw_only=True)
class NodeDevice:
    """A device of the node.

    Attributes:
        name: Its name on the node, as the broker and lease tokens use it.
        environment: The name of its driver environment.
        backend_name: Its name within the environment, as workers use it; "" if it stands for an environment
            whose devices could not be listed.
        report: What the broker is told at registration.
        sandbox: What confines those who use it.
    """

    name: str
    environment: str
    backend_name: str
    report: DeviceReport
    sandbox: Sandbox = NO_SANDBOX


class Devices:
    """The devices of the node, their faults, and what is loaded on them.

    Args:
        devices: All of them; their reports hold the faults known at first.

    Attributes:
        faults: Why a device does not work, "" if it does, by its name on the node.
        loaded_images: What a device was loaded with last, where that is known, by its name on the node.
    """

    def __init__(self, devices: Iterable[NodeDevice] = ()) -> None:
        self._devices = {device.name: device for device in with_faces(tuple(devices))}
        self.faults = {device.name: device.report.fault for device in self._devices.values()}
        self.loaded_images: dict[str, LoadedImage] = {}

    def __len__(self) -> int:
        return len(self._devices)

    @property
    def pieces(self) -> int:
        """How many pieces of hardware they are."""
        return len({self.hardware(name) for name in self._devices})

    def get(self, name: str) -> NodeDevice | None:
        """Return a device by its name on the node."""
        return self._devices.get(name)

    def hardware(self, name: str) -> str:
        """Return what is lent of a device: the same for all faces of it; of the only face its own name."""
        device = self._devices.get(name)
        told = None if device is None else device.report.hardware
        return told if isinstance(told, str) else name

    def faces(self, names: Iterable[str]) -> list[str]:
        """Return devices and all others that are the same hardware as one of them, by their names."""
        pieces = {self.hardware(name) for name in names}
        return [name for name in self._devices if self.hardware(name) in pieces]

    def of(self, environment: str) -> list[NodeDevice]:
        """Return the devices of an environment."""
        return [device for device in self._devices.values() if device.environment == environment]

    def sandbox(self, environment: str) -> Sandbox | None:
        """Return what confines those who use an environment's devices, as was told; None without any."""
        return next((device.sandbox for device in self.of(environment)), None)

    def attributes(self) -> dict[str, dict[str, AttributeValue]]:
        """Return what each device is, by its name on the node."""
        return {device.name: device.report.attributes for device in self._devices.values()}

    def reports(self) -> list[DeviceReport]:
        """Return what the broker is told at registration."""
        return [device.report for device in self._devices.values()]

    def set_fault(self, name: str, fault: str) -> bool:
        """Take note of why a device does not work, "" if it does; whether that is news."""
        fault = fault[:MAX_FAULT]  # the broker refuses reports with longer ones
        is_news = self.faults[name] != fault
        self.faults[name] = fault
        if fault:
            self.forget_loaded_images([name])
        return is_news

    def set_loaded_image(self, name: str, sha256: str, now: float) -> bool:
        """Take note of what a device was loaded with, at an instant (Unix, s); whether that is news."""
        known = self.loaded_images.get(name)
        if self.faults[name] or (known is not None and known.sha256 == sha256):
            return False
        self.loaded_images[name] = LoadedImage(sha256=sha256, since=now)
        return True

    def forget_loaded_images(self, names: Iterable[str]) -> None:
        """Take note that nobody knows any more what is loaded on devices."""
        for name in names:
            self.loaded_images.pop(name, None)

    def faulty(self) -> list[NodeDevice]:
        """Return the devices that may work again some day."""
        return [
            device for device in self._devices.values() if self.faults[device.name] and device.backend_name
        ]

    def built_for(self, environment: str) -> list[str]:
        """Return the backend's names of an environment's devices for which programs are built apart.

        Those that work and are no accelerators: one of these keeps whatever was loaded on it last.
        """
        return [
            device.backend_name
            for device in self._devices.values()
            if device.environment == environment
            and not self.faults[device.name]
            and device.report.kind != "accelerator"
        ]

    def environments_in_use(self) -> set[str]:
        """Return the environments that have at least one healthy device."""
        return {device.environment for device in self._devices.values() if not self.faults[device.name]}


def without_bundled(listed: Mapping[str, list[Listed]]) -> dict[str, list[Listed]]:
    """Return what each environment found, less the bundled platform that PyOpenCL's loader adds to all.

    Args:
        listed: Devices by environment.
    """
    bundled = {_platform_of(device) for device in listed.get(BUNDLED, ())}
    return {
        environment: [
            device for device in devices if environment == BUNDLED or _platform_of(device) not in bundled
        ]
        for environment, devices in listed.items()
    }


def with_faces(devices: Sequence[NodeDevice]) -> list[NodeDevice]:
    """Return devices that say which of them are faces of the same hardware: those at the same place."""
    places = [str(device.report.attributes.get(HARDWARE, "")) for device in devices]
    shown = Counter(places)
    return [
        replace(device, report=structs.replace(device.report, hardware=place))
        if place and shown[place] > 1
        else device
        for device, place in zip(devices, places, strict=True)
    ]


def without_parted(listed: Mapping[str, list[Listed]], parents: Mapping[str, str]) -> dict[str, list[Listed]]:
    """Return what each environment found, less GPUs whose MIG instances have environments of their own.

    Args:
        listed: Devices by environment.
        parents: The environments of instances, and the places of their GPUs, where drivers show an instance.
    """
    places = set(parents.values())
    return {
        environment: [
            device for device in devices if environment in parents or place_of(device) not in places
        ]
        for environment, devices in listed.items()
    }


def place_of(device: Listed) -> str:
    """Return what tells a piece of hardware from all others on the node, "" where nobody says.

    It is the place on the PCI bus, as OpenCL and CUDA both tell it.
    """
    info = device.info
    nvidias = (info.get(PCI_DOMAIN, 0), info.get(PCI_BUS), info.get(PCI_SLOT), 0)
    match info.get(PCI_BUS_INFO) or nvidias:
        case [int(domain), int(bus), int(slot), int()]:
            return gpus.place_of(domain, bus, slot)
    return ""


def _platform_of(device: Listed) -> tuple[InfoValue, InfoValue]:
    return device.platform.get(PLATFORM_NAME), device.platform.get(PLATFORM_VERSION)


def describe(
    environment: str,
    device: Listed,
    fault: str,
    sandbox: Sandbox = NO_SANDBOX,
    *,
    known: Mapping[str, str] = NOTHING,
    memory_parts: int = 1,
) -> NodeDevice:
    """Return a device found in an environment.

    Args:
        environment: Its name.
        device: As its driver tells it.
        fault: What is wrong with it, "" if nothing.
        sandbox: What confines the environment's children.
        known: Attributes that come before the driver's; see `DriverEnvironment`.
        memory_parts: See there.
    """
    name = f"{environment}/{device.name}"[:MAX_NAME]
    memory_bytes, compute_units = device.info.get(GLOBAL_MEM_SIZE), device.info.get(MAX_COMPUTE_UNITS)
    report = DeviceReport(
        name=name,
        environment=environment,
        kind=device.kind,
        api=device.api,
        attributes={**attributes(device), **known, "sandbox": msgspec.to_builtins(sandbox)},
        capacity=Capacity(
            memory_bytes=memory_bytes // memory_parts if isinstance(memory_bytes, int) else 0,
            compute_units=compute_units if isinstance(compute_units, int) else 0,
        ),
        fault=fault[:MAX_FAULT],
    )
    return NodeDevice(
        name=name, environment=environment, backend_name=device.name, report=report, sandbox=sandbox
    )


def describe_broken(environment: str, fault: str) -> NodeDevice:
    """Return what stands for an environment whose devices could not be listed."""
    name = f"{environment}/unknown"
    report = DeviceReport(
        name=name,
        environment=environment,
        kind="custom",
        api="opencl",
        attributes={"name": f"driver environment {environment}"},
        capacity=Capacity(memory_bytes=0, compute_units=0),
        fault=fault[:MAX_FAULT],
    )
    return NodeDevice(name=name, environment=environment, backend_name="", report=report)


def attributes(device: Listed) -> dict[str, AttributeValue]:
    """Return a device's attributes under readable names, without those that it does not have."""
    found: dict[str, AttributeValue] = {}
    for table, infos in ((PLATFORM_ATTRIBUTES, device.platform), (DEVICE_ATTRIBUTES, device.info)):
        for number, name in table.items():
            value = infos.get(number)
            if value is not None:
                found[name] = _readable(name, value)
    place = place_of(device)
    if place:
        found[HARDWARE] = place
    capability = device.info.get(CAPABILITY_MAJOR), device.info.get(CAPABILITY_MINOR)
    if None not in capability:
        found["compute_capability"] = f"{capability[0]}.{capability[1]}"
    extensions = device.info.get(EXTENSIONS)
    found["extensions"] = sorted(set(extensions.split())) if isinstance(extensions, str) else []
    return found


def _readable(name: str, value: int | str | list[Any]) -> AttributeValue:
    if name in TRUTHS:
        return bool(value)
    return value.strip() if isinstance(value, str) else value
