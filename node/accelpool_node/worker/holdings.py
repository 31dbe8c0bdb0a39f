"""What a session holds: its objects by handle, and the device memory that they take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.worker.gates import TransferEvent, closed
from accelpool_node.worker.ledger import Ledger
from accelpool_node.worker.loaded_images import hashes_of
from accelpool_node.worker.objects import (
    BufferObject,
    ContextObject,
    EarlierFailure,
    FailedEvent,
    Failure,
    ImageObject,
    KernelObject,
    ProgramObject,
    QueueObject,
    SamplerObject,
    Share,
    Table,
    VariableObject,
    driver_event,
    failure_of,
)
from accelpool_node.worker.wanted_args import wanted_args
from accelpool_node.worker.zeroing import Zeroing
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

OUT_OF_ORDER, PROFILING, ON_DEVICE, ON_DEVICE_DEFAULT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
CUDA = "cuda"
DEVICE_ENQUEUE_CAPABILITIES, ON_DEVICE_PROPERTIES, ON_DEVICE_MAX_SIZE = 0x1070, 0x104E, 0x1050


class Holdings:
    """A session's objects: makes them, finds them, lets them go.

    Args:
        backend: Where they live.
        shares: The session's devices with the memory that may be allocated on each.
        limits: How many there may be.
    """

    def __init__(self, backend: Backend, shares: Sequence[Share], limits: m.Limits) -> None:
        count = limits.handles
        self._backend = backend
        self._shares = list(shares)
        self._limits = limits
        self.ledger = Ledger(backend)
        self.zeroing = Zeroing(backend)
        self._leaving: list[QueueObject] = []
        self.contexts: Table[ContextObject] = Table("context", ErrorCode.INVALID_CONTEXT, count)
        self.queues: Table[QueueObject] = Table("command queue", ErrorCode.INVALID_COMMAND_QUEUE, count)
        self.buffers: Table[BufferObject] = Table("buffer", ErrorCode.INVALID_MEM_OBJECT, count)
        self.images: Table[ImageObject] = Table("image", ErrorCode.INVALID_MEM_OBJECT, count)
        self.samplers: Table[SamplerObject] = Table("sampler", ErrorCode.INVALID_SAMPLER, count)
        self.programs: Table[ProgramObject] = Table("program", ErrorCode.INVALID_PROGRAM, count)
        self.kernels: Table[KernelObject] = Table("kernel", ErrorCode.INVALID_KERNEL, count)
        self.events: Table[Any] = Table("event", ErrorCode.INVALID_EVENT, count)

    # ---- making ------------------------------------------------------------------------------------------

    def create_context(self, message: m.CreateContext) -> None:
        """Make a context over devices of the session."""
        routine = "clCreateContext"
        self.contexts.claim(message.context, routine)
        shares = [self.share(place, routine) for place in dict.fromkeys(message.devices)]
        if not shares:
            raise error_for(routine, ErrorCode.INVALID_VALUE, "a context over no device")
        devices = [share.device for share in shares]
        handle = self._backend.create_context(devices)
        wholes = list({id(whole): whole for share in shares for whole in [share.whole or share]}.values())
        self.contexts.items[message.context] = ContextObject(handle=handle, shares=wholes, devices=devices)

    def create_command_queue(self, message: m.CreateCommandQueue) -> None:
        """Make a command queue on a device of a context."""
        routine = "clCreateCommandQueueWithProperties"
        self.queues.claim(message.queue, routine)
        context = self.contexts.get(message.context, routine)
        device = self.device_of(context, message.device, routine)
        check_on_device(device, message, routine)
        handle = self._backend.create_command_queue(context.handle, device, message.properties, message.size)
        self.queues.items[message.queue] = QueueObject(
            handle=handle,
            is_in_order=not message.properties & OUT_OF_ORDER,
            context=context,
            device=device,
            is_profiled=bool(message.properties & PROFILING),
            is_on_device=bool(message.properties & ON_DEVICE),
        )

    def create_buffer(self, message: m.CreateBuffer, content: memoryview | None) -> None:
        """Make a buffer, within the share of each device of its context."""
        routine = "clCreateBuffer"
        self.buffers.claim(message.buffer, routine)
        context = self.contexts.get(message.context, routine)
        if message.size <= 0:
            raise error_for(routine, ErrorCode.INVALID_BUFFER_SIZE, f"a buffer of {message.size} bytes")
        self.ledger.take(context, message.size, routine)
        try:
            handle = self._backend.create_buffer(context.handle, message.flags, message.size, content)
            if content is None:
                self.zeroing.clear_buffer(context, handle, message.size, routine)
        except Exception:
            self.ledger.give(context, message.size)
            raise
        self.buffers.items[message.buffer] = BufferObject(handle=handle, size=message.size, context=context)

    def create_sub_buffer(self, message: m.CreateSubBuffer) -> None:
        """Make a buffer over a region of another; it takes no memory, but keeps the other's."""
        routine = "clCreateSubBuffer"
        self.buffers.claim(message.sub_buffer, routine)
        parent = self.buffers.get(message.buffer, routine)
        check_region(parent, message.origin, message.size, routine)
        handle = self._backend.create_sub_buffer(parent.handle, message.flags, message.origin, message.size)
        parent.holders += 1
        self.buffers.items[message.sub_buffer] = BufferObject(
            handle=handle, size=message.size, context=parent.context, parent=parent
        )

    def create_program_with_source(self, message: m.CreateProgramWithSource) -> None:
        """Make a program from source."""
        routine = "clCreateProgramWithSource"
        self.programs.claim(message.program, routine)
        context = self.contexts.get(message.context, routine)
        handle = self._backend.create_program_with_source(context.handle, message.source)
        program = ProgramObject(handle=handle, context=context, source=message.source)
        self.programs.items[message.program] = program

    def create_program_with_binary(
        self, message: m.CreateProgramWithBinary, content: memoryview | None
    ) -> None:
        """Make a program from binaries, one after the other in `content`."""
        routine = "clCreateProgramWithBinary"
        if content is None:
            raise error_for(routine, ErrorCode.INVALID_VALUE, "no binaries came with it")
        self.programs.claim(message.program, routine)
        context = self.contexts.get(message.context, routine)
        devices = [self.device_of(context, place, routine) for place in message.devices]
        if len(devices) != len(message.sizes) or any(size <= 0 for size in message.sizes):
            what = f"binaries of {message.sizes} bytes for {len(devices)} devices"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        binaries = []
        for size in message.sizes:
            binaries.append(bytes(content[:size]))
            content = content[size:]
        handle = self._backend.create_program_with_binary(context.handle, devices, binaries)
        hashes = hashes_of(devices, binaries)
        self.programs.items[message.program] = ProgramObject(
            handle=handle, context=context, is_linkable=True, binary_hashes=hashes
        )

    def create_kernel(self, message: m.CreateKernel) -> None:
        """Make a kernel of a built program."""
        routine = "clCreateKernel"
        self.kernels.claim(message.kernel, routine)
        program = self.programs.get(message.program, routine)
        info = program.kernels.get(message.name)
        if info is None:
            known = ", ".join(sorted(program.kernels)) or "none, as it is not built"
            what = f"no kernel {message.name!r} in the program; it has {known}"
            raise error_for(routine, ErrorCode.INVALID_KERNEL_NAME, what)
        if info.num_args > self._limits.kernel_args:
            limit = self._limits.kernel_args
            what = f"kernel {info.name} has {info.num_args} arguments; the limit is {limit}"
            raise error_for(routine, ErrorCode.OUT_OF_RESOURCES, what)
        handle = self._backend.create_kernel(program.handle, message.name)
        self.kernels.items[message.kernel] = KernelObject(
            handle=handle,
            info=info,
            wanted=wanted_args(info.args),
            context=program.context,
            program=program,
            takes_whole=program.context.devices[0].api == CUDA,
        )

    def made_by(self, message: m.Message) -> list[tuple[Table[Any], int]]:
        """Return where a message would have put an object, and under which handle."""
        match message:
            case m.CreateContext():
                return [(self.contexts, message.context)]
            case m.CreateCommandQueue():
                return [(self.queues, message.queue)]
            case m.CreateBuffer() | m.CreateVariableBuffer():
                return [(self.buffers, message.buffer)]
            case m.CreateSubBuffer():
                return [(self.buffers, message.sub_buffer)]
            case m.CreateSVM():
                return [(self.buffers, message.svm)]
            case m.CreateImage():
                return [(self.images, message.image)]
            case m.CreateSampler():
                return [(self.samplers, message.sampler)]
            case (
                m.CreateProgramWithSource() | m.CreateProgramWithBinary() | m.CreateProgramWithIL()
                | m.CreateProgramWithBuiltInKernels() | m.LinkProgram()
            ):  # fmt: skip
                return [(self.programs, message.program)]
            case m.CreateKernel():
                return [(self.kernels, message.kernel)]
        return []

    # ---- finding -----------------------------------------------------------------------------------------

    def queue(self, handle: int, routine: str) -> QueueObject:
        """Return a queue for its next command: nothing of it is being sent, and it is held if it must be."""
        found = self.queues.items.get(handle)
        if found is not None and not (found.is_on_device or found.sending or found.loose):
            return found
        queue = self.queue_as_it_is(handle, routine)
        if queue.loose:
            self.hold(queue)
        return queue

    def queue_as_it_is(self, handle: int, routine: str) -> QueueObject:
        """Return a queue, once nothing of it is being sent."""
        queue = self.queues.get(handle, routine)
        if queue.is_on_device:
            what = f"queue {handle} is on its device: only kernels enqueue to it"
            raise error_for(routine, ErrorCode.INVALID_COMMAND_QUEUE, what)
        sending = queue.sending
        if sending is not None:
            sending.wait()
        return queue

    def hold(self, queue: QueueObject) -> None:
        """Have what follows in an in-order queue wait for its transfers to and from other nodes."""
        loose = [transfer for transfer in queue.loose if not transfer.gate.is_open]
        if loose:
            barrier = self._backend.enqueue_barrier(queue.handle, [transfer.event for transfer in loose])
            gate = closed(transfer.gate for transfer in loose)
            assert gate is not None, "they are not open"
            queue.newest = TransferEvent(event=barrier, gate=gate)
            queue.barrier = closed([queue.barrier, gate])
        queue.loose = []

    def device_of(self, context: ContextObject, place: int, routine: str) -> BackendDevice:
        """Return a device by its place in the session; it must be one of the context's."""
        device = self.share(place, routine).device
        if not any(device is known for known in context.devices):
            what = f"device {place} is not one of the context's"
            raise error_for(routine, ErrorCode.INVALID_DEVICE, what)
        return device

    def wait_list(self, handles: list[int] | None, routine: str) -> list[Any] | None:
        """Return the backend's events of a wait list.

        Raises:
            LogicError: INVALID_EVENT_WAIT_LIST for a handle that is no event, or for too many.
            RuntimeError: EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST for the event of a failed command.
        """
        if not handles:
            return None
        limit = self._limits.wait_list
        if len(handles) > limit:
            what = f"{len(handles)} events to wait for; the limit is {limit}"
            raise error_for(routine, ErrorCode.INVALID_EVENT_WAIT_LIST, what)
        return [self._waitable(handle, routine) for handle in handles]

    def largest_info(self, name: int) -> int:
        """Return the largest value of a device info that is a number, among the session's devices."""
        values = [share.device.info.get(name) for share in self._shares]
        return max((value for value in values if isinstance(value, int)), default=0)

    def event_or_failure(self, handle: int) -> Any:
        """Return an event, or one that failed because there is none."""
        event = self.events.items.get(handle)
        if event is not None:
            return event
        what = f"handle {handle} is no event of this session"
        failure = Failure(command=0, routine="clWaitForEvents", code=ErrorCode.INVALID_EVENT, what=what)
        return FailedEvent(failure=failure)

    def fail_event(self, handle: int, failure: Failure) -> None:
        """Note that the command of an event failed, unless the handle is a living event's."""
        events = self.events.items
        if handle > 0 and handle not in events and len(events) < self._limits.handles:
            events[handle] = FailedEvent(failure=failure)

    def _waitable(self, handle: int, routine: str) -> Any:
        event = self.events.items.get(handle)
        if event is None:
            what = f"handle {handle} is no event of this session"
            raise error_for(routine, ErrorCode.INVALID_EVENT_WAIT_LIST, what)
        failure = failure_of(event)
        if failure is not None:
            code = ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
            raise EarlierFailure(routine, code, failure)
        return driver_event(event)

    def share(self, place: int, routine: str) -> Share:
        """Return a device's share by its place in the session."""
        if not 0 <= place < len(self._shares):
            what = f"there is no device {place}; the session has {len(self._shares)}"
            raise error_for(routine, ErrorCode.INVALID_DEVICE, what)
        return self._shares[place]

    def device(self, place: int) -> BackendDevice:
        """Return a device by its place in the session."""
        return self.share(place, "clGetDeviceInfo").device

    def whole_of(self, device: BackendDevice) -> Share:
        """Return the share of a device of the session, or of the one that it is part of."""
        share = next(share for share in self._shares if share.device is device)
        return share.whole or share

    def count_shares(self) -> int:
        """Return how many devices the session has, sub-devices included."""
        return len(self._shares)

    def add_shares(self, shares: Sequence[Share]) -> int:
        """Have more devices, sub-devices of those there are; return the first one's place."""
        first = len(self._shares)
        self._shares += shares
        return first

    # ---- letting go --------------------------------------------------------------------------------------

    def release(self, message: m.Release) -> Failure | None:
        """Forget handles; unknown ones are ignored.

        Returns:
            The first failure not yet reported that stuck to a queue released here.
        """
        events = self.events.items
        unreported = None
        for handle in message.handles:
            if events.pop(handle, None) is not None:
                continue
            found = self._pop(handle)
            if isinstance(found, BufferObject):
                found.handle = None
                self._let_go(found)
            elif isinstance(found, SamplerObject):
                found.handle = None
            elif isinstance(found, QueueObject):
                found.is_released = True
                unreported = unreported or found.failure
                leaving = [*self._leaving, found]
                self._leaving = [queue for queue in leaving if not self.ledger.is_idle(queue)]
        return unreported

    def _pop(self, handle: int) -> Any:
        tables: tuple[Table[Any], ...] = (
            self.buffers, self.kernels, self.programs, self.queues, self.contexts, self.images, self.samplers,
        )  # fmt: skip
        return next((item for table in tables if (item := table.pop(handle)) is not None), None)

    def _let_go(self, buffer: BufferObject) -> None:
        """Take one holder from a buffer; the last one returns its bytes."""
        buffer.holders -= 1
        if buffer.holders:
            return
        if buffer.parent is not None:
            self._let_go(buffer.parent)
        elif not isinstance(buffer, VariableObject):
            queues = [*self.queues.items.values(), *self._leaving]
            allocation, buffer.allocation = buffer.allocation, None
            self.ledger.retire(buffer.context, buffer.size + buffer.padding, queues, allocation)


