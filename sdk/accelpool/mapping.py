"""Mapping memory objects into host memory.

The coherence rule, for every mapping and for USE_HOST_PTR and ALLOC_HOST_PTR: host memory and device memory
agree

    once a mapping that reads is complete   what it maps has been copied from the device
    once a mapping that writes is released  what it maps is copied to the device, before later commands

and nowhere else: device and host are two machines. A mapping with READ or WRITE reads, one with
WRITE_INVALIDATE_REGION does not; one with WRITE or WRITE_INVALIDATE_REGION writes.

    of a buffer with      the mapped memory is
    USE_HOST_PTR          the host memory that the buffer was made from, at the mapped offset
    ALLOC_HOST_PTR        the client's, and the same for all mappings of the buffer
    neither               the client's, for this mapping alone
"""

from __future__ import annotations

import functools
import math
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from accelpool.constants import command_type, map_flags, mem_flags
from accelpool.enqueue import enqueue_copy, enqueue_marker, usable
from accelpool.errors import Error, LogicError
from accelpool.event import Event, NannyEvent, WaitList
from accelpool.host import array_over, flat_bytes
from accelpool.memory import MemoryObject, MemoryObjectHolder, check_region
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

MAP = "clEnqueueMapBuffer"
Bytes: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"
WRITES = map_flags.WRITE | map_flags.WRITE_INVALIDATE_REGION
KNOWN = WRITES | map_flags.READ
NO_READS = mem_flags.HOST_WRITE_ONLY | mem_flags.HOST_NO_ACCESS
NO_WRITES = mem_flags.HOST_READ_ONLY | mem_flags.HOST_NO_ACCESS


class Mapped(Protocol):
    """What of a memory object is mapped, and how it comes to host memory and back.

    Attributes:
        memory: The memory object.
        command_type: What mapping it is called in events.
    """

    memory: MemoryObjectHolder
    command_type: int

    def read(self, queue: CommandQueue, flat: Bytes, wait_for: WaitList, is_blocking: bool) -> Event:
        """Enqueue a copy to host memory."""
        ...

    def write(self, queue: CommandQueue, flat: Bytes, wait_for: WaitList) -> Event:
        """Enqueue a copy from host memory."""
        ...

    def post(self, queue: CommandQueue, flat: Bytes) -> None:
        """Post a copy from host memory whose event nobody needs."""
        ...


class MemoryMap:
    """A mapping of a memory object: the `base` of a mapped array. A context manager that releases it.

    Where nothing refers to it or its arrays any more it is released as well: what it maps is written back
    before the next command of the session.
    """

    __slots__ = (
        "__array_interface__", "__weakref__", "_event", "_flags", "_flat", "_is_released", "_mapped",
        "_queue",
    )  # fmt: skip

    def __init__(self, queue: CommandQueue, mapped: Mapped, flags: int, flat: Bytes) -> None:
        self._is_released = True
        self._queue = queue
        self._mapped = mapped
        self._flags = flags
        self._flat = flat
        self._event: Event | None = None

    def release(self, queue: CommandQueue | None = None, wait_for: WaitList = None) -> Event:
        """End the mapping, writing back what it maps if that is what it is for; return the event.

        The host memory may be changed or dropped when this returns.

        Args:
            queue: The queue to enqueue to; None for that of the mapping.
            wait_for: Events to wait for.

        Raises:
            LogicError: INVALID_VALUE: it is released already; INVALID_MEM_OBJECT: the memory object is.

        Source: OpenCL 3.0 API, clEnqueueUnmapMemObject.
        """
        routine = "clEnqueueUnmapMemObject"
        if self._is_released:
            raise LogicError(routine, ErrorCode.INVALID_VALUE, "the mapping is released already")
        queue = queue or self._queue
        usable(queue, self._mapped.memory, routine)
        if self._is_to_be_written():
            event = self._mapped.write(queue, self._flat, wait_for)
        else:
            mapped = [self._event] if self._event is not None else None
            event = enqueue_marker(queue, wait_for or mapped)
        event._type = command_type.UNMAP_MEM_OBJECT
        self._end()
        return event

    def _begin(self, wait_for: WaitList, is_blocking: bool) -> Event:
        """Enqueue the mapping and return its event."""
        if self._flags & map_flags.WRITE_INVALIDATE_REGION:
            event = enqueue_marker(self._queue, wait_for)  # nobody need wait: no bytes are to come
        else:
            event = self._mapped.read(self._queue, self._flat, wait_for, is_blocking)
        event._type = self._mapped.command_type
        self._event = event
        self._mapped.memory._map_count += 1
        self._is_released = False
        return event

    def _is_to_be_written(self) -> bool:
        """Whether the host memory may differ: nobody may write to it before the mapping is complete."""
        if not self._flags & WRITES:
            return False
        pending = self._event._pending if isinstance(self._event, NannyEvent) else None
        if pending is not None and pending.is_done:
            try:
                pending.wait()  # it does not: this puts in place what came in pieces
            except Error:
                return False
        return pending is None or pending.is_done

    def _end(self) -> None:
        self._is_released = True
        self._mapped.memory._map_count -= 1

    def __enter__(self) -> MemoryMap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if not getattr(self, "_is_released", True):
            if self._is_to_be_written():
                write = functools.partial(_write_back, self._mapped, self._queue, self._flat)
                self._queue._session.deferred.append(write)
            self._end()

    def __repr__(self) -> str:
        flags = map_flags.to_string(self._flags) if self._flags else "READ"
        return f"<accelpool.MemoryMap for {flags} of {self._flat.nbytes} bytes of {self._mapped.memory!r}>"


