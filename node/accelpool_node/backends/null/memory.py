"""Memory objects: host memory."""

from __future__ import annotations

import ctypes
from typing import Any

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.null.objects import MEMORY_BYTES, NullBuffer, refused, region_of
from accelpool_wire.codes import ErrorCode


class MemoryObjects:
    """Memory objects."""

    def create_buffer(self, context: Any, flags: int, size: int, content: Bytes | None) -> NullBuffer:
        """Return zeroed or filled host memory."""
        if not 0 < size <= MEMORY_BYTES:
            raise refused("clCreateBuffer", ErrorCode.INVALID_BUFFER_SIZE, f"{size} bytes")
        return NullBuffer(content=memoryview(bytearray(size) if content is None else bytearray(content)))

    def create_sub_buffer(self, buffer: NullBuffer, flags: int, origin: int, size: int) -> NullBuffer:
        """Return a view."""
        return NullBuffer(content=region_of("clCreateSubBuffer", buffer, origin, size))

    def buffer_address(self, buffer: NullBuffer) -> int:
        """Return that of the host memory."""
        return ctypes.addressof(ctypes.c_char.from_buffer(buffer.content))
