"""A backend's part of memory objects."""

from __future__ import annotations

from typing import Protocol

from accelpool_node.backends.base.types import Bytes, Context, Memory


class MemoryObjects(Protocol):
    """Of a backend: memory objects."""

    def create_buffer(self, context: Context, flags: int, size: int, content: Bytes | None) -> Memory:
        """Return a buffer of `size` bytes, holding `content` at first if given (same size)."""
        ...

    def create_sub_buffer(self, buffer: Memory, flags: int, origin: int, size: int) -> Memory:
        """Return a buffer over a region of another."""
        ...

    def buffer_address(self, buffer: Memory) -> int:
        """Return where a buffer is, as kernels see it: of a backend whose kernels know addresses."""
        ...
