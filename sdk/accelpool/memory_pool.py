"""Allocators, and a pool that keeps buffers for the next who needs one of about their size.

An allocator is called with a size in bytes and returns a memory object, None for 0 bytes:

    DeferredAllocator     a new buffer; that memory is short shows at a later synchronous call
    ImmediateAllocator    a new buffer, known to be there: one round trip
    MemoryPool            a buffer given back earlier, else a new one of its allocator
"""

from __future__ import annotations

import contextlib
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from accelpool.constants import mem_flags
from accelpool.context import Context
from accelpool.errors import Error, LogicError
from accelpool.memory import Buffer, MemoryObjectHolder
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

Memory = TypeVar("Memory")

HOST_PTR = mem_flags.USE_HOST_PTR | mem_flags.COPY_HOST_PTR
OUT_OF_MEMORY = (
    ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE,
    ErrorCode.OUT_OF_RESOURCES,
    ErrorCode.OUT_OF_HOST_MEMORY,
)


class AllocatorBase(ABC):
    """Makes memory objects of a size."""

    @abstractmethod
    def __call__(self, size: int) -> MemoryObjectHolder | None:
        """Return memory of a size in bytes, None for 0 bytes."""


class _BufferAllocator(AllocatorBase):
    """Makes new buffers in a context.

    Args:
        context: Where they are used.
        flags: Bits of `mem_flags` for all of them; no host pointers.

    Raises:
        LogicError: INVALID_VALUE: the flags ask for a host pointer.
    """

    def __init__(self, context: Context, flags: int) -> None:
        if flags & HOST_PTR:
            what = "an allocator's buffers have no host pointer"
            raise LogicError("Allocator", ErrorCode.INVALID_VALUE, what)
        self._context = context
        self._flags = flags

    def __call__(self, size: int) -> Buffer | None:
        """Return a new buffer of a size in bytes, None for 0 bytes."""
        return Buffer(self._context, self._flags, size) if size else None


class DeferredAllocator(_BufferAllocator):
    """Makes new buffers without waiting; that there is no memory for one shows later.

    Args:
        context: Where the buffers are used.
        mem_flags: Bits of `mem_flags` for all of them.
    """

    def __init__(self, context: Context, mem_flags: int = mem_flags.READ_WRITE) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"DeferredAllocator: a Context is needed, not {context!r}")
        super().__init__(context, mem_flags)


class ImmediateAllocator(_BufferAllocator):
    """Makes new buffers and waits until they are there: one round trip each.

    The wait is a synchronous call: it raises what an earlier posted command failed with, too.

    Args:
        queue: Any queue of the context where the buffers are used.
        mem_flags: Bits of `mem_flags` for all of them.
    """

    def __init__(self, queue: CommandQueue, mem_flags: int = mem_flags.READ_WRITE) -> None:
        if not isinstance(queue, CommandQueue):
            raise TypeError(f"ImmediateAllocator: a CommandQueue is needed, not {queue!r}")
        super().__init__(queue.context, mem_flags)

    def __call__(self, size: int) -> Buffer | None:
        """Return a new buffer of a size in bytes, None for 0 bytes.

        Raises:
            MemoryError: MEM_OBJECT_ALLOCATION_FAILURE: the lease has no such memory left.
        """
        buffer = super().__call__(size)
        if buffer is not None:
            buffer._session.ask(m.Sync(), m.Done)
        return buffer


class PooledBuffer(MemoryObjectHolder):
    """A buffer lent by a pool; released, or no longer referred to, it is back there.

    Commands that use it may still be under way then: who gets it next uses it in the same in-order queue, or
    waits.
    """

    __slots__ = ("_buffer", "_pool", "_requested_bytes")

    def __init__(self, pool: MemoryPool, buffer: MemoryObjectHolder, requested_bytes: int) -> None:
        self._pool = pool
        self._buffer = buffer
        self._requested_bytes = requested_bytes
        self._session = buffer._session
        self._context = buffer._context
        self._flags = buffer._flags
        self._host_memory = None
        self._map_count = 0
        self._origin = 0
        self._parent = None
        self._size = buffer._size
        self._handle = buffer._handle

    def release(self) -> None:
        """Give the buffer back to the pool.

        Raises:
            LogicError: INVALID_VALUE: it is there already.
        """
        if not self._handle:
            raise LogicError("PooledBuffer.release", ErrorCode.INVALID_VALUE, "it is released already")
        self._give_back()

    def _give_back(self) -> None:
        self._handle = 0
        self._pool._returned.append((self._buffer, self._requested_bytes))

    def __del__(self) -> None:
        if getattr(self, "_handle", 0):
            self._give_back()

    def __repr__(self) -> str:
        return f"<accelpool.PooledBuffer {self._handle} of {self._size} bytes>"


