"""Allocators of shared virtual memory, and a pool that keeps it: as those of buffers in `memory_pool`."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelpool.constants import svm_mem_flags
from accelpool.context import Context
from accelpool.errors import LogicError
from accelpool.memory_pool import Pool
from accelpool.queue import CommandQueue
from accelpool.svm import SVMAllocation, SVMPointer, in_order, rebound
from accelpool_wire.codes import ErrorCode


class SVMAllocator:
    """Makes new shared virtual memory: one round trip each.

    Args:
        context: Where it is used.
        alignment: As of `SVMAllocation`, and so are:
        flags: without the fine-grained ones,
        queue: in order.

    Raises:
        LogicError: INVALID_VALUE: the queue is out of order.
    """

    def __init__(
        self,
        context: Context,
        alignment: int = 0,
        flags: int = svm_mem_flags.READ_WRITE,
        queue: CommandQueue | None = None,
    ) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"SVMAllocator: a Context is needed, not {context!r}")
        self._context = context
        self._alignment = alignment
        self._flags = flags
        self._bound = in_order(queue, "SVMAllocator")

    def __call__(self, size: int) -> SVMAllocation:
        """Return new memory of a size in bytes, none of 0; `SVMAllocation` says what is raised."""
        return SVMAllocation(self._context, size, self._alignment, self._flags, self._bound)


class PooledSVM(SVMPointer):
    """Shared virtual memory lent by a pool; released, or no longer referred to, it is back there.

    Commands that use it may still be under way then: those of whoever gets it next come after them where both
    bind it to queues, in order.
    """

    def __init__(self, pool: SVMPool, allocation: SVMAllocation, requested_bytes: int) -> None:
        self._pool = pool
        self._allocation: SVMAllocation | None = allocation
        self._requested_bytes = requested_bytes

    @property
    def svm_ptr(self) -> int:
        """The address; 0 without memory, or when it is released."""
        return 0 if self._allocation is None else self._allocation.svm_ptr

    @property
    def size(self) -> int:
        """How many bytes were asked for."""
        return self._requested_bytes

    @property
    def buf(self) -> np.ndarray[Any, Any]:
        """The memory here, as uint8."""
        return self._held("PooledSVM.buf").buf[: self._requested_bytes]

    def release(self) -> None:
        """Give the memory back to the pool.

        Raises:
            LogicError: INVALID_VALUE: it is there already.
        """
        self._held("PooledSVM.release")
        self._give_back()

    enqueue_release = release

    def bind_to_queue(self, queue: CommandQueue, /) -> None:
        """Have commands of a queue, which is in order, come after those of the queue it was bound to."""
        allocation = self._held("PooledSVM.bind_to_queue")
        allocation._bound = rebound(allocation._bound, queue, "PooledSVM.bind_to_queue")

    def unbind_from_queue(self) -> None:
        """Wait for the queue it is bound to, if any, and bind it to none."""
        self._held("PooledSVM.unbind_from_queue").unbind_from_queue()

    @property
    def _queue(self) -> CommandQueue | None:
        return None if self._allocation is None else self._allocation._bound

    def _held(self, routine: str) -> SVMAllocation:
        if self._allocation is None:
            raise LogicError(routine, ErrorCode.INVALID_VALUE, "it is released already")
        return self._allocation

    def _give_back(self) -> None:
        allocation, self._allocation = self._allocation, None
        if allocation is not None and allocation.size:
            self._pool._returned.append((allocation, self._requested_bytes))

    def __del__(self) -> None:
        if getattr(self, "_allocation", None) is not None:
            self._give_back()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PooledSVM) and self.svm_ptr == other.svm_ptr

    def __hash__(self) -> int:
        return hash(self.svm_ptr)


class SVMPool(Pool[SVMAllocation]):
    """Keeps the shared virtual memory that is given back, by size, for the next request.

    Args:
        allocator: What new memory is asked of.
        leading_bits_in_bin_id: As of `MemoryPool`.
    """

    def __init__(self, allocator: SVMAllocator, leading_bits_in_bin_id: int = 4) -> None:
        if not isinstance(allocator, SVMAllocator):
            raise TypeError(f"SVMPool: an SVMAllocator is needed, not {allocator!r}")
        super().__init__(leading_bits_in_bin_id)
        self._allocator = allocator

    def __call__(self, size: int) -> PooledSVM:
        """Return memory of a size in bytes or somewhat more, none for 0 bytes.

        Raises:
            Error: The allocator's, after all held memory is freed and it is asked again.
        """
        if size == 0:
            return PooledSVM(self, self._allocator(0), 0)
        allocation = self._lend(size, self._allocator)
        queue = self._allocator._bound
        if queue is not None:
            allocation.bind_to_queue(queue)
        return PooledSVM(self, allocation, size)

    def _size_of(self, memory: SVMAllocation) -> int:
        return memory.size

    def _free(self, memory: SVMAllocation) -> None:
        if memory.svm_ptr:
            memory.release()
