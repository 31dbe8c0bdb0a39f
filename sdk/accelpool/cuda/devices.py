"""Devices, as the pool lists them or as a context has them."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from accelpool.broker import default_broker
from accelpool.constants import device_info
from accelpool.cuda.device_attributes import device_attribute
from accelpool.cuda.errors import LogicError, failed
from accelpool.device import Device as PoolDevice
from accelpool.pool_devices import cuda_devices

if TYPE_CHECKING:
    from accelpool.cuda.contexts import Context

ATTRIBUTES = 0x20000
"""A device info beyond this number is the CUDA attribute of the rest."""

KNOWN_OTHERWISE = {
    device_attribute.COMPUTE_CAPABILITY_MAJOR: device_info.COMPUTE_CAPABILITY_MAJOR_NV,
    device_attribute.COMPUTE_CAPABILITY_MINOR: device_info.COMPUTE_CAPABILITY_MINOR_NV,
    device_attribute.MULTIPROCESSOR_COUNT: device_info.MAX_COMPUTE_UNITS,
    device_attribute.MAX_THREADS_PER_BLOCK: device_info.MAX_WORK_GROUP_SIZE,
    device_attribute.MAX_SHARED_MEMORY_PER_BLOCK: device_info.LOCAL_MEM_SIZE,
    device_attribute.WARP_SIZE: device_info.WARP_SIZE_NV,
    device_attribute.MAX_REGISTERS_PER_BLOCK: device_info.REGISTERS_PER_BLOCK_NV,
    device_attribute.INTEGRATED: device_info.INTEGRATED_MEMORY_NV,
    device_attribute.PCI_BUS_ID: device_info.PCI_BUS_ID_NV,
    device_attribute.PCI_DEVICE_ID: device_info.PCI_SLOT_ID_NV,
    device_attribute.PCI_DOMAIN_ID: device_info.PCI_DOMAIN_ID_NV,
}
"""What the pool tells before any lease, under OpenCL's numbers."""

PCI = re.compile(r"(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})(?:\.[0-7])?", re.IGNORECASE)


class Device:
    """A CUDA device of the pool, by its number there, or by its PCI address.

    Before a lease it knows what its node tells the broker; once this process has a context on it, all that
    its driver tells. Devices are equal if they are the same piece of hardware.

    Args:
        device: Its place in the pool's list, from 0, or its PCI address, such as "0000:01:00.0".

    Raises:
        LogicError: CUDA_ERROR_INVALID_DEVICE: the pool has no such device.
        Unauthorized, TransportError: The pool cannot be asked.
    """

    __slots__ = ("_device",)

    _told: dict[Any, PoolDevice] = {}  # noqa: RUF012 - what contexts were told of devices, by key

    def __init__(self, device: int | str) -> None:
        listed = cuda_devices(default_broker())
        if isinstance(device, str):
            self._device = _at(device, listed)
            return
        number = operator.index(device)
        if not 0 <= number < len(listed):
            raise failed(
                "cuDeviceGet", "INVALID_DEVICE", f"the pool has {len(listed)} CUDA devices, no {number}"
            )
        self._device = listed[number]

    @classmethod
    def _of(cls, device: PoolDevice) -> Device:
        """Return the device that a context has."""
        made = cls.__new__(cls)
        made._device = device
        cls._told[device._key] = device
        return made

    @staticmethod
    def count() -> int:
        """Return how many CUDA devices the pool has, taken or not."""
        return len(cuda_devices(default_broker()))

    def name(self) -> str:
        """Return its name."""
        return str(self._device._info.get(device_info.NAME, "")).strip()

    def total_memory(self) -> int:
        """Return its memory in bytes; under a lease, the lease's share."""
        return int(self._known._info[device_info.GLOBAL_MEM_SIZE])

    def compute_capability(self) -> tuple[int, int]:
        """Return the major and the minor number of its compute capability."""
        major = self.get_attribute(device_attribute.COMPUTE_CAPABILITY_MAJOR)
        return major, self.get_attribute(device_attribute.COMPUTE_CAPABILITY_MINOR)

    def pci_bus_id(self) -> str:
        """Return its PCI address on its node."""
        parts = (
            device_attribute.PCI_DOMAIN_ID,
            device_attribute.PCI_BUS_ID,
            device_attribute.PCI_DEVICE_ID,
        )
        domain, bus, slot = (self.get_attribute(part) for part in parts)
        return f"{domain:04X}:{bus:02X}:{slot:02X}.0"

    def get_attribute(self, attr: int, /) -> int:
        """Return the value of a `device_attribute`.

        Raises:
            LogicError: CUDA_ERROR_INVALID_VALUE: the driver does not know it, or tells it under a lease only.
        """
        info, other = self._known._info, KNOWN_OTHERWISE.get(device_attribute(attr))
        value = info.get(ATTRIBUTES + attr)
        if value is None and other is not None:
            value = info.get(other)
        if value is None:
            what = f"{self!r} does not tell {device_attribute(attr)}; some are told under a lease only"
            raise failed("cuDeviceGetAttribute", "INVALID_VALUE", what)
        return int(value)

    def get_attributes(self) -> dict[device_attribute, int]:
        """Return all attributes that are known of it."""
        found = {}
        for attribute in device_attribute.__members__.values():
            try:
                found[attribute] = self.get_attribute(attribute)
            except LogicError:
                continue
        return found

    def make_context(self, flags: int = 0) -> Context:  # noqa: ARG002 - of no effect here
        """Return a context on the device, current in this thread; where nobody here has it, it is leased.

        Args:
            flags: `ctx_flags`, of no effect here.

        Raises:
            ProblemError: The pool refuses the lease, and why.
        """
        from accelpool.cuda.contexts import context_on

        return context_on(self._device)

    def retain_primary_context(self) -> Context:
        """Return a context on the device that is not current in any thread; `push` makes it so."""
        context = self.make_context()
        context.pop()
        return context

    def can_access_peer(self, other: Device, /) -> bool:  # noqa: ARG002 - whichever it is
        """Return False: kernels of a device do not reach another's memory; `memcpy_peer` does without."""
        return False

    def __getattr__(self, name: str) -> int:
        """Return an attribute by its name in lower case: `device.warp_size`."""
        try:
            attribute = device_attribute[name.upper()]
        except KeyError:
            raise AttributeError(f"a Device has no attribute {name!r}") from None
        return self.get_attribute(attribute)

    @property
    def _known(self) -> PoolDevice:
        """The device with all that this process was told of it."""
        return self._told.get(self._device._key, self._device)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self._device == other._device

    def __hash__(self) -> int:
        return hash(self._device)

    def __repr__(self) -> str:
        return f"<accelpool.cuda.Device {self.name()!r} on node {self._device.node!r}>"


def _at(address: str, listed: list[PoolDevice]) -> PoolDevice:
    """Return the device of a PCI address, of whatever node."""
    match = PCI.fullmatch(address.strip())
    if match is None:
        raise failed("cuDeviceGetByPCIBusId", "INVALID_VALUE", f"{address!r} is no PCI address")
    wanted = [int(part or "0", 16) for part in match.groups()]
    numbers = (device_info.PCI_DOMAIN_ID_NV, device_info.PCI_BUS_ID_NV, device_info.PCI_SLOT_ID_NV)
    for device in listed:
        if [device._info.get(number, 0) for number in numbers] == wanted:
            return device
    raise failed("cuDeviceGetByPCIBusId", "INVALID_DEVICE", f"no device of the pool is at {address}")
