"""Copies from one context to another.

    two devices of one lease, on one node    a command on the node, between its devices' memories
    any others                               by way of this process: read there, written here

The first is posted, as copies within a device are; the second waits for what it reads.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from accelpool.cuda.constants import memory_type
from accelpool.cuda.contexts import Context, current
from accelpool.cuda.copies import memcpy_dtod_async, memcpy_dtoh_async, memcpy_htod_async
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.rectangle_copies import Memcpy3D
from accelpool.cuda.streams import Stream
from accelpool_wire import messages as m
from accelpool_wire.conversation import CONTEXT_COPIES

ROUTINE = "cuMemcpyPeer"
BAND_BYTES = 64 << 20  # of a copy by way of this process, at a time


def memcpy_peer(
    dest: Any,
    src: Any,
    size: int,
    dest_context: Context | None = None,
    src_context: Context | None = None,
) -> None:
    """Copy device memory of one context to another's, after all that is before it in both.

    Args:
        dest: An address, or anything that has one.
        src: Likewise.
        size: In bytes.
        dest_context: Whose memory `dest` is; None for the current context.
        src_context: Whose memory `src` is; None for the current context.

    Raises:
        LogicError: CUDA_ERROR_INVALID_VALUE: one of them has not so much at the address.
    """
    memcpy_peer_async(dest, src, size, dest_context, src_context)


def memcpy_peer_async(
    dest: Any,
    src: Any,
    size: int,
    dest_context: Context | None = None,
    src_context: Context | None = None,
    stream: Stream | None = None,
) -> None:
    """As `memcpy_peer`, in a stream of one of the contexts: after what is before it there alone."""
    target, source = dest_context or current(ROUTINE), src_context or current(ROUTINE)
    owner = None if stream is None else stream._context
    if owner not in (None, target, source):
        raise failed(ROUTINE, "INVALID_HANDLE", f"{stream!r} is of neither context")
    count, to, from_ = operator.index(size), operator.index(dest), operator.index(src)
    if target is source:
        with _within(target):
            memcpy_dtod_async(to, from_, count, stream)
    elif _share_a_node(target, source):
        if count:
            _copy_there(target, source, to, from_, count, stream)
    else:
        of_target, of_source = (stream if owner is each else None for each in (target, source))
        for start in range(0, count, BAND_BYTES):
            content = np.empty(min(BAND_BYTES, count - start), np.uint8)
            with _within(source):
                memcpy_dtoh_async(content, from_ + start, of_source)
            with _within(target):
                memcpy_htod_async(to + start, content, of_target)


class Memcpy3DPeer(Memcpy3D):
    """A copy of a box from one context to another, by way of this process; as `Memcpy3D`."""

    routine = "cuMemcpy3DPeer"

    def __init__(self) -> None:
        super().__init__()
        self._source_context: Context | None = None
        self._target_context: Context | None = None

    def set_src_context(self, context: Context, /) -> None:
        """Say whose the device memory is that is copied from; else it is the current context's."""
        self._source_context = context

    def set_dst_context(self, context: Context, /) -> None:
        """Say whose the device memory is that is copied to; else it is the current context's."""
        self._target_context = context

    def __call__(self, stream: Stream | bool | None = None, *, aligned: bool = True) -> None:
        """Copy, after what is before it in the stream, which is of one of the contexts."""
        source = self._source_context or current(self.routine)
        target = self._target_context or current(self.routine)
        kinds = (self._source.kind, self._target.kind)
        if source is target or memory_type.HOST in kinds:
            with _within(target if kinds[0] == memory_type.HOST else source):
                super().__call__(stream, aligned=aligned)
            return
        shape = (self.depth, self.height, self.width_in_bytes)
        content = np.empty(shape, np.uint8)
        for context, copy in ((source, self._part()), (target, self._part())):
            if context is source:
                copy._source = self._source
                copy.set_dst_host(content)
            else:
                copy._target = self._target
                copy.set_src_host(content)
            is_its = isinstance(stream, Stream) and stream._context is context
            with _within(context):
                copy(stream if is_its else None)

    def _part(self) -> Memcpy3D:
        """Return a copy as large as this."""
        made = Memcpy3D()
        made.width_in_bytes, made.height, made.depth = self.width_in_bytes, self.height, self.depth
        return made


@contextlib.contextmanager
def _within(context: Context) -> Iterator[None]:
    """Have a context be current for a while."""
    context.push()
    try:
        yield
    finally:
        context.pop()


def _share_a_node(one: Context, other: Context) -> bool:
    """Whether one session has both, and its node copies between contexts."""
    session = one._lower._session
    return session is other._lower._session and CONTEXT_COPIES in session.connection.features


def _copy_there(
    target: Context, source: Context, to: int, from_: int, count: int, stream: Stream | None
) -> None:
    """Post a copy between contexts of a session; without a stream, in order with all of both."""
    buffers = (
        source._addresses.find(from_, count, ROUTINE),
        target._addresses.find(to, count, ROUTINE),
    )
    (from_buffer, from_offset), (to_buffer, to_offset) = buffers
    home = target if stream is None else stream._context
    session, lane, null = home._lower._session, home._lane(stream, ROUTINE), source._lanes.null
    locks = sorted((target._lanes.lock, source._lanes.lock), key=id)
    with calling(ROUTINE), locks[0], locks[1]:
        waits = list(home._lanes.before(lane) or ())
        event = marker = 0
        if stream is None:
            event, marker = session.new_handle(), session.new_handle()
            session.post(m.EnqueueMarker(null.queue._handle, marker, source._lanes.before(null)))
            waits.append(marker)
        handles = (lane.queue._handle, from_buffer._use(ROUTINE), to_buffer._use(ROUTINE))
        session.post(m.EnqueueCopyBuffer(*handles, from_offset, to_offset, count, event, waits or None))
        if stream is None:
            session.post(m.EnqueueBarrier(null.queue._handle, 0, [event]))
            session.release(event)
            session.release(marker)
