"""Shared virtual memory: host memory."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from accelpool_node.backends.base.svm import SharedMemory
from accelpool_node.backends.null.objects import MEMORY_BYTES, NullBuffer, NullKernel, refused
from accelpool_wire.codes import ErrorCode


class SharedVirtualMemory:
    """Shared virtual memory."""

    def create_svm(self, context: Any, flags: int, size: int, alignment: int) -> SharedMemory:
        """Return the aligned part of anonymous memory."""
        if not 0 < size <= MEMORY_BYTES:
            raise refused("clSVMAlloc", ErrorCode.OUT_OF_RESOURCES, f"{size} bytes")
        allocation = mmap.mmap(-1, size + alignment, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        start = ctypes.addressof(ctypes.c_char.from_buffer(allocation))
        address = -(-start // alignment) * alignment
        content = memoryview(allocation)[address - start : address - start + size]
        return SharedMemory(memory=NullBuffer(content=content), address=address, allocation=allocation)

    def set_kernel_arg_svm(self, kernel: NullKernel, index: int, address: int) -> None:
        """Remember the argument."""
        if not 0 <= index < kernel.count:
            raise refused("clSetKernelArgSVMPointer", ErrorCode.INVALID_ARG_INDEX, str(index))
        kernel.args[index] = address
