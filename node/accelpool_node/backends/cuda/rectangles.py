"""Copies of rectangles in buffers: slice by slice, as slices may lie closer than CUDA's own pitches allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.cuda.core import in_context
from accelpool_node.backends.cuda.enqueueing import enqueue
from accelpool_node.backends.cuda.objects import CudaBuffer, CudaEvent, CudaQueue
from accelpool_node.backends.cuda.streams import ON_DEVICE, ON_HOST, Copy2D
from accelpool_node.backends.cuda.transfers import pinned_for
from accelpool_wire.rectangles import Rectangle


class Rectangles:
    """Copies of rectangles in buffers."""

    @in_context("clEnqueueWriteBufferRect")
    def enqueue_write_buffer_rect(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        content: Bytes,
        where: Rectangle,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Write from pinned memory."""
        view = np.frombuffer(content, np.uint8)

        def issue(event: CudaEvent) -> None:
            block = pinned_for(queue.context, view.nbytes)
            event.blocks = [block]
            block[: view.nbytes] = view
            _copy(queue, where, lambda copy, z: _from_host(copy, block, where, z), _to(buffer, where))

        return enqueue(queue, wait_for, issue)

    @in_context("clEnqueueReadBufferRect")
    def enqueue_read_buffer_rect(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        target: Bytes,
        where: Rectangle,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Read to pinned memory, from which the bytes are copied when somebody sees that it is complete."""
        view = np.frombuffer(target, np.uint8)

        def issue(event: CudaEvent) -> None:
            block = pinned_for(queue.context, view.nbytes)
            event.blocks = [block]
            _copy(queue, where, _from(buffer, where), lambda copy, z: _to_host(copy, block, where, z))

            def arrive() -> None:
                view[:] = block[: view.nbytes]

            event.arrive = arrive

        return enqueue(queue, wait_for, issue)

    @in_context("clEnqueueCopyBufferRect")
    def enqueue_copy_buffer_rect(
        self,
        queue: CudaQueue,
        source: CudaBuffer,
        target: CudaBuffer,
        source_where: Rectangle,
        target_where: Rectangle,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Copy between rectangles."""

        def issue(event: CudaEvent) -> None:
            _copy(queue, source_where, _from(source, source_where), _to(target, target_where))

        return enqueue(queue, wait_for, issue)


Side = Callable[[Copy2D, int], None]
"""Says of a copy of a slice where it comes from, or goes to."""


def _copy(queue: CudaQueue, where: Rectangle, source: Side, target: Side) -> None:
    """Put the copies of a rectangle's slices into a stream."""
    width, height, depth = where.region
    for z in range(depth):
        copy = Copy2D(width_in_bytes=width, height=height)
        source(copy, z)
        target(copy, z)
        copy.put(queue.stream)


def _from(buffer: CudaBuffer, where: Rectangle) -> Side:
    def say(copy: Copy2D, z: int) -> None:
        copy.src_type, copy.src_device = ON_DEVICE, _address(buffer, where, z)
        copy.src_pitch = where.row_pitch

    return say


def _to(buffer: CudaBuffer, where: Rectangle) -> Side:
    def say(copy: Copy2D, z: int) -> None:
        copy.dst_type, copy.dst_device = ON_DEVICE, _address(buffer, where, z)
        copy.dst_pitch = where.row_pitch

    return say


def _from_host(copy: Copy2D, block: Any, where: Rectangle, z: int) -> None:
    copy.src_type, copy.src_host = ON_HOST, _slice(block, where, z).ctypes.data
    copy.src_pitch = where.region[0]


def _to_host(copy: Copy2D, block: Any, where: Rectangle, z: int) -> None:
    copy.dst_type, copy.dst_host = ON_HOST, _slice(block, where, z).ctypes.data
    copy.dst_pitch = where.region[0]


def _address(buffer: CudaBuffer, where: Rectangle, z: int) -> int:
    x, row, first = where.origin
    return buffer.address + x + row * where.row_pitch + (first + z) * where.slice_pitch


def _slice(block: Any, where: Rectangle, z: int) -> Any:
    """Return a slice's bytes without gaps."""
    size = where.region[0] * where.region[1]
    return block[z * size : (z + 1) * size]
