"""Copies of rectangles in buffers, complete at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.null.objects import NullBuffer, NullEvent, complete
from accelpool_wire.rectangles import Rectangle


class Rectangles:
    """Copies of rectangles in buffers."""

    def enqueue_write_buffer_rect(
        self,
        queue: Any,
        buffer: NullBuffer,
        content: Bytes,
        where: Rectangle,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy in."""
        scatter(buffer.content, where, content)
        return complete(queue)

    def enqueue_read_buffer_rect(
        self,
        queue: Any,
        buffer: NullBuffer,
        target: Bytes,
        where: Rectangle,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy out."""
        memoryview(target)[:] = gather(buffer.content, where)
        return complete(queue)

    def enqueue_copy_buffer_rect(
        self,
        queue: Any,
        source: NullBuffer,
        target: NullBuffer,
        source_where: Rectangle,
        target_where: Rectangle,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy."""
        scatter(target.content, target_where, gather(source.content, source_where))
        return complete(queue)


def scatter(memory: memoryview, where: Rectangle, content: Bytes) -> None:
    """Write bytes without gaps to a rectangle."""
    rest = memoryview(content)
    width = where.region[0]
    for start in _rows(where):
        memory[start : start + width] = rest[:width]
        rest = rest[width:]


def gather(memory: memoryview, where: Rectangle) -> bytes:
    """Return the bytes of a rectangle without gaps."""
    return b"".join(memory[start : start + where.region[0]] for start in _rows(where))


def _rows(where: Rectangle) -> Iterator[int]:
    _, height, depth = where.region
    for z in range(depth):
        for y in range(height):
            yield where.start + y * where.row_pitch + z * where.slice_pitch
