"""Shared virtual memory, coarse-grained: memory at the same address on the node and in this process.

What is in it may have pointers into it, which are right at both ends. The two ends agree

    once a mapping that reads is complete   the node's memory has been copied here
    once a mapping that writes is released  what it maps is copied to the node, before later commands

and nowhere else, as OpenCL says of coarse-grained memory; `enqueue_copy` and kernels use the node's.
Arrays over it live as long as they are referred to; of no use after the release of what they are over, they
are still no one else's memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelpool.constants import command_type, map_flags
from accelpool.context import Context
from accelpool.enqueue import enqueue_barrier, enqueue_marker
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.host import array_over, flat_bytes
from accelpool.memory import Buffer
from accelpool.memory_flags import HOST_PTR
from accelpool.process_bound import ProcessBound
from accelpool.queue import CommandQueue
from accelpool.svm_map import SVMMap, enqueue_map, mapping_of, place_of
from accelpool.svm_memory import SharedMemory, allocate
from accelpool_wire.codes import ErrorCode

READ_WRITE = map_flags.READ | map_flags.WRITE
Array = np.ndarray[Any, Any]


class SVMPointer(ProcessBound):
    """An address in shared virtual memory, for kernels, copies, fills and mappings; see its subclasses."""

    @property
    def svm_ptr(self) -> int:
        """The address, at both ends; 0 for no memory."""
        raise NotImplementedError

    @property
    def size(self) -> int | None:
        """How many bytes from there are meant; None if that is not known."""
        raise NotImplementedError

    @property
    def buf(self) -> Array:
        """The memory here, as uint8; it agrees with the node's as said above."""
        raise NotImplementedError

    def map(
        self,
        queue: CommandQueue,
        *,
        flags: int,
        is_blocking: bool = True,
        wait_for: WaitList = None,
        size: int | None = None,
    ) -> SVMMap:
        """Map the memory: `with pointer.map(...) as array`.

        Args:
            queue: The queue to enqueue to.
            flags: Bits of `map_flags`.
            is_blocking: Whether the bytes are in place on return; else once `event` is complete.
            wait_for: Events to wait for.
            size: How many bytes; None for all.

        Raises:
            LogicError: INVALID_VALUE: more than there is, or none, or flags that exclude each other.

        Source: OpenCL 3.0 API, clEnqueueSVMMap.
        """
        event = enqueue_map(queue, self, flags, size, wait_for, is_blocking)
        return SVMMap(self, np.asarray(self.buf), queue, event)

    def map_ro(
        self,
        queue: CommandQueue,
        *,
        is_blocking: bool = True,
        wait_for: WaitList = None,
        size: int | None = None,
    ) -> SVMMap:
        """As `map`, for reading."""
        return self.map(queue, flags=map_flags.READ, is_blocking=is_blocking, wait_for=wait_for, size=size)

    def map_rw(
        self,
        queue: CommandQueue,
        *,
        is_blocking: bool = True,
        wait_for: WaitList = None,
        size: int | None = None,
    ) -> SVMMap:
        """As `map`, for reading and writing."""
        return self.map(queue, flags=READ_WRITE, is_blocking=is_blocking, wait_for=wait_for, size=size)

    def as_buffer(self, ctx: Context, *, flags: int | None = None, size: int | None = None) -> Buffer:
        """Return a buffer that has the same memory, on the node and, mapped, here.

        Args:
            ctx: The memory's context.
            flags: Bits of `mem_flags`; None for those of the memory.
            size: How many bytes; None for all.

        Raises:
            LogicError: INVALID_CONTEXT: another one than the memory's; as `Buffer.get_sub_region`.
        """
        memory, offset = place_of(self, ctx._session, "clCreateBuffer")
        if memory.buffer._context is not ctx:
            raise LogicError("clCreateBuffer", ErrorCode.INVALID_CONTEXT, f"{self!r} is of another context")
        flags = 0 if flags is None else int(flags) & ~HOST_PTR
        return memory.buffer.get_sub_region(offset, int(self.size or 0) if size is None else size, flags)

    def _enqueue_unmap(self, queue: CommandQueue, wait_for: WaitList = None) -> Event:
        """Release the newest mapping that begins here; return the event."""
        event = mapping_of(self, queue).release(queue, wait_for)
        event._type = command_type.SVM_UNMAP
        return event

    def __repr__(self) -> str:
        return f"<accelpool.{type(self).__name__} {self.svm_ptr:#x} of {self.size} bytes>"


class SVM(SVMPointer):
    """Says of an array, or of anything with the buffer protocol, that it is in shared virtual memory.

    Args:
        arg: The array, contiguous and writable: one of `svm_empty`, or a view of it.

    Raises:
        ValueError: It is not contiguous.
        BufferError: It is not writable.
    """

    def __init__(self, arg: Any, /) -> None:
        self._mem = arg
        self._content = np.frombuffer(flat_bytes(arg, writable=True), np.uint8)

    @property
    def mem(self) -> Any:
        """The array."""
        return self._mem

    @property
    def svm_ptr(self) -> int:
        """The address of its first byte."""
        return int(self._content.ctypes.data)

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(self._content.nbytes)

    @property
    def buf(self) -> Array:
        """Its memory, as uint8."""
        return self._content

    def map(  # type: ignore[override]  # PyOpenCL's has flags by place here, and no size
        self, queue: CommandQueue, flags: int, is_blocking: bool = True, wait_for: WaitList = None
    ) -> SVMMap:
        """Map the memory: `with svm.map(...) as array`, which is `mem` itself; as `SVMPointer.map`."""
        return SVMMap(self, self._mem, queue, enqueue_map(queue, self, flags, None, wait_for, is_blocking))

    def map_ro(  # type: ignore[override]  # as `map`
        self, queue: CommandQueue, is_blocking: bool = True, wait_for: WaitList = None
    ) -> SVMMap:
        """As `map`, for reading."""
        return self.map(queue, map_flags.READ, is_blocking, wait_for)

    def map_rw(  # type: ignore[override]  # as `map`
        self, queue: CommandQueue, is_blocking: bool = True, wait_for: WaitList = None
    ) -> SVMMap:
        """As `map`, for reading and writing."""
        return self.map(queue, READ_WRITE, is_blocking, wait_for)


