"""A backend's part of rectangular copies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelpool_node.backends.base.types import Bytes, Event, Memory, Queue
from accelpool_wire.rectangles import Rectangle


class Rectangles(Protocol):
    """Of a backend: copies of rectangles in buffers, whose bounds and overlaps callers have checked."""

    def enqueue_write_buffer_rect(
        self, queue: Queue, buffer: Memory, content: Bytes, where: Rectangle, wait_for: Sequence[Event] | None
    ) -> Event:
        """Write bytes without gaps; `content` stays untouched by the caller until the event is complete."""
        ...

    def enqueue_read_buffer_rect(
        self, queue: Queue, buffer: Memory, target: Bytes, where: Rectangle, wait_for: Sequence[Event] | None
    ) -> Event:
        """Read a rectangle into `target`, without gaps, by the time the event is complete."""
        ...

    def enqueue_copy_buffer_rect(
        self,
        queue: Queue,
        source: Memory,
        target: Memory,
        source_where: Rectangle,
        target_where: Rectangle,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Copy between rectangles of the same region."""
        ...
