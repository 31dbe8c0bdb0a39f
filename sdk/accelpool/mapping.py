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
from typing import Any, Literal

import numpy as np

from accelpool.constants import command_type, map_flags, mem_flags
from accelpool.enqueue import enqueue_copy, enqueue_marker, usable
from accelpool.errors import LogicError
from accelpool.event import Event, NannyEvent, WaitList
from accelpool.host import array_over, flat_bytes
from accelpool.memory import MemoryObject, MemoryObjectHolder, check_region
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

MAP = "clEnqueueMapBuffer"
WRITES = map_flags.WRITE | map_flags.WRITE_INVALIDATE_REGION
KNOWN = WRITES | map_flags.READ
NO_READS = mem_flags.HOST_WRITE_ONLY | mem_flags.HOST_NO_ACCESS
NO_WRITES = mem_flags.HOST_READ_ONLY | mem_flags.HOST_NO_ACCESS


class MemoryMap:
    """A mapping of a memory object: the `base` of a mapped array. A context manager that releases it.

    Where nothing refers to it or its arrays any more it is released as well: what it maps is written back
    before the next command of the session.
    """

    __slots__ = (
        "__array_interface__",
        "__weakref__",
        "_buffer",
        "_event",
        "_flags",
        "_flat",
        "_is_released",
        "_offset",
        "_queue",
    )

    def __init__(self, queue: CommandQueue, buffer: MemoryObjectHolder, flags: int, offset: int, size: int):
        self._is_released = True
        self._queue = queue
        self._buffer = buffer
        self._flags = flags
        self._offset = offset
        self._flat = _host_memory(buffer, offset, size)
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
        usable(queue, self._buffer, routine)
        if self._is_to_be_written:
            event = enqueue_copy(queue, self._buffer, self._flat, dst_offset=self._offset, wait_for=wait_for)
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
            event = enqueue_copy(
                self._queue,
                self._flat,
                self._buffer,
                src_offset=self._offset,
                wait_for=wait_for,
                is_blocking=is_blocking,
            )
        event._type = command_type.MAP_BUFFER
        self._event = event
        self._buffer._map_count += 1
        self._is_released = False
        return event

    @property
    def _is_to_be_written(self) -> bool:
        """Whether the host memory may differ: nobody may write to it before the mapping is complete."""
        pending = self._event._pending if isinstance(self._event, NannyEvent) else None
        return bool(self._flags & WRITES) and (pending is None or pending.is_done)

    def _end(self) -> None:
        self._is_released = True
        self._buffer._map_count -= 1

    def __enter__(self) -> MemoryMap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def __del__(self) -> None:
        if not getattr(self, "_is_released", True):
            if self._is_to_be_written:
                write = functools.partial(_write_back, self._queue, self._buffer, self._offset, self._flat)
                self._queue._session.deferred.append(write)
            self._end()

    def __repr__(self) -> str:
        flags = map_flags.to_string(self._flags) if self._flags else "READ"
        size, offset = self._flat.nbytes, self._offset
        return f"<accelpool.MemoryMap for {flags} of {size} bytes from {offset} of {self._buffer!r}>"


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
    _check_flags(flags, buf)
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise TypeError(f"{MAP}: a dtype with Python objects has no bytes that a device could use: {dtype}")
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    size = dtype.itemsize * math.prod(sizes)
    if size <= 0 or min(sizes, default=1) < 0:
        raise LogicError(MAP, ErrorCode.INVALID_VALUE, f"an array of shape {sizes} and dtype {dtype}")
    check_region(buf, offset, size, MAP)
    mapping = MemoryMap(queue, buf, flags, offset, size)
    array = _array(mapping, sizes, dtype, order, strides)
    return array, mapping._begin(wait_for, is_blocking)


def _array(
    mapping: MemoryMap, shape: tuple[int, ...], dtype: np.dtype[Any], order: Any, strides: Any
) -> np.ndarray[Any, Any]:
    """Return the mapped memory as an array, whose base is the mapping."""
    if order not in ("C", "F"):
        raise LogicError(MAP, ErrorCode.INVALID_VALUE, f"order is 'C' or 'F', not {order!r}")
    writable = bool(mapping._flags & WRITES)
    try:
        return array_over(mapping, mapping._flat, shape, dtype, order, strides, writable=writable)
    except (ValueError, TypeError) as error:
        raise LogicError(MAP, ErrorCode.INVALID_VALUE, f"strides {strides}: {error}") from error


def _check_flags(flags: int, buffer: MemoryObjectHolder) -> None:
    invalidates = flags & map_flags.WRITE_INVALIDATE_REGION
    if flags & ~KNOWN or (invalidates and flags != invalidates):
        what = f"flags {flags:#x}: READ and WRITE together or alone, or WRITE_INVALIDATE_REGION alone"
        raise LogicError(MAP, ErrorCode.INVALID_VALUE, what)
    reads, writes = not flags & WRITES or flags & map_flags.READ, flags & WRITES
    if (reads and buffer._flags & NO_READS) or (writes and buffer._flags & NO_WRITES):
        what = f"{buffer!r} has flags {mem_flags.to_string(buffer._flags)}"
        raise LogicError(MAP, ErrorCode.INVALID_OPERATION, what)


def _host_memory(buffer: MemoryObjectHolder, offset: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the bytes to map a region into."""
    owner = buffer._parent or buffer
    offset += buffer._origin
    if owner._flags & mem_flags.USE_HOST_PTR and isinstance(owner, MemoryObject):
        memory = np.frombuffer(flat_bytes(owner.hostbuf, writable=True), np.uint8)
    elif owner._flags & mem_flags.ALLOC_HOST_PTR:
        if owner._host_memory is None:
            owner._host_memory = np.zeros(owner._size, np.uint8)
        memory = owner._host_memory
    else:
        return np.empty(size, np.uint8)
    return memory[offset : offset + size]


def _write_back(
    queue: CommandQueue, buffer: MemoryObjectHolder, offset: int, content: np.ndarray[Any, Any]
) -> None:
    """Post what a dropped mapping is to write, unless its buffer is released by now."""
    if buffer._handle:
        message = m.EnqueueWriteBuffer(queue._handle, buffer._handle, offset)
        queue._session.connection.post(message, content.data)
