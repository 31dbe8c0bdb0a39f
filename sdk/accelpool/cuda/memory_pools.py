"""Pools that keep memory for the next who needs about as much, under PyCUDA's names.

The pool of device memory saves the round trip that an allocation costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accelpool.cuda.allocations import DeviceAllocation, mem_alloc
from accelpool.cuda.errors import MemoryError, failed
from accelpool.cuda.host_memory import AnyArray, Order, PagelockedHostAllocation, Shape, pagelocked_over
from accelpool.memory_pool import Pool
from accelpool.process_bound import ProcessBound


class PooledDeviceAllocation(ProcessBound):
    """Device memory lent by a pool; freed, or no longer referred to, it is back there."""

    __slots__ = ("__weakref__", "_allocation", "_pool", "_size")

    def __init__(self, pool: DeviceMemoryPool, allocation: DeviceAllocation, size: int) -> None:
        self._pool = pool
        self._allocation: DeviceAllocation | None = allocation
        self._size = size

    def free(self) -> None:
        """Give the memory back to the pool.

        Raises:
            LogicError: CUDA_ERROR_INVALID_HANDLE: it is there already.
        """
        if self._allocation is None:
            raise failed("PooledDeviceAllocation.free", "INVALID_HANDLE", "the memory is freed already")
        self._give_back(self._allocation)

    def _give_back(self, allocation: DeviceAllocation) -> None:
        self._allocation = None
        self._pool._returned.append((allocation, self._size))

    def __int__(self) -> int:
        if self._allocation is None:
            raise failed("PooledDeviceAllocation", "INVALID_HANDLE", "the memory is freed")
        return int(self._allocation)

    __index__ = __int__

    def __len__(self) -> int:
        return self._size

    def __bool__(self) -> bool:
        return True

    def __del__(self) -> None:
        allocation = getattr(self, "_allocation", None)
        if allocation is not None:
            self._give_back(allocation)


class DeviceMemoryPool(Pool[DeviceAllocation]):
    """Keeps device memory that is given back, by size, for the next request; of the context current then."""

    def allocate(self, size: int) -> PooledDeviceAllocation:
        """Return memory of a size in bytes or somewhat more.

        Raises:
            MemoryError: CUDA_ERROR_OUT_OF_MEMORY, also after all that nobody uses is freed.
        """
        return PooledDeviceAllocation(self, self._lend(size, mem_alloc), size)

    def _new_one(
        self, size: int, allocator: Callable[[int], DeviceAllocation | None]
    ) -> DeviceAllocation | None:
        try:
            return allocator(size)
        except MemoryError:
            if not self._held_blocks:
                raise
        self.free_held()
        return allocator(size)

    def _size_of(self, memory: DeviceAllocation) -> int:
        return memory._buffer._size if memory._buffer is not None else 0

    def _free(self, memory: DeviceAllocation) -> None:
        if memory._buffer is not None:
            memory.free()


class PooledHostAllocation(PagelockedHostAllocation):
    """Memory that a `PageLockedMemoryPool` made: the base of its array."""

    __slots__ = ()

    def __len__(self) -> int:
        return self._memory.nbytes

    def __bool__(self) -> bool:
        return True


class PageLockedAllocator:
    """Makes host memory for a `PageLockedMemoryPool`.

    Args:
        flags: `host_alloc_flags`, of no effect here.
    """

    def __init__(self, flags: int = 0) -> None:
        self.flags = flags


class PageLockedMemoryPool:
    """Makes arrays that count as page-locked; there is nothing to keep, as it is ordinary memory.

    Args:
        allocator: Where flags come from.
    """

    held_blocks = active_blocks = managed_bytes = active_bytes = 0

    def __init__(self, allocator: PageLockedAllocator | None = None) -> None:
        self._flags = allocator.flags if allocator is not None else 0

    def allocate(self, shape: Shape, dtype: Any, order: Order = "C") -> AnyArray:
        """Return an array, as `pagelocked_empty` does."""
        return pagelocked_over(PooledHostAllocation, shape, dtype, order, self._flags)

    @staticmethod
    def bin_number(size: int, /) -> int:
        """Return the size: each one is a bin of its own."""
        return size

    @staticmethod
    def alloc_size(bin: int, /) -> int:
        """Return the size of a bin's memory: its number."""
        return bin

    def free_held(self) -> None:
        """Do nothing: nothing is held."""

    def stop_holding(self) -> None:
        """Do nothing: nothing is held."""


def bitlog2(value: int, /) -> int:
    """Return the place of the highest bit of a number; 0 for 0."""
    return max(value.bit_length() - 1, 0)