class SVMAllocation(SVMPointer):
    """New shared virtual memory: one round trip. It is freed once the commands that use it are complete.

    Args:
        context: Where it is used; over devices of one node, which all have such memory.
        size: In bytes; 0 for no memory, at address 0.
        alignment: What the address is a multiple of: a power of two, 65536 at most; 0 for a page.
        flags: Bits of `svm_mem_flags`, not the fine-grained ones; 0 for READ_WRITE.
        queue: What uses it, in order; as PyOpenCL has it. Here nothing depends on it.

    Raises:
        MemoryError: MEM_OBJECT_ALLOCATION_FAILURE: the lease has no such memory left, or no address that the
            node had is free in this process.
        RuntimeError: OUT_OF_RESOURCES: the driver has no such memory, or none so aligned.
        LogicError: INVALID_OPERATION: the devices have none, or none so fine-grained, and why; INVALID_VALUE:
            flags that exclude each other, an out-of-order queue.

    Source: OpenCL 3.0 API, clSVMAlloc.
    """

    def __init__(
        self, context: Context, size: int, alignment: int, flags: int, queue: CommandQueue | None = None
    ) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"SVMAllocation: context is a Context, not {context!r}")
        if size < 0:
            raise TypeError(f"SVMAllocation: size is in bytes, not negative: {size}")
        self._bound: CommandQueue | None = in_order(queue, "SVMAllocation.__init__")
        self._size = size
        self._memory = allocate(context, flags, size, alignment) if size else None
        self._content = np.empty(0, np.uint8) if self._memory is None else self._memory.content
        self._has_arrays = False

    @property
    def svm_ptr(self) -> int:
        """The address; 0 without memory."""
        return 0 if self._memory is None else self._memory.address

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._size

    @property
    def buf(self) -> Array:
        """The memory here, as uint8; its base is this allocation.

        Raises:
            LogicError: INVALID_VALUE: it is released.
        """
        if self._size:
            self._held("SVMAllocation.buf")
        return self._array((self._size,), np.dtype(np.uint8), "C")

    def _array(self, shape: tuple[int, ...], dtype: np.dtype[Any], order: str) -> Array:
        self._has_arrays = True
        return array_over(self, self._content, shape, dtype, order)

    def release(self) -> None:
        """Give the memory back. Commands that use it already keep it until they are complete.

        Raises:
            LogicError: INVALID_VALUE: it is released already.
        """
        if self._size:
            self._let_go(self._held("SVMAllocation.release"))
        self._bound = None

    def enqueue_release(self, queue: CommandQueue | None = None, wait_for: WaitList = None) -> Event:
        """Give the memory back after the queue's commands; return the event.

        Raises:
            LogicError: INVALID_VALUE: it is released already; or there is no queue.

        Source: OpenCL 3.0 API, clEnqueueSVMFree.
        """
        routine = "SVMAllocation.enqueue_release"
        memory = self._held(routine) if self._size else None
        queue = queue or self._bound
        if queue is None:
            what = "no implicit queue available, must be provided explicitly"
            raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
        event = enqueue_marker(queue, wait_for)
        if memory is not None:
            event._type = command_type.SVM_FREE
            self._let_go(memory)
        return event

    def _let_go(self, memory: SharedMemory) -> None:
        """Give memory back. Its address, which the node may tell again, stays taken if there are arrays."""
        self._memory = None
        if not self._has_arrays:
            self._content = np.empty(0, np.uint8)
        memory.buffer.release()

    def _held(self, routine: str) -> SharedMemory:
        if self._memory is None:
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"{self!r} is released already")
        return self._memory

    def bind_to_queue(self, queue: CommandQueue) -> None:
        """Have commands of a queue, which is in order, come after those of the queue it was bound to.

        Raises:
            LogicError: INVALID_VALUE: the queue is out of order.
        """
        self._bound = rebound(self._bound, queue, "SVMAllocation.bind_to_queue")

    def unbind_from_queue(self) -> None:
        """Wait for the queue it is bound to, if any, and bind it to none."""
        if self._bound is not None:
            self._bound.finish()
        self._bound = None

    @property
    def _queue(self) -> CommandQueue | None:
        return self._bound

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SVMAllocation) and self.svm_ptr == other.svm_ptr

    def __hash__(self) -> int:
        return hash(self.svm_ptr)


def in_order(queue: CommandQueue | None, routine: str) -> CommandQueue | None:
    """Return a queue that memory may be bound to.

    Raises:
        LogicError: INVALID_VALUE: it is out of order.
    """
    if queue is not None and not queue._is_in_order:
        what = "supplying an out-of-order queue to SVMAllocation is invalid"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    return queue


def rebound(bound: CommandQueue | None, queue: CommandQueue, routine: str) -> CommandQueue:
    """Return the queue that memory is bound to from now on, whose commands wait for those of the old one."""
    in_order(queue, routine)
    if bound is not None and bound is not queue:
        enqueue_barrier(queue, [enqueue_marker(bound)])
    return queue
