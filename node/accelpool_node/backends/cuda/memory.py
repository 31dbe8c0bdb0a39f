"""Memory objects: device memory."""

from __future__ import annotations

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.cuda import driver
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import code_of, in_context, refused
from accelpool_node.backends.cuda.objects import Allocation, CudaBuffer
from accelpool_node.backends.cuda.transfers import write_now
from accelpool_wire.codes import ErrorCode

OUT_OF_MEMORY = 2


class MemoryObjects:
    """Memory objects."""

    @in_context("clCreateBuffer")
    def create_buffer(self, context: CudaContext, flags: int, size: int, content: Bytes | None) -> CudaBuffer:
        """Return device memory; what is being given back is waited for if there is no room."""
        if size <= 0:
            raise refused("clCreateBuffer", ErrorCode.INVALID_BUFFER_SIZE, f"{size} bytes")
        try:
            address = driver.allocate(size)
        except driver.DriverError as error:
            if code_of(error) != OUT_OF_MEMORY:
                raise
            context.tidy_up()
            address = driver.allocate(size)
        owner = Allocation(context, address)
        buffer = CudaBuffer(context=context, address=address, size=size, owner=owner)
        if content is not None:
            write_now(context, address, content)
        return buffer

    def create_sub_buffer(self, buffer: CudaBuffer, flags: int, origin: int, size: int) -> CudaBuffer:
        """Return a region; it may begin anywhere."""
        if origin < 0 or size <= 0 or origin + size > buffer.size:
            what = f"{size} bytes at {origin} of {buffer.size} bytes"
            raise refused("clCreateSubBuffer", ErrorCode.INVALID_VALUE, what)
        return CudaBuffer(
            context=buffer.context, address=buffer.address + origin, size=size, owner=buffer.owner
        )

    def buffer_address(self, buffer: CudaBuffer) -> int:
        """Return it."""
        return buffer.address
