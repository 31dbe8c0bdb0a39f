"""Shared virtual memory.

A buffer with USE_HOST_PTR over memory of clSVMAlloc has that memory itself, so all commands on buffers do for
it as well. Source: OpenCL 3.0 API specification, clCreateBuffer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyopencl as cl

from accelpool_node.backends.base.svm import SharedMemory
from accelpool_node.backends.opencl.core import raw, translated


class SharedVirtualMemory:
    """Shared virtual memory."""

    @translated("clSVMAlloc")
    def create_svm(self, context: Any, flags: int, size: int, alignment: int) -> SharedMemory:
        """Return the aligned part of an allocation that is larger: drivers align to 128 bytes at most."""
        allocation = raw.SVMAllocation(context, size + alignment, 0, flags)
        address = -(-int(allocation.svm_ptr) // alignment) * alignment
        host = np.asarray(_Address(address, size))
        memory = raw.Buffer(context, flags | cl.mem_flags.USE_HOST_PTR, size, host)
        return SharedMemory(memory=memory, address=address, allocation=allocation)

    @translated("clSetKernelArgSVMPointer")
    def set_kernel_arg_svm(self, kernel: Any, index: int, address: int) -> None:
        """Set one argument."""
        kernel._set_arg_svm(index, raw.SVM(np.asarray(_Address(address, 1))))


class _Address:
    """Host memory, for NumPy: nobody touches it, PyOpenCL wants an array to know an address."""

    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (address, False),
        }
