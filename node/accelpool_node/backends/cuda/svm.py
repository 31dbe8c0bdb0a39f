"""Shared virtual memory: none. A CUDA device's memory has addresses instead, see `memory`."""

from __future__ import annotations

from typing import NoReturn

from accelpool_node.backends.base.svm import SharedMemory
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import refused
from accelpool_node.backends.cuda.objects import CudaKernel
from accelpool_wire.codes import ErrorCode


class SharedVirtualMemory:
    """Shared virtual memory."""

    def create_svm(self, context: CudaContext, flags: int, size: int, alignment: int) -> SharedMemory:
        """Refuse."""
        _refuse("clSVMAlloc")

    def set_kernel_arg_svm(self, kernel: CudaKernel, index: int, address: int) -> None:
        """Refuse."""
        _refuse("clSetKernelArgSVMPointer")


def _refuse(routine: str) -> NoReturn:
    what = "a CUDA device has no shared virtual memory here"
    raise refused(routine, ErrorCode.INVALID_OPERATION, what)
