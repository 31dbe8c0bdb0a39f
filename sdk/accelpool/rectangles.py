"""Copies of rectangles in buffers, and rectangles of host memory.

Between the ends the bytes travel without gaps: they are gathered and scattered here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool.constants import command_type
from accelpool.coordinates import origin_of, pitches_of, region_of
from accelpool.enqueue import read_into, usable
from accelpool.event import Event, NannyEvent, WaitList
from accelpool.host import flat_bytes, packed, unpack
from accelpool.memory import MemoryObjectHolder
from accelpool.objects import wait_list
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.rectangles import Rectangle, check_overlap, rectangle


def copy_rectangle(queue: CommandQueue, dest: Any, src: Any, **kwargs: Any) -> Event:
    """Copy rectangles between buffers and host memory; see `enqueue_copy`."""
    if not isinstance(dest, MemoryObjectHolder):
        if not isinstance(src, MemoryObjectHolder):
            raise TypeError("enqueue_copy needs a memory object on one side; NumPy copies from host to host")
        return read_buffer_rect(queue, src, dest, **kwargs)
    if isinstance(src, MemoryObjectHolder):
        return copy_buffer_rect(queue, src, dest, **kwargs)
    return write_buffer_rect(queue, dest, src, **kwargs)


def write_buffer_rect(
    queue: CommandQueue,
    mem: MemoryObjectHolder,
    hostbuf: Any,
    *,
    buffer_origin: Sequence[int],
    host_origin: Sequence[int],
    region: Sequence[int],
    buffer_pitches: Sequence[int] | None = None,
    host_pitches: Sequence[int] | None = None,
    wait_for: WaitList = None,
    is_blocking: bool = True,  # noqa: ARG001 - either way the bytes are with the socket on return
) -> NannyEvent:
    """Copy a rectangle of host memory to one of a buffer; see `enqueue_copy`."""
    routine = "clEnqueueWriteBufferRect"
    handle = usable(queue, mem, routine)
    where = _where("buffer", buffer_origin, region, buffer_pitches, routine)
    host_where = _where("host", host_origin, region, host_pitches, routine)
    content = flat_bytes(hostbuf)
    where.check_within(mem._size, routine)
    host_where.check_within(content.nbytes, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    place = (list(where.origin), list(where.region), where.row_pitch, where.slice_pitch)
    session.post(
        m.EnqueueWriteBufferRect(queue._handle, handle, *place, event, waits), packed(content, host_where)
    )
    return NannyEvent(session, event, queue, command_type.WRITE_BUFFER_RECT, hostbuf)


def read_buffer_rect(
    queue: CommandQueue,
    mem: MemoryObjectHolder,
    hostbuf: Any,
    *,
    buffer_origin: Sequence[int],
    host_origin: Sequence[int],
    region: Sequence[int],
    buffer_pitches: Sequence[int] | None = None,
    host_pitches: Sequence[int] | None = None,
    wait_for: WaitList = None,
    is_blocking: bool = True,
) -> NannyEvent:
    """Copy a rectangle of a buffer to one of host memory; see `enqueue_copy`."""
    routine = "clEnqueueReadBufferRect"
    handle = usable(queue, mem, routine)
    where = _where("buffer", buffer_origin, region, buffer_pitches, routine)
    host_where = _where("host", host_origin, region, host_pitches, routine)
    content = flat_bytes(hostbuf, writable=True)
    where.check_within(mem._size, routine)
    host_where.check_within(content.nbytes, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = 0 if is_blocking else session.new_handle()
    place = (list(where.origin), list(where.region), where.row_pitch, where.slice_pitch)
    message = m.EnqueueReadBufferRect(queue._handle, handle, *place, event, waits)
    return read_rectangle(queue, message, content, host_where, command_type.READ_BUFFER_RECT, hostbuf)


def read_rectangle(
    queue: CommandQueue,
    message: m.EnqueueReadBufferRect | m.EnqueueReadImage,
    content: memoryview,
    where: Rectangle,
    kind: int,
    ward: object,
) -> NannyEvent:
    """Read into a rectangle of host memory: straight, or through memory without gaps."""
    if where.is_dense:
        into = content[where.start : where.start + where.size]
        return read_into(queue, message, into, kind, ward)
    dense = memoryview(bytearray(where.size))
    return read_into(queue, message, dense, kind, ward, lambda: unpack(dense, content, where))


def copy_buffer_rect(
    queue: CommandQueue,
    src: MemoryObjectHolder,
    dst: MemoryObjectHolder,
    *,
    src_origin: Sequence[int],
    dst_origin: Sequence[int],
    region: Sequence[int],
    src_pitches: Sequence[int] | None = None,
    dst_pitches: Sequence[int] | None = None,
    wait_for: WaitList = None,
) -> Event:
    """Copy a rectangle between buffers, or within one; see `enqueue_copy`."""
    routine = "clEnqueueCopyBufferRect"
    source, target = usable(queue, src, routine), usable(queue, dst, routine)
    source_where = _where("src", src_origin, region, src_pitches, routine)
    target_where = _where("dst", dst_origin, region, dst_pitches, routine)
    source_where.check_within(src._size, routine)
    target_where.check_within(dst._size, routine)
    if source == target:
        check_overlap(source_where, target_where, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    message = m.EnqueueCopyBufferRect(
        queue._handle,
        source,
        target,
        list(source_where.origin),
        list(target_where.origin),
        list(source_where.region),
        [source_where.row_pitch, source_where.slice_pitch],
        [target_where.row_pitch, target_where.slice_pitch],
        event,
        waits,
    )
    session.post(message)
    return Event(session, event, queue, command_type.COPY_BUFFER_RECT)


def _where(
    side: str,
    origin: Sequence[int],
    region: Sequence[int],
    pitches: Sequence[int] | None,
    routine: str,
) -> Rectangle:
    """Return a rectangle from a caller's parameters."""
    row_pitch, slice_pitch = pitches_of(f"{side}_pitches", pitches)
    return rectangle(
        origin_of(f"{side}_origin", origin), region_of("region", region), row_pitch, slice_pitch, routine
    )