class BufferPart:
    """A region of a buffer."""

    command_type = command_type.MAP_BUFFER

    def __init__(self, buffer: MemoryObjectHolder, offset: int) -> None:
        self.memory = buffer
        self._offset = offset

    def read(self, queue: CommandQueue, flat: Bytes, wait_for: WaitList, is_blocking: bool) -> Event:
        """Enqueue a copy to host memory."""
        return enqueue_copy(
            queue, flat, self.memory, src_offset=self._offset, wait_for=wait_for, is_blocking=is_blocking
        )

    def write(self, queue: CommandQueue, flat: Bytes, wait_for: WaitList) -> Event:
        """Enqueue a copy from host memory."""
        return enqueue_copy(queue, self.memory, flat, dst_offset=self._offset, wait_for=wait_for)

    def post(self, queue: CommandQueue, flat: Bytes) -> None:
        """Post a copy from host memory whose event nobody needs."""
        message = m.EnqueueWriteBuffer(queue._handle, self.memory._handle, self._offset)
        queue._session.connection.post(message, flat.data)


def enqueue_map_buffer(
    queue: CommandQueue,
    buf: MemoryObjectHolder,
    flags: int,
    offset: int,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: Literal["C", "F"] = "C",
    strides: tuple[int, ...] | None = None,
    wait_for: WaitList = None,
    is_blocking: bool = True,
) -> tuple[np.ndarray[Any, Any], Event]:
    """Map a region of a buffer into host memory as an array.

    Host memory and device memory agree at the mapping (with READ or WRITE) and at its release (with WRITE or
    WRITE_INVALIDATE_REGION), and nowhere else. With USE_HOST_PTR the array aliases the buffer's `hostbuf`;
    with ALLOC_HOST_PTR its memory is the same for all mappings of the buffer.

    Args:
        queue: The queue to enqueue to.
        buf: The buffer.
        flags: Bits of `map_flags`; 0 for READ. An array that is not mapped for writing is read-only.
        offset: Where the region starts, in bytes.
        shape: The array's shape; with `dtype` it says how large the region is.
        dtype: The array's dtype, without Python objects.
        order: "C" or "F".
        strides: In bytes per dimension, within the region; None for a contiguous array.
        wait_for: Events to wait for.
        is_blocking: Whether the bytes are in place on return; else the event's `wait` has them in place.

    Returns:
        The array, whose `base` is the `MemoryMap`, and the mapping's event.

    Raises:
        LogicError: INVALID_VALUE: a region beyond the buffer or of 0 bytes, flags that exclude each other,
            strides beyond the region; INVALID_OPERATION: the buffer's flags forbid the host to read or write.

    Source: OpenCL 3.0 API, clEnqueueMapBuffer.
    """
    flags = int(flags)
    usable(queue, buf, MAP)
    if buf._is_image:
        raise LogicError(MAP, ErrorCode.INVALID_MEM_OBJECT, f"{buf!r} is no buffer")
    check_map_flags(flags, buf, MAP)
    sizes, dtype, size = sizes_of(shape, dtype, MAP)
    check_region(buf, offset, size, MAP)
    mapping = MemoryMap(queue, BufferPart(buf, offset), flags, _host_memory(buf, offset, size))
    array = mapped_array(mapping, sizes, dtype, order, strides, MAP)
    return array, mapping._begin(wait_for, is_blocking)


