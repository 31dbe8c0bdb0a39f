"""What goes through a command queue, complete at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.null.objects import (
    MAX_GROUP,
    MAX_SIZE,
    NullBuffer,
    NullEvent,
    NullKernel,
    NullQueue,
    enqueue,
    refused,
    region_of,
)
from accelpool_wire.codes import ErrorCode

MAX_PAUSE_S = 60.0
PATTERN_BYTES = (1, 2, 4, 8, 16, 32, 64, 128)


class Commands:
    """Commands."""

    def enqueue_nd_range_kernel(
        self,
        queue: NullQueue,
        kernel: NullKernel,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Check the launch and do nothing, or take the time that the kernel is to take."""
        routine = "clEnqueueNDRangeKernel"
        if len(kernel.args) < kernel.count:
            raise refused(routine, ErrorCode.INVALID_KERNEL_ARGS, f"{len(kernel.args)} of {kernel.count} set")
        if not 1 <= len(global_size) <= 3:
            raise refused(routine, ErrorCode.INVALID_WORK_DIMENSION, f"{len(global_size)} dimensions")
        if min(global_size) < 0 or max(global_size) > MAX_SIZE:
            raise refused(routine, ErrorCode.INVALID_GLOBAL_WORK_SIZE, str(global_size))
        if offset and min(offset) < 0:
            raise refused(routine, ErrorCode.INVALID_GLOBAL_OFFSET, str(offset))
        if local_size and not _divides(local_size, global_size):
            raise refused(routine, ErrorCode.INVALID_WORK_GROUP_SIZE, f"{local_size} in {global_size}")
        return enqueue(queue, wait_for, _pause(kernel) if kernel.is_pause else None)

    def enqueue_write_buffer(
        self,
        queue: NullQueue,
        buffer: NullBuffer,
        content: Bytes,
        offset: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy in."""
        region = region_of("clEnqueueWriteBuffer", buffer, offset, len(content))
        return enqueue(queue, wait_for, lambda: _assign(region, content))

    def enqueue_read_buffer(
        self,
        queue: NullQueue,
        buffer: NullBuffer,
        target: Bytes,
        offset: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy out."""
        region = region_of("clEnqueueReadBuffer", buffer, offset, len(target))
        return enqueue(queue, wait_for, lambda: _assign(memoryview(target), region))

    def enqueue_copy_buffer(
        self,
        queue: NullQueue,
        source: NullBuffer,
        target: NullBuffer,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy."""
        routine = "clEnqueueCopyBuffer"
        content = region_of(routine, source, source_offset, size)
        region = region_of(routine, target, target_offset, size)
        if source is target and abs(source_offset - target_offset) < size:
            raise refused(routine, ErrorCode.MEM_COPY_OVERLAP, f"{size} bytes")
        return enqueue(queue, wait_for, lambda: _assign(region, content))

    def enqueue_fill_buffer(
        self,
        queue: NullQueue,
        buffer: NullBuffer,
        pattern: bytes,
        offset: int,
        size: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Repeat the pattern."""
        routine = "clEnqueueFillBuffer"
        if len(pattern) not in PATTERN_BYTES or size % len(pattern) or offset % len(pattern):
            raise refused(routine, ErrorCode.INVALID_VALUE, f"{size} bytes at {offset} by {len(pattern)}")
        region = region_of(routine, buffer, offset, size)
        return enqueue(queue, wait_for, lambda: _assign(region, pattern * (size // len(pattern))))

    def enqueue_map_buffer(
        self,
        queue: NullQueue,
        buffer: NullBuffer,
        flags: int,
        offset: int,
        size: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> tuple[NullBuffer, memoryview, NullEvent]:
        """Return the memory itself."""
        view = region_of("clEnqueueMapBuffer", buffer, offset, size)
        return buffer, view, enqueue(queue, wait_for)

    def enqueue_unmap(self, queue: NullQueue, mapping: NullBuffer) -> NullEvent:
        """Do nothing."""
        return enqueue(queue, None)

    def enqueue_migrate_mem_objects(
        self,
        queue: NullQueue,
        memories: Sequence[NullBuffer],
        flags: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Leave everything where it is."""
        return enqueue(queue, wait_for)

    def enqueue_marker(self, queue: NullQueue, wait_for: Sequence[NullEvent] | None) -> NullEvent:
        """Do nothing."""
        return enqueue(queue, wait_for, awaits_all=not wait_for)

    def enqueue_barrier(self, queue: NullQueue, wait_for: Sequence[NullEvent] | None) -> NullEvent:
        """Do nothing."""
        event = enqueue(queue, wait_for, awaits_all=not wait_for)
        if event.status > 0:
            queue.barrier = event
        return event

    def flush(self, queue: NullQueue) -> None:
        """Do nothing."""


def _pause(kernel: NullKernel) -> Callable[[], None]:
    length = kernel.args.get(0)
    length_ns = int.from_bytes(length, "little") if isinstance(length, bytes) else 0
    return lambda: time.sleep(min(length_ns * 1e-9, MAX_PAUSE_S))


def _assign(target: memoryview, content: Bytes) -> None:
    target[:] = content


def _divides(local_size: Sequence[int], global_size: Sequence[int]) -> bool:
    """Whether work-groups of a size are possible and fill a global size."""
    if math.prod(local_size) > MAX_GROUP or min(local_size) < 1:
        return False
    return not any(whole % part for whole, part in zip(global_size, local_size, strict=True))
