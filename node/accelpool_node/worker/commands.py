"""What goes through a command queue: launches, copies, fills, markers, reads and writes."""

from __future__ import annotations

from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.bands import Bulk
from accelpool_node.worker.holdings import Holdings, check_region
from accelpool_node.worker.kernel_args import check_args, set_all_args, set_args
from accelpool_node.worker.objects import BufferObject, QueueObject
from accelpool_node.worker.transfers import Intake, Outlet, Transfers
from accelpool_node.worker.user_events import UserEvents
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

MAX_DIMENSIONS = 3
MIGRATION_FLAGS = 3  # HOST, CONTENT_UNDEFINED
LOCAL_MEM_SIZE = 0x1023
CUDA = "cuda"


class Commands:
    """Enqueues for one session; every method raises OpenCL's error if a command cannot be enqueued.

    Args:
        backend: Whose queues these are.
        holdings: The session's objects.
        transfers: Moves bulk bytes.
        user_events: Knows which commands wait for user events.
        limits: What the client may ask for at most.
    """

    def __init__(
        self,
        backend: Backend,
        holdings: Holdings,
        transfers: Transfers,
        user_events: UserEvents,
        limits: m.Limits,
    ) -> None:
        self._backend = backend
        self._holdings = holdings
        self._transfers = transfers
        self._user_events = user_events
        self._limits = limits
        self._local_limit = holdings.largest_info(LOCAL_MEM_SIZE)

    def set_kernel_args(self, message: m.SetKernelArgs) -> None:
        """Set some arguments of a kernel."""
        kernel = self._holdings.kernels.get(message.kernel, "clSetKernelArg")
        set_args(self._backend, self._holdings, kernel, message.first, message.args, self._local_limit)

    def enqueue_nd_range_kernel(self, message: m.EnqueueNDRangeKernel, command: int) -> None:
        """Launch a kernel, setting all its arguments first if the message has them."""
        routine, holdings = "clEnqueueNDRangeKernel", self._holdings
        queue = holdings.queue(message.queue, routine)
        kernel = holdings.kernels.get(message.kernel, routine)
        _check_dimensions(message, routine)
        self._claim(message.event, routine)
        if message.args is not None:
            set_all_args(self._backend, holdings, kernel, message.args, self._local_limit, routine)
        else:
            check_args(kernel, routine)
        event = self._backend.enqueue_nd_range_kernel(
            queue.handle,
            kernel.handle,
            message.global_size,
            message.local_size,
            message.offset,
            holdings.wait_list(message.wait_for, routine) if message.wait_for else None,
        )
        self._enqueued(queue, command, message.event, event)

    def enqueue_copy_buffer(self, message: m.EnqueueCopyBuffer, command: int) -> None:
        """Copy between buffers."""
        routine, holdings = "clEnqueueCopyBuffer", self._holdings
        queue = holdings.queue(message.queue, routine)
        source = holdings.buffers.get(message.source, routine)
        target = holdings.buffers.get(message.target, routine)
        check_region(source, message.source_offset, message.size, routine)
        check_region(target, message.target_offset, message.size, routine)
        _check_contexts(queue, source, target, routine)
        self._claim(message.event, routine)
        event = self._backend.enqueue_copy_buffer(
            queue.handle,
            source.handle,
            target.handle,
            message.source_offset,
            message.target_offset,
            message.size,
            holdings.wait_list(message.wait_for, routine),
        )
        self._enqueued(queue, command, message.event, event)

    def enqueue_fill_buffer(self, message: m.EnqueueFillBuffer, command: int) -> None:
        """Fill a region of a buffer."""
        routine, holdings = "clEnqueueFillBuffer", self._holdings
        queue = holdings.queue(message.queue, routine)
        buffer = holdings.buffers.get(message.buffer, routine)
        check_region(buffer, message.offset, message.size, routine)
        if not 0 < len(message.pattern) <= self._limits.pattern_bytes:
            what = (
                f"a pattern of {len(message.pattern)} bytes; 1 to {self._limits.pattern_bytes} are possible"
            )
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        self._claim(message.event, routine)
        wait_for = holdings.wait_list(message.wait_for, routine)
        event = self._backend.enqueue_fill_buffer(
            queue.handle, buffer.handle, message.pattern, message.offset, message.size, wait_for
        )
        self._enqueued(queue, command, message.event, event)

    def enqueue_marker(self, message: m.EnqueueMarker, command: int) -> None:
        """Enqueue a marker."""
        routine = "clEnqueueMarkerWithWaitList"
        queue = self._holdings.queue(message.queue, routine)
        self._claim(message.event, routine)
        event = self._backend.enqueue_marker(
            queue.handle, self._holdings.wait_list(message.wait_for, routine)
        )
        self._enqueued(queue, command, message.event, event)

    def enqueue_barrier(self, message: m.EnqueueBarrier, command: int) -> None:
        """Enqueue a barrier."""
        routine = "clEnqueueBarrierWithWaitList"
        queue = self._holdings.queue(message.queue, routine)
        self._claim(message.event, routine)
        event = self._backend.enqueue_barrier(
            queue.handle, self._holdings.wait_list(message.wait_for, routine)
        )
        self._enqueued(queue, command, message.event, event)

    def enqueue_migrate_mem_objects(self, message: m.EnqueueMigrateMemObjects, command: int) -> None:
        """Bring memory objects to a device."""
        routine, holdings = "clEnqueueMigrateMemObjects", self._holdings
        queue = holdings.queue(message.queue, routine)
        count, limit = len(message.mem_objects), self._limits.wait_list
        if not 1 <= count <= limit or message.flags & ~MIGRATION_FLAGS:
            what = f"{count} memory objects with flags {message.flags:#x}; 1 to {limit} are possible"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        memories = [self._memory(handle, routine) for handle in message.mem_objects]
        self._claim(message.event, routine)
        wait_for = holdings.wait_list(message.wait_for, routine)
        event = self._backend.enqueue_migrate_mem_objects(queue.handle, memories, message.flags, wait_for)
        self._enqueued(queue, command, message.event, event)

    def _memory(self, handle: int, routine: str) -> Any:
        image = self._holdings.images.items.get(handle)
        return (image or self._holdings.buffers.get(handle, routine)).handle

    def flush(self, message: m.Flush) -> None:
        """Submit what is enqueued."""
        self._backend.flush(self._holdings.queue(message.queue, "clFlush").handle)

    # ---- bulk --------------------------------------------------------------------------------------------

    def open_write(self, message: m.EnqueueWriteBuffer, size: int) -> Intake:
        """Return where the payload of a write goes."""
        queue, buffer, wait_for = self._write_target(message, size)
        gate = self._user_events.gate(message, queue)
        return self._transfers.open_write(queue, buffer, message.offset, size, wait_for, gate)

    def enqueue_write_buffer(
        self, message: m.EnqueueWriteBuffer, intake: Intake | None, command: int
    ) -> None:
        """Enqueue a write whose payload has arrived; it was checked as it began to."""
        if intake is None:
            self._write_target(message, 0)
            return
        queue = self._holdings.queue(message.queue, "clEnqueueWriteBuffer")
        self._enqueued(queue, command, message.event, intake.close())

    def _write_target(
        self, message: m.EnqueueWriteBuffer, size: int
    ) -> tuple[QueueObject, BufferObject, list[Any] | None]:
        routine, holdings = "clEnqueueWriteBuffer", self._holdings
        queue = holdings.queue(message.queue, routine)
        buffer = holdings.buffers.get(message.buffer, routine)
        check_region(buffer, message.offset, size, routine)
        self._claim(message.event, routine)
        return queue, buffer, holdings.wait_list(message.wait_for, routine)

    def enqueue_read_buffer(self, message: m.EnqueueReadBuffer, command: int) -> Outlet:
        """Enqueue a read; return where its bytes will be."""
        routine, holdings = "clEnqueueReadBuffer", self._holdings
        queue = holdings.queue(message.queue, routine)
        buffer = holdings.buffers.get(message.buffer, routine)
        check_region(buffer, message.offset, message.size, routine)
        self._claim(message.event, routine)
        wait_for = holdings.wait_list(message.wait_for, routine)
        gate = self._user_events.gate(message, queue)
        outlet = self._transfers.open_read(
            queue, buffer, message.offset, message.size, wait_for, gate, may_map=message.is_blocking
        )
        return self._read_on(message, queue, outlet, command)

    # ---- for commands that other modules have ------------------------------------------------------------

    def begin(self, message: Any, routine: str) -> tuple[QueueObject, list[Any] | None]:
        """Return the queue and the wait list of a command, once its event may have its handle."""
        queue = self._holdings.queue(message.queue, routine)
        self._claim(message.event, routine)
        return queue, self._holdings.wait_list(message.wait_for, routine)

    def end(self, message: Any, queue: QueueObject, event: Any, command: int) -> None:
        """Note the event of a command that is enqueued."""
        self._enqueued(queue, command, message.event, event)

    def open_bulk_write(
        self, message: Any, queue: QueueObject, bulk: Bulk, wait_for: list[Any] | None, routine: str
    ) -> Intake:
        """Return where the payload of a write goes."""
        gate = self._user_events.gate(message, queue)
        return self._transfers.stage_write(queue, bulk, wait_for, gate, routine)

    def bulk_read(
        self,
        message: Any,
        queue: QueueObject,
        bulk: Bulk,
        wait_for: list[Any] | None,
        routine: str,
        command: int,
    ) -> Outlet:
        """Enqueue a read; return where its bytes will be."""
        gate = self._user_events.gate(message, queue)
        outlet = self._transfers.stage_read(queue, bulk, wait_for, gate, routine)
        return self._read_on(message, queue, outlet, command)

    def _read_on(self, message: Any, queue: QueueObject, outlet: Outlet, command: int) -> Outlet:
        """Note the event of a read that is enqueued, and have it begin."""
        outlet.event = self._user_events.gated(message, queue, outlet.event)
        self.end(message, queue, outlet.event, command)
        if queue.on_read is not None:
            queue.on_read(outlet.event)
        try:
            self._backend.flush(queue.handle)
        except Exception:
            self._transfers.close_read(outlet, queue)
            raise
        return outlet

    # ---- each command's event ----------------------------------------------------------------------------

    def _claim(self, handle: int, routine: str) -> None:
        """Check, before anything is enqueued, that a command's event may have its handle."""
        events = self._holdings.events
        if handle and (handle < 0 or handle in events.items or len(events.items) >= self._limits.handles):
            events.claim(handle, routine)

    def _enqueued(self, queue: QueueObject, command: int, handle: int, event: Any) -> None:
        """Note a command's event."""
        queue.newest, queue.newest_command = event, command
        if handle:
            self._holdings.events.items[handle] = event


