"""What is done to devices of a session: partitioning them, their default queues, their compilers."""

from __future__ import annotations

from collections.abc import Callable

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import Share
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

MAX_PARTS = 256  # devices of a session, sub-devices included
MAX_PROPERTIES = 2 * MAX_PARTS
PARTITION_PROPERTIES, PARTITION_EQUALLY, PARTITION_BY_COUNTS = 0x1044, 0x1086, 0x1087
MAX_MEM_ALLOC_SIZE, GLOBAL_MEM_SIZE, MAX_COMPUTE_UNITS = 0x1010, 0x101F, 0x1002


def as_client_sees(share: Share) -> m.Device:
    """Return a device whose reported memory is the share's."""
    device, size = share.device, share.memory_bytes
    largest = device.info.get(MAX_MEM_ALLOC_SIZE)
    info = {**device.info, GLOBAL_MEM_SIZE: size}
    info[MAX_MEM_ALLOC_SIZE] = min(size, largest) if isinstance(largest, int) else size
    return m.Device(device.name, device.platform, info)


class Parting:
    """Partitions a session's devices, and sets what they keep.

    Args:
        backend: Where the devices are.
        holdings: The session's objects.
        reply: Sends answers.
    """

    def __init__(self, backend: Backend, holdings: Holdings, reply: Callable[[m.Message], None]) -> None:
        self._backend = backend
        self._holdings = holdings
        self._reply = reply

    def create_sub_devices(self, message: m.CreateSubDevices, command: int) -> None:
        """Partition a device; its memory share is that of all its sub-devices together."""
        routine = "clCreateSubDevices"
        share = self._holdings.share(message.device, routine)
        _check_parting(share.device, message.properties, routine)
        room = MAX_PARTS - self._holdings.count_shares()
        if _count_parts(share.device, message.properties) > room:
            what = f"the session may have {MAX_PARTS} devices, sub-devices included"
            raise error_for(routine, ErrorCode.OUT_OF_RESOURCES, what)
        devices = self._backend.create_sub_devices(share.device, message.properties)
        whole = share.whole or share
        made = [Share(device=device, memory_bytes=whole.memory_bytes, whole=whole) for device in devices]
        first = self._holdings.add_shares(made)
        self._reply(m.SubDevices(command, first, [as_client_sees(each) for each in made]))

    def unload_platform_compiler(self, message: m.UnloadPlatformCompiler) -> None:
        """Let a compiler free what it holds."""
        share = self._holdings.share(message.device, "clUnloadPlatformCompiler")
        self._backend.unload_platform_compiler(share.device)

    def set_default_device_command_queue(self, message: m.SetDefaultDeviceCommandQueue) -> None:
        """Make an on-device queue its device's default."""
        routine, holdings = "clSetDefaultDeviceCommandQueue", self._holdings
        context = holdings.contexts.get(message.context, routine)
        device = holdings.device_of(context, message.device, routine)
        queue = holdings.queues.get(message.queue, routine)
        if not queue.is_on_device:
            what = f"queue {message.queue} is not on its device"
            raise error_for(routine, ErrorCode.INVALID_COMMAND_QUEUE, what)
        self._backend.set_default_device_command_queue(context.handle, device, queue.handle)


def _check_parting(device: BackendDevice, properties: list[int], routine: str) -> None:
    """Refuse a way of partitioning that the device does not know."""
    ways = device.info.get(PARTITION_PROPERTIES)
    if not 2 <= len(properties) <= MAX_PROPERTIES or not isinstance(ways, list) or properties[0] not in ways:
        what = f"{device.name} can be partitioned by {ways or 'nothing'}, not by {properties[:8]}"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)
    if any(not 0 <= part < 1 << 63 for part in properties):
        raise error_for(routine, ErrorCode.INVALID_VALUE, f"sizes are not negative: {properties[:8]}")


def _count_parts(device: BackendDevice, properties: list[int]) -> int:
    """Return how many sub-devices there will be at most."""
    units = device.info.get(MAX_COMPUTE_UNITS)
    units = units if isinstance(units, int) else MAX_PARTS
    if properties[0] == PARTITION_EQUALLY:
        return units // max(1, properties[1])
    return len(properties) - 1 if properties[0] == PARTITION_BY_COUNTS else units
