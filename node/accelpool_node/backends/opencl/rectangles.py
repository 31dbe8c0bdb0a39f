"""Copies of rectangles in buffers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.opencl.core import raw, translated
from accelpool_wire.rectangles import Rectangle

START = (0, 0, 0)


class Rectangles:
    """Copies of rectangles in buffers."""

    @translated("clEnqueueWriteBufferRect")
    def enqueue_write_buffer_rect(
        self, queue: Any, buffer: Any, content: Bytes, where: Rectangle, wait_for: Sequence[Any] | None
    ) -> Any:
        """Write without blocking; the event keeps the content alive, and its end waits for completion."""
        place = (where.origin, START, where.region, _pitches(where), None)
        return raw._enqueue_write_buffer_rect(queue, buffer, content, *place, wait_for, False)

    @translated("clEnqueueReadBufferRect")
    def enqueue_read_buffer_rect(
        self, queue: Any, buffer: Any, target: Bytes, where: Rectangle, wait_for: Sequence[Any] | None
    ) -> Any:
        """Read without blocking; the event keeps the target alive, and its end waits for completion."""
        place = (where.origin, START, where.region, _pitches(where), None)
        return raw._enqueue_read_buffer_rect(queue, buffer, target, *place, wait_for, False)

    @translated("clEnqueueCopyBufferRect")
    def enqueue_copy_buffer_rect(
        self,
        queue: Any,
        source: Any,
        target: Any,
        source_where: Rectangle,
        target_where: Rectangle,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Copy between rectangles."""
        places = (source_where.origin, target_where.origin, source_where.region)
        pitches = (_pitches(source_where), _pitches(target_where))
        return raw._enqueue_copy_buffer_rect(queue, source, target, *places, *pitches, wait_for)


def _pitches(where: Rectangle) -> tuple[int, int]:
    return where.row_pitch, where.slice_pitch
