"""Memory objects."""

from __future__ import annotations

from typing import Any

import pyopencl as cl

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.opencl.core import raw, translated
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for


class MemoryObjects:
    """Memory objects."""

    @translated("clCreateBuffer")
    def create_buffer(self, context: Any, flags: int, size: int, content: Bytes | None) -> Any:
        """Return a `pyopencl.Buffer`, allocated when this returns where the driver allows to tell."""
        if content is None:
            return raw.Buffer(context, flags, size)
        flags = flags & ~cl.mem_flags.USE_HOST_PTR | cl.mem_flags.COPY_HOST_PTR
        return raw.Buffer(context, flags, size, content)

    @translated("clCreateSubBuffer")
    def create_sub_buffer(self, buffer: Any, flags: int, origin: int, size: int) -> Any:
        """Return a `pyopencl.Buffer` over a region; NVIDIA's driver takes one that ends beyond the buffer."""
        if origin + size > buffer.size:
            raise ValueError(f"{size} bytes from {origin} on, in a buffer of {buffer.size}")
        return buffer.get_sub_region(origin, size, flags)

    def buffer_address(self, buffer: Any) -> int:  # noqa: ARG002 - whichever it is
        """Refuse: OpenCL's buffers have no address that stays."""
        raise error_for(
            "clGetMemObjectInfo", ErrorCode.INVALID_OPERATION, "a buffer of OpenCL has no address"
        )
