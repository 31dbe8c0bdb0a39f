"""A backend's part of what goes through a command queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelpool_node.backends.base.types import Bytes, Event, Kernel, Memory, Queue


class Commands(Protocol):
    """Of a backend: what goes through a command queue."""

    def enqueue_nd_range_kernel(
        self,
        queue: Queue,
        kernel: Kernel,
        global_size: Sequence[int],
        local_size: Sequence[int] | None,
        offset: Sequence[int] | None,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Launch a kernel with the arguments set."""
        ...

    def enqueue_write_buffer(
        self, queue: Queue, buffer: Memory, content: Bytes, offset: int, wait_for: Sequence[Event] | None
    ) -> Event:
        """Write; `content` stays untouched by the caller until the event is complete."""
        ...

    def enqueue_read_buffer(
        self, queue: Queue, buffer: Memory, target: Bytes, offset: int, wait_for: Sequence[Event] | None
    ) -> Event:
        """Read as many bytes as `target` has, into it, by the time the event is complete."""
        ...

    def enqueue_copy_buffer(
        self,
        queue: Queue,
        source: Memory,
        target: Memory,
        source_offset: int,
        target_offset: int,
        size: int,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Copy between buffers of a context."""
        ...

    def enqueue_fill_buffer(
        self,
        queue: Queue,
        buffer: Memory,
        pattern: bytes,
        offset: int,
        size: int,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Fill a region with a repeated pattern."""
        ...

    def enqueue_map_buffer(
        self,
        queue: Queue,
        buffer: Memory,
        flags: int,
        offset: int,
        size: int,
        wait_for: Sequence[Event] | None,
    ) -> tuple[Memory, memoryview, Event]:
        """Map a region into host memory: the mapping, its bytes, the event after which they are valid.

        Fast where host and device share memory; elsewhere the driver's pinned staging.
        """
        ...

    def enqueue_unmap(self, queue: Queue, mapping: Memory) -> Event:
        """End a mapping."""
        ...

    def enqueue_migrate_mem_objects(
        self, queue: Queue, memories: Sequence[Memory], flags: int, wait_for: Sequence[Event] | None
    ) -> Event:
        """Bring memory objects to the queue's device, or to the host; `flags` is OpenCL's bit field."""
        ...

    def enqueue_marker(self, queue: Queue, wait_for: Sequence[Event] | None) -> Event:
        """Return an event complete when the given ones are, or all before it."""
        ...

    def enqueue_barrier(self, queue: Queue, wait_for: Sequence[Event] | None) -> Event:
        """As `enqueue_marker`, and later commands of the queue wait for it."""
        ...

    def flush(self, queue: Queue) -> None:
        """Submit what is enqueued."""
        ...