class Pool(ABC, Generic[Memory]):
    """Keeps memory that is given back, by size, for the next request.

    Sizes share a bin if their leading bits are the same; all memory of a bin has the largest size in it.

    Args:
        leading_bits_in_bin_id: How many bits; the more, the less memory is wasted and the less of it fits.
    """

    def __init__(self, leading_bits_in_bin_id: int = 4) -> None:
        if leading_bits_in_bin_id < 1:
            raise ValueError(f"leading_bits_in_bin_id is 1 or more, not {leading_bits_in_bin_id}")
        self._leading_bits = leading_bits_in_bin_id
        self._held: dict[int, list[Memory]] = {}
        # Memory comes back from the garbage collector, at any point of any thread: here, without a lock.
        self._returned: deque[tuple[Memory, int]] = deque()
        self._lock = threading.RLock()
        self._is_holding = True
        self._held_blocks = self._held_bytes = 0
        self._active_blocks = self._active_bytes = self._lent_bytes = 0

    def _lend(self, size: int, allocator: Callable[[int], Memory | None]) -> Memory:
        """Return memory of a size in bytes or somewhat more, held or new."""
        if size < 0:
            raise ValueError(f"a size is not negative: {size}")
        with self._lock:
            self._take_back()
            rounded = self.rounded_size(size)
            memory = self._held_one(rounded) or self._new_one(rounded, allocator)
            if memory is None:
                raise LogicError("MemoryPool", ErrorCode.INVALID_VALUE, "its allocator returned no memory")
            self._active_blocks += 1
            self._active_bytes += size
            self._lent_bytes += self._size_of(memory)
            return memory

    @abstractmethod
    def _size_of(self, memory: Memory) -> int:
        """Return how many bytes of memory there are."""

    @abstractmethod
    def _free(self, memory: Memory) -> None:
        """Give memory back to the device."""

    def rounded_size(self, size: int) -> int:
        """Return the size of the buffers in a size's bin."""
        return self.alloc_size(self.bin_number(size))

    def bin_number(self, size: int) -> int:
        """Return the number of a size's bin: how far it is shifted, and its leading bits."""
        size = max(size, 1)
        shift = max(size.bit_length() - self._leading_bits, 0)
        return shift << self._leading_bits | size >> shift

    def alloc_size(self, bin: int) -> int:
        """Return the size of the buffers in a bin."""
        shift, leading = divmod(bin, 1 << self._leading_bits)
        return leading << shift | (1 << shift) - 1

    def free_held(self) -> None:
        """Free all buffers that nobody uses."""
        with self._lock:
            self._take_back()
            for buffers in self._held.values():
                for buffer in buffers:
                    self._free(buffer)
            self._held.clear()
            self._held_blocks = self._held_bytes = 0

    def stop_holding(self) -> None:
        """Free all buffers that nobody uses, and from now on each that is given back."""
        with self._lock:
            self._is_holding = False
            self.free_held()

    @property
    def held_blocks(self) -> int:
        """The number of buffers that nobody uses."""
        with self._lock:
            self._take_back()
            return self._held_blocks

    @property
    def active_blocks(self) -> int:
        """The number of buffers in use."""
        with self._lock:
            self._take_back()
            return self._active_blocks

    @property
    def managed_bytes(self) -> int:
        """The size of all buffers, in use or not."""
        with self._lock:
            self._take_back()
            return self._held_bytes + self._lent_bytes

    @property
    def active_bytes(self) -> int:
        """The sizes that were asked for, of the buffers in use."""
        with self._lock:
            self._take_back()
            return self._active_bytes

    def _held_one(self, size: int) -> Memory | None:
        buffers = self._held.get(size)
        if not buffers:
            return None
        self._held_blocks -= 1
        self._held_bytes -= size
        return buffers.pop()

    def _new_one(self, size: int, allocator: Callable[[int], Memory | None]) -> Memory | None:
        try:
            return allocator(size)
        except Error as error:
            if error.code not in OUT_OF_MEMORY or not self._held_blocks:
                raise
        self.free_held()
        return allocator(size)

    def _take_back(self) -> None:
        """Sort in what was given back meanwhile."""
        while self._returned:
            buffer, requested_bytes = self._returned.popleft()
            self._active_blocks -= 1
            self._active_bytes -= requested_bytes
            size = self._size_of(buffer)
            self._lent_bytes -= size
            if self._is_holding:
                self._held.setdefault(size, []).append(buffer)
                self._held_blocks += 1
                self._held_bytes += size
            else:
                self._free(buffer)


class MemoryPool(Pool[MemoryObjectHolder], AllocatorBase):
    """Keeps the buffers that are given back, by size, for the next request.

    Sizes share a bin if their leading bits are the same; all buffers of a bin have the largest size in it.

    Args:
        allocator: What new buffers are asked of; best an `ImmediateAllocator`, whose failures show at once.
        leading_bits_in_bin_id: How many bits; the more, the less memory is wasted and the fewer buffers fit.
    """

    def __init__(self, allocator: AllocatorBase, leading_bits_in_bin_id: int = 4) -> None:
        super().__init__(leading_bits_in_bin_id)
        self._allocator = allocator

    def allocate(self, size: int) -> PooledBuffer | None:
        """Return a buffer of a size in bytes or somewhat more, None for 0 bytes.

        Raises:
            Error: The allocator's, after all held buffers are freed and it is asked again.
        """
        if size == 0:
            return None
        return PooledBuffer(self, self._lend(size, self._allocator), size)

    def __call__(self, size: int) -> PooledBuffer | None:
        """As `allocate`."""
        return self.allocate(size)

    def _size_of(self, memory: MemoryObjectHolder) -> int:
        return memory._size

    def _free(self, memory: MemoryObjectHolder) -> None:
        if isinstance(memory, Buffer):
            with contextlib.suppress(LogicError):  # its owner released it
                memory.release()