def _check_contexts(queue: QueueObject, source: BufferObject, target: BufferObject, routine: str) -> None:
    """Refuse a copy between contexts where the device's words know none, or in a queue of a third one."""
    are_queues = (source.context is queue.context, target.context is queue.context)
    if not (all(are_queues) or (any(are_queues) and queue.device.api == CUDA)):
        what = "a buffer of another context than the queue's"
        raise error_for(routine, ErrorCode.INVALID_CONTEXT, what)


def _check_dimensions(message: m.EnqueueNDRangeKernel, routine: str) -> None:
    count = len(message.global_size)
    if not 1 <= count <= MAX_DIMENSIONS:
        what = f"{count} dimensions; 1 to {MAX_DIMENSIONS} are possible"
        raise error_for(routine, ErrorCode.INVALID_WORK_DIMENSION, what)
    for sizes in (message.local_size, message.offset):
        if sizes is not None and len(sizes) != count:
            what = f"sizes {message.global_size} and {sizes} have different dimensions"
            raise error_for(routine, ErrorCode.INVALID_WORK_DIMENSION, what)
    if message.local_size and min(message.local_size) < 1:
        what = f"a local size of {message.local_size}"
        raise error_for(routine, ErrorCode.INVALID_WORK_GROUP_SIZE, what)
