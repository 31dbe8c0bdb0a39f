"""What goes through a command queue."""

from __future__ import annotations

from collections.abc import Sequence

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.cuda import driver, streams
from accelpool_node.backends.cuda.core import in_context, refused
from accelpool_node.backends.cuda.enqueueing import enqueue
from accelpool_node.backends.cuda.launching import Sizes, check_launch, lacks_shared, sizes_of
from accelpool_node.backends.cuda.objects import (
    SUBMITTED,
    CudaBuffer,
    CudaEvent,
    CudaKernel,
    CudaQueue,
    Mapping,
)
from accelpool_node.backends.cuda.transfers import bring, fill, pinned_for, region_of, send
from accelpool_wire.codes import ErrorCode

MAP_WRITE, MAP_WRITE_INVALIDATE = 1 << 1, 1 << 2
PATTERN_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Commands:
    """What goes through a command queue."""

    @in_context("clEnqueueNDRangeKernel")
    def enqueue_nd_range_kernel(
        self,
        queue: CudaQueue,
        kernel: CudaKernel,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Launch a kernel: the global size is that of the grid times that of the block."""
        if kernel.unset:
            what = f"kernel {kernel.function.name}: arguments {sorted(kernel.unset)} are not set"
            raise refused("clEnqueueNDRangeKernel", ErrorCode.INVALID_KERNEL_ARGS, what)
        if 0 in global_size:
            return enqueue(queue, wait_for, _nothing)
        function, shared = kernel.function, kernel.shared
        grid, block = _sizes(kernel, global_size, local_size, offset)
        if lacks_shared(function.shared, shared, function.allowed):
            driver.set_attribute(function.handle, driver.MAX_DYNAMIC_SHARED_SIZE_BYTES, shared)
            function.allowed = shared
        launcher, parameters, kept = (
            kernel.launcher,
            bytes(kernel.block),
            [kernel.module, *(owner() for owner in kernel.owners.values())],
        )

        def issue(event: CudaEvent) -> None:
            launcher.launch(grid, block, shared, queue.stream.handle, parameters)
            kept.clear()

        return enqueue(queue, wait_for, issue)

    @in_context("clEnqueueWriteBuffer")
    def enqueue_write_buffer(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        content: Bytes,
        offset: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Write from pinned memory, to which the content is copied when the command is submitted."""
        size = memoryview(content).nbytes
        region_of("clEnqueueWriteBuffer", buffer, offset, size)
        return enqueue(queue, wait_for, lambda event: send(event, buffer.address + offset, content))

    @in_context("clEnqueueReadBuffer")
    def enqueue_read_buffer(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        target: Bytes,
        offset: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Read to pinned memory, from which the bytes are copied when somebody sees that it is complete."""
        size = memoryview(target).nbytes
        region_of("clEnqueueReadBuffer", buffer, offset, size)
        return enqueue(queue, wait_for, lambda event: bring(event, buffer.address + offset, target))

    @in_context("clEnqueueCopyBuffer")
    def enqueue_copy_buffer(
        self,
        queue: CudaQueue,
        source: CudaBuffer,
        target: CudaBuffer,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Copy between buffers, perhaps of two contexts: those of a session are all of one process."""
        routine = "clEnqueueCopyBuffer"
        first = region_of(routine, source, source_offset, size)
        second = region_of(routine, target, target_offset, size)
        if abs(first - second) < size:
            raise refused(routine, ErrorCode.MEM_COPY_OVERLAP, f"{size} bytes")
        kept = [source, target]

        def issue(event: CudaEvent) -> None:
            if source.context is target.context:
                streams.on_device(second, first, size, queue.stream)
            else:
                places = (second, target.context.handle, first, source.context.handle)
                streams.between_devices(*places, size, queue.stream)
                for buffer in (source, target):
                    if buffer.context is not queue.context:
                        buffer.owner.used_by(queue)
            kept.clear()

        return enqueue(queue, wait_for, issue)

    @in_context("clEnqueueFillBuffer")
    def enqueue_fill_buffer(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        pattern: bytes,
        offset: int,
        size: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Fill a region with a pattern of one of OpenCL's lengths."""
        routine = "clEnqueueFillBuffer"
        if len(pattern) not in PATTERN_SIZES or size % len(pattern) or offset % len(pattern):
            what = f"{size} bytes at {offset} by {len(pattern)}"
            raise refused(routine, ErrorCode.INVALID_VALUE, what)
        region_of(routine, buffer, offset, size)
        return enqueue(
            queue, wait_for, lambda event: fill(queue.stream, buffer.address + offset, pattern, size)
        )

    @in_context("clEnqueueMapBuffer")
    def enqueue_map_buffer(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        flags: int,
        offset: int,
        size: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> tuple[Mapping, memoryview, CudaEvent]:
        """Bring a region to pinned memory, unless all of it will be overwritten."""
        region_of("clEnqueueMapBuffer", buffer, offset, size)
        block = pinned_for(queue.context, size)
        mapping = Mapping(
            context=queue.context, buffer=buffer, flags=flags, offset=offset, size=size, block=block
        )

        def issue(event: CudaEvent) -> None:
            if not flags & MAP_WRITE_INVALIDATE:
                streams.to_host(block[:size], buffer.address + offset, queue.stream)

        return mapping, memoryview(block)[:size], enqueue(queue, wait_for, issue)

    @in_context("clEnqueueUnmapMemObject")
    def enqueue_unmap(self, queue: CudaQueue, mapping: Mapping) -> CudaEvent:
        """Bring the region back to the device if it may have been written."""

        def issue(event: CudaEvent) -> None:
            event.blocks = [mapping.block]
            if mapping.flags & (MAP_WRITE | MAP_WRITE_INVALIDATE):
                address = mapping.buffer.address + mapping.offset
                streams.to_device(address, mapping.block[: mapping.size], queue.stream)

        return enqueue(queue, None, issue)

    @in_context("clEnqueueMigrateMemObjects")
    def enqueue_migrate_mem_objects(
        self,
        queue: CudaQueue,
        memories: Sequence[CudaBuffer],
        flags: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Leave everything where it is: on the device."""
        return enqueue(queue, wait_for, _nothing)

    @in_context("clEnqueueMarkerWithWaitList")
    def enqueue_marker(self, queue: CudaQueue, wait_for: Sequence[CudaEvent] | None) -> CudaEvent:
        """Put an event into the stream."""
        return enqueue(queue, wait_for, _nothing, awaits_all=not wait_for)

    @in_context("clEnqueueBarrierWithWaitList")
    def enqueue_barrier(self, queue: CudaQueue, wait_for: Sequence[CudaEvent] | None) -> CudaEvent:
        """As a marker; the stream keeps the order, and so does what is held back."""
        event = enqueue(queue, wait_for, _nothing, awaits_all=not wait_for)
        if event.status == SUBMITTED:
            queue.barrier = event
        return event

    def flush(self, queue: CudaQueue) -> None:
        """Do nothing: what is in a stream is submitted."""


def _sizes(
    kernel: CudaKernel,
    global_size: Sequence[int],
    local_size: Sequence[int] | None,
    offset: Sequence[int] | None,
) -> tuple[Sizes, Sizes]:
    """Return the grid and the block of a launch, checked; those of the last one if it was as large."""
    asked = (tuple(global_size), local_size and tuple(local_size), offset and tuple(offset))
    if kernel.sized[0] != asked:
        most_threads = kernel.function.most_threads
        grid, block = sizes_of(global_size, local_size, offset, most_threads)
        check_launch(grid, block, most_threads, kernel.context.device.info)
        kernel.sized = asked, (grid, block)
    found: tuple[Sizes, Sizes] = kernel.sized[1]
    return found


def _nothing(event: CudaEvent) -> None:
    """Do nothing: the event alone is wanted."""