def check_region(buffer: BufferObject, offset: int, size: int, routine: str) -> None:
    """Refuse a region that does not lie within a buffer."""
    if offset < 0 or size <= 0 or offset + size > buffer.size:
        what = f"{size} bytes at offset {offset} do not lie within a buffer of {buffer.size} bytes"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)


def check_on_device(device: BackendDevice, message: m.CreateCommandQueue, routine: str) -> None:
    """Refuse an on-device queue where the device has none, or none so large: drivers crash on it."""
    if not message.properties & (ON_DEVICE | ON_DEVICE_DEFAULT) and not message.size:
        return
    known = device.info.get(ON_DEVICE_PROPERTIES), device.info.get(DEVICE_ENQUEUE_CAPABILITIES)
    if not message.properties & ON_DEVICE or not message.properties & OUT_OF_ORDER:
        what = f"properties {message.properties:#x}, size {message.size}: a queue on a device is out of order"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)
    if not known[0] or known[1] == 0:
        raise error_for(routine, ErrorCode.INVALID_QUEUE_PROPERTIES, f"{device.name} has no on-device queues")
    largest = device.info.get(ON_DEVICE_MAX_SIZE)
    if not 0 <= message.size <= (largest if isinstance(largest, int) else 0):
        what = f"a queue of {message.size} bytes; {device.name} has them up to {largest}"
        raise error_for(routine, ErrorCode.INVALID_QUEUE_PROPERTIES, what)
