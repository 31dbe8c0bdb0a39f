"""A backend's part of shared virtual memory: of devices whose SVM_CAPABILITIES have COARSE_GRAIN_BUFFER."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from accelpool_node.backends.base.types import Context, Kernel, Memory


@dataclass(frozen=True, kw_only=True)
class SharedMemory:
    """Shared virtual memory, coarse-grained.

    Attributes:
        memory: A buffer over it, for all commands that take buffers.
        address: That of its first byte.
        allocation: The memory itself, which is freed with this object: not before the commands that use it.
    """

    memory: Memory
    address: int
    allocation: Any


class SharedVirtualMemory(Protocol):
    """Of a backend: shared virtual memory."""

    def create_svm(self, context: Context, flags: int, size: int, alignment: int) -> SharedMemory:
        """Allocate `size` bytes at a multiple of `alignment`, taking no more than both together."""
        ...

    def set_kernel_arg_svm(self, kernel: Kernel, index: int, address: int) -> None:
        """Set one argument to an address in shared virtual memory, of the kernel's context and not freed."""
        ...
