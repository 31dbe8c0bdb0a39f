"""Copies, fills, markers and barriers. Images are in `enqueue_image`, rectangles in `rectangles`.

    host → device     posted; the bytes are with the socket when the call returns: the source may change
    device → host     a round trip when blocking; else the event's `wait` has the bytes in place
    device → device   posted

A posted command that fails tells it at the next synchronous call: `finish`, a blocking read, `wait`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from accelpool.constants import command_type
from accelpool.errors import LogicError, RuntimeError
from accelpool.event import Event, NannyEvent, WaitList
from accelpool.host import flat_bytes
from accelpool.memory import MemoryObjectHolder, check_region
from accelpool.objects import wait_list
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead
from accelpool_wire.codes import ErrorCode

if TYPE_CHECKING:
    from accelpool.svm import SVMPointer

OLD_OFFSETS = {
    "_copy_buffer": ("dest_offset", "dst_offset"),
    "_write_buffer": ("device_offset", "dst_offset"),
    "_read_buffer": ("device_offset", "src_offset"),
}


def enqueue_copy(queue: CommandQueue, dest: Any, src: Any, **kwargs: Any) -> Event:
    """Copy between buffers, images and host memory.

    Args:
        queue: The queue to enqueue to.
        dest: A `Buffer`, an `Image`, an `SVMPointer`, or writable host memory: anything contiguous with the
            buffer protocol.
        src: A `Buffer`, an `Image`, an `SVMPointer`, or host memory.
        **kwargs: `wait_for`: events to wait for. With host memory: `is_blocking` (True). And::

            buffer and host       `dst_offset` or `src_offset`: into the buffer, in bytes; the size is that of
                                  the host memory. Rectangles: `buffer_origin`, `host_origin`, `region`,
                                  `buffer_pitches`, `host_pitches`
            buffer to buffer      `byte_count` (the smaller buffer's size), `src_offset`, `dst_offset`.
                                  Rectangles: `src_origin`, `dst_origin`, `region`, `src_pitches`,
                                  `dst_pitches`
            image and host        `origin`, `region`, `pitches` of the host memory
            image and buffer      `offset` into the buffer, `origin`, `region`
            image to image        `src_origin`, `dest_origin`, `region`
            an `SVMPointer`       `byte_count` (else both sides have the same size)

            Of buffers the first number of an origin or region is in bytes, of images in pixels. Pitches are
            bytes from a row to the next, and from a slice to the next; left out, there are no gaps.

    Returns:
        The copy's event; for host copies a `NannyEvent`.

    Raises:
        LogicError: INVALID_VALUE: beyond the end of a buffer, image or host memory; INVALID_CONTEXT: a memory
            object of another session.
        RuntimeError: MEM_COPY_OVERLAP, IMAGE_FORMAT_MISMATCH.
        ValueError: The host memory is not contiguous.
        BufferError: The host memory to copy to is read-only.
        TypeError: Neither side is a memory object.
        KeyError: Between an image and host memory `origin` and `region` must be said.
    """
    copy: Callable[..., Event]
    if getattr(dest, "_is_image", False) or getattr(src, "_is_image", False):
        from accelpool.enqueue_image import copy_with_image  # it stands on this module

        return copy_with_image(queue, dest, src, **kwargs)
    if "src_origin" in kwargs or "buffer_origin" in kwargs:
        from accelpool.rectangles import copy_rectangle

        return copy_rectangle(queue, dest, src, **kwargs)
    if isinstance(dest, MemoryObjectHolder):
        copy = _copy_buffer if isinstance(src, MemoryObjectHolder) else _write_buffer
    elif isinstance(src, MemoryObjectHolder):
        copy = _read_buffer
    else:
        from accelpool.enqueue_svm import copy_svm  # it stands on this module

        return copy_svm(queue, dest, src, **kwargs)
    if "dest_offset" in kwargs or "device_offset" in kwargs:
        _rename_offset(kwargs, *OLD_OFFSETS[copy.__name__])
    return copy(queue, dest, src, **kwargs)


def enqueue_fill_buffer(
    queue: CommandQueue,
    mem: MemoryObjectHolder,
    pattern: Any,
    offset: int,
    size: int,
    wait_for: WaitList = None,
) -> Event:
    """Fill a region of a buffer with a repeated pattern.

    Args:
        queue: The queue to enqueue to.
        mem: The buffer.
        pattern: 1, 2, 4, ... or 128 bytes: a NumPy scalar, an array, bytes.
        offset: Where the region starts, in bytes; a multiple of the pattern's size.
        size: The region's size in bytes; a multiple of the pattern's size.
        wait_for: Events to wait for.

    Raises:
        LogicError: INVALID_VALUE: the pattern, the offset or the size is not possible.
    """
    routine = "clEnqueueFillBuffer"
    handle = usable(queue, mem, routine)
    if mem._is_image:
        raise LogicError(routine, ErrorCode.INVALID_MEM_OBJECT, f"{mem!r} is no buffer")
    repeated = bytes(flat_bytes(pattern))
    check_region(mem, offset, size, routine)
    count = len(repeated)
    if count not in (1, 2, 4, 8, 16, 32, 64, 128) or offset % count or size % count:
        what = f"a pattern of {count} bytes does not fill {size} bytes from {offset}"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    if not size:
        return enqueue_marker(queue, wait_for)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    session.post(m.EnqueueFillBuffer(queue._handle, handle, repeated, offset, size, event, waits))
    return Event(session, event, queue, command_type.FILL_BUFFER)


def enqueue_fill(
    queue: CommandQueue,
    dest: MemoryObjectHolder | SVMPointer,
    pattern: Any,
    size: int,
    *,
    offset: int = 0,
    wait_for: WaitList = None,
) -> Event:
    """Fill memory with a repeated pattern; as `enqueue_fill_buffer`, or `enqueue_svm_memfill`."""
    if not isinstance(dest, MemoryObjectHolder):
        from accelpool.enqueue_svm import fill_svm  # it stands on this module

        return fill_svm(queue, dest, pattern, size, offset, wait_for)
    return enqueue_fill_buffer(queue, dest, pattern, offset, size, wait_for)


def enqueue_marker(queue: CommandQueue, wait_for: WaitList = None) -> Event:
    """Return an event that is complete when those given are, or all commands before it in the queue."""
    session = queue._session
    waits = wait_list(wait_for, session, "clEnqueueMarkerWithWaitList")
    event = session.new_handle()
    session.post(m.EnqueueMarker(queue._handle, event, waits))
    return Event(session, event, queue, command_type.MARKER)


def enqueue_barrier(queue: CommandQueue, wait_for: WaitList = None) -> Event:
    """As `enqueue_marker`, and later commands of the queue wait for it."""
    session = queue._session
    waits = wait_list(wait_for, session, "clEnqueueBarrierWithWaitList")
    event = session.new_handle()
    session.post(m.EnqueueBarrier(queue._handle, event, waits))
    return Event(session, event, queue, command_type.BARRIER)


def _write_buffer(
    queue: CommandQueue,
    dest: MemoryObjectHolder,
    src: Any,
    *,
    dst_offset: int = 0,
    wait_for: WaitList = None,
    is_blocking: bool = True,  # noqa: ARG001 - either way the bytes are with the socket on return
) -> Event:
    routine = "clEnqueueWriteBuffer"
    handle = usable(queue, dest, routine)
    content = flat_bytes(src)
    check_region(dest, dst_offset, content.nbytes, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    if content.nbytes:
        session.post(m.EnqueueWriteBuffer(queue._handle, handle, dst_offset, event, waits), content)
    else:
        session.post(m.EnqueueMarker(queue._handle, event, waits))
    return NannyEvent(session, event, queue, command_type.WRITE_BUFFER, src)


def _read_buffer(
    queue: CommandQueue,
    dest: Any,
    src: MemoryObjectHolder,
    *,
    src_offset: int = 0,
    wait_for: WaitList = None,
    is_blocking: bool = True,
) -> Event:
    routine = "clEnqueueReadBuffer"
    handle = usable(queue, src, routine)
    into = flat_bytes(dest, writable=True)
    check_region(src, src_offset, into.nbytes, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    if not into.nbytes:
        marker = session.new_handle()
        session.post(m.EnqueueMarker(queue._handle, marker, waits))
        return NannyEvent(session, marker, queue, command_type.READ_BUFFER, dest)
    event = 0 if is_blocking else session.new_handle()
    message = m.EnqueueReadBuffer(
        queue._handle, handle, src_offset, into.nbytes, event, waits, is_blocking=is_blocking
    )
    return read_into(queue, message, into, command_type.READ_BUFFER, dest)


def read_into(
    queue: CommandQueue,
    message: AnyRead,
    into: memoryview,
    kind: int,
    ward: object,
    then: Callable[[], None] | None = None,
) -> NannyEvent:
    """Start a read; wait for it too if it has no event.

    Args:
        queue: The queue of the message.
        message: What to read.
        into: Where to.
        kind: The event's `command_type`.
        ward: The host memory that the event keeps alive.
        then: What to do with the bytes before anybody's wait for them returns.
    """
    session = queue._session
    pending = session.read(message, into, then)
    made = NannyEvent(session, message.event, queue, kind, ward)
    if message.event:
        made._pending = pending
        return made
    data = session.finish_read(pending)
    made._ending = m.EventDone(0, 0, data.times)
    if session.reads and queue._is_in_order:
        session.finish_reads(queue._handle)
    return made


def _copy_buffer(
    queue: CommandQueue,
    dest: MemoryObjectHolder,
    src: MemoryObjectHolder,
    *,
    byte_count: int | None = None,
    src_offset: int = 0,
    dst_offset: int = 0,
    wait_for: WaitList = None,
) -> Event:
    routine = "clEnqueueCopyBuffer"
    source, target = usable(queue, src, routine), usable(queue, dest, routine)
    if byte_count is None or byte_count == -1:
        byte_count = min(src._size - src_offset, dest._size - dst_offset)
    if byte_count <= 0:
        raise LogicError(routine, ErrorCode.INVALID_VALUE, f"a copy of {byte_count} bytes")
    check_region(src, src_offset, byte_count, routine)
    check_region(dest, dst_offset, byte_count, routine)
    if source == target and abs(src_offset - dst_offset) < byte_count:
        what = f"{byte_count} bytes from {src_offset} to {dst_offset} of the same buffer overlap"
        raise RuntimeError(routine, ErrorCode.MEM_COPY_OVERLAP, what)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    session.post(
        m.EnqueueCopyBuffer(queue._handle, source, target, src_offset, dst_offset, byte_count, event, waits)
    )
    return Event(session, event, queue, command_type.COPY_BUFFER)


def _rename_offset(kwargs: dict[str, Any], old: str, new: str) -> None:
    """Take an offset by its old name, with a warning."""
    if old not in kwargs:
        return
    if new in kwargs:
        raise TypeError(f"may not specify both '{old}' and '{new}'")
    what = f"The '{old}' argument of enqueue_copy is deprecated. Use '{new}' instead."
    warnings.warn(what, DeprecationWarning, stacklevel=3)
    kwargs[new] = kwargs.pop(old)


def usable(queue: CommandQueue, buffer: MemoryObjectHolder, routine: str) -> int:
    """Return a buffer's handle, if a command of the queue can use it."""
    if not isinstance(queue, CommandQueue):
        raise TypeError(f"{routine}: a CommandQueue is needed, not {queue!r}")
    if not isinstance(buffer, MemoryObjectHolder):
        raise TypeError(f"{routine}: a Buffer is needed, not {buffer!r}")
    if queue._is_finalized:
        queue._warn_after_exit()
    if buffer._session is not queue._session or buffer._context is not queue._context:
        raise LogicError(routine, ErrorCode.INVALID_CONTEXT, f"{buffer!r} and {queue!r} are of two contexts")
    return buffer._use(routine)
