"""What goes through a command queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.opencl.core import raw, translated

PATTERN_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Commands:
    """What goes through a command queue."""

    @translated("clEnqueueNDRangeKernel")
    def enqueue_nd_range_kernel(
        self,
        queue: Any,
        kernel: Any,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Launch a kernel."""
        return raw.enqueue_nd_range_kernel(queue, kernel, global_size, local_size, offset, wait_for)

    @translated("clEnqueueWriteBuffer")
    def enqueue_write_buffer(
        self, queue: Any, buffer: Any, content: Bytes, offset: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Write without blocking; the event keeps the content alive, and its end waits for completion."""
        return raw._enqueue_write_buffer(queue, buffer, content, offset, wait_for, False)

    @translated("clEnqueueReadBuffer")
    def enqueue_read_buffer(
        self, queue: Any, buffer: Any, target: Bytes, offset: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Read without blocking; the event keeps the target alive, and its end waits for completion."""
        return raw._enqueue_read_buffer(queue, buffer, target, offset, wait_for, False)

    @translated("clEnqueueCopyBuffer")
    def enqueue_copy_buffer(
        self,
        queue: Any,
        source: Any,
        target: Any,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Copy between buffers."""
        return raw._enqueue_copy_buffer(queue, source, target, size, source_offset, target_offset, wait_for)

    @translated("clEnqueueFillBuffer")
    def enqueue_fill_buffer(
        self, queue: Any, buffer: Any, pattern: bytes, offset: int, size: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Fill a region; not every driver refuses what the specification does."""
        if len(pattern) not in PATTERN_SIZES:
            raise ValueError(f"a pattern of {len(pattern)} bytes; {PATTERN_SIZES} are possible")
        if offset % len(pattern) or size % len(pattern):
            what = (
                f"{size} bytes from {offset} on, which a pattern of {len(pattern)} bytes does not fill evenly"
            )
            raise ValueError(what)
        return raw._enqueue_fill_buffer(queue, buffer, pattern, offset, size, wait_for)

    @translated("clEnqueueMapBuffer")
    def enqueue_map_buffer(
        self, queue: Any, buffer: Any, flags: int, offset: int, size: int, wait_for: Sequence[Any] | None
    ) -> tuple[Any, memoryview, Any]:
        """Map a region without blocking."""
        array, event = raw.enqueue_map_buffer(
            queue, buffer, flags, offset, (size,), np.dtype(np.uint8), "C", None, wait_for, False
        )
        return array, memoryview(array), event

    @translated("clEnqueueUnmapMemObject")
    def enqueue_unmap(self, queue: Any, mapping: Any) -> Any:
        """End a mapping."""
        return mapping.base.release(queue)

    @translated("clEnqueueMigrateMemObjects")
    def enqueue_migrate_mem_objects(
        self, queue: Any, memories: Sequence[Any], flags: int, wait_for: Sequence[Any] | None
    ) -> Any:
        """Migrate."""
        return raw.enqueue_migrate_mem_objects(queue, list(memories), flags, wait_for)

    @translated("clEnqueueMarkerWithWaitList")
    def enqueue_marker(self, queue: Any, wait_for: Sequence[Any] | None) -> Any:
        """Enqueue a marker."""
        return raw._enqueue_marker_with_wait_list(queue, wait_for)

    @translated("clEnqueueBarrierWithWaitList")
    def enqueue_barrier(self, queue: Any, wait_for: Sequence[Any] | None) -> Any:
        """Enqueue a barrier."""
        return raw._enqueue_barrier_with_wait_list(queue, wait_for)

    @translated("clFlush")
    def flush(self, queue: Any) -> None:
        """Submit what is enqueued."""
        queue.flush()