def sizes_of(
    shape: int | tuple[int, ...], dtype: Any, routine: str
) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return an array's shape, its dtype and its size in bytes.

    Raises:
        LogicError: INVALID_VALUE: it has no elements.
        TypeError: Its elements are Python objects.
    """
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise TypeError(f"{routine}: a dtype with Python objects has no bytes for a device: {dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    size = dtype.itemsize * math.prod(sizes)
    if size <= 0 or min(sizes, default=1) < 0:
        raise LogicError(routine, ErrorCode.INVALID_VALUE, f"an array of shape {sizes} and dtype {dtype}")
    return sizes, dtype, size


def mapped_array(
    mapping: MemoryMap, shape: tuple[int, ...], dtype: np.dtype[Any], order: Any, strides: Any, routine: str
) -> np.ndarray[Any, Any]:
    """Return the mapped memory as an array, whose base is the mapping.

    Raises:
        LogicError: INVALID_VALUE: the mapped memory has no room for it.
    """
    if order not in ("C", "F"):
        raise LogicError(routine, ErrorCode.INVALID_VALUE, f"order is 'C' or 'F', not {order!r}")
    writable = bool(mapping._flags & WRITES)
    try:
        return array_over(mapping, mapping._flat, shape, dtype, order, strides, writable=writable)
    except (ValueError, TypeError) as error:
        what = f"shape {shape}, strides {strides}: {error}"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what) from error


def check_map_flags(flags: int, memory: MemoryObjectHolder, routine: str) -> None:
    """Refuse flags that exclude each other, or that the memory object's own flags exclude.

    Raises:
        LogicError: INVALID_VALUE, INVALID_OPERATION.
    """
    invalidates = flags & map_flags.WRITE_INVALIDATE_REGION
    if flags & ~KNOWN or (invalidates and flags != invalidates):
        what = f"flags {flags:#x}: READ and WRITE together or alone, or WRITE_INVALIDATE_REGION alone"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    reads, writes = not flags & WRITES or flags & map_flags.READ, flags & WRITES
    if (reads and memory._flags & NO_READS) or (writes and memory._flags & NO_WRITES):
        what = f"{memory!r} has flags {mem_flags.to_string(memory._flags)}"
        raise LogicError(routine, ErrorCode.INVALID_OPERATION, what)


def _host_memory(buffer: MemoryObjectHolder, offset: int, size: int) -> Bytes:
    """Return the bytes to map a region into."""
    owner = buffer._parent or buffer
    memory = standing_memory(owner)
    if memory is None:
        return np.empty(size, np.uint8)
    start = buffer._origin + offset
    return memory[start : start + size]


def standing_memory(owner: MemoryObjectHolder) -> Bytes | None:
    """Return the host memory that belongs to a memory object for its life, if its flags say so."""
    if owner._flags & mem_flags.USE_HOST_PTR and isinstance(owner, MemoryObject):
        return np.frombuffer(flat_bytes(owner.hostbuf), np.uint8)
    if owner._flags & mem_flags.ALLOC_HOST_PTR and owner._host_memory is None:
        owner._host_memory = np.zeros(owner._size, np.uint8)
    return owner._host_memory


def _write_back(mapped: Mapped, queue: CommandQueue, flat: Bytes) -> None:
    """Post what a dropped mapping is to write, unless its memory object is released by now."""
    if mapped.memory._handle:
        mapped.post(queue, flat)
