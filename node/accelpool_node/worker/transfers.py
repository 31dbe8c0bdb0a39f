"""Bulk bytes between the connection and device memory, with as few copies as the moment allows.

A large write to an idle in-order queue maps the buffer, and the socket fills the mapping itself; other
writes are staged in host memory and follow the queue's order. A large blocking read maps the buffer and the
socket sends the mapping, while the queue is held; other reads are staged, so that what follows them in the
queue may overwrite the buffer at once. Where host and device share memory a mapping is the memory itself.

What there is no room to stage as a whole is staged in bands, a command each, and the connection serves
nothing else until the last one is received or sent.

What waits for a user event that is not set is staged, and never waited for: where it leaves no room for more,
that is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from accelpool_node.backends.base import Backend
from accelpool_node.worker.bands import Band, Bulk
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.gates import Gate
from accelpool_node.worker.objects import BufferObject, QueueObject, SpanEvent
from accelpool_node.worker.staging import SMALL_BYTES, Staged, StagedReads, StagedWrites
from accelpool_wire.errors import error_for

MAP_FROM_BYTES = 64 * 1024
MAP_READ = 1 << 0
MAP_WRITE_INVALIDATE = 1 << 2
BANDS = 4  # that there is room for: one is sent, one waits to be let go, one is read


class Intake(Protocol):
    """Where a write's payload goes."""

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        ...

    def next_view(self) -> memoryview:
        """Return where the next part of the payload goes, once what was given out before is full."""
        ...

    def close(self) -> Any:
        """Enqueue what makes the received payload the memory's content; return the write's event."""
        ...


@dataclass(frozen=True, kw_only=True)
class MappedIntake:
    """A mapping of the buffer."""

    backend: Backend
    queue: QueueObject
    view: memoryview
    mapping: Any
    mapped: Any

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return self.view.nbytes

    def next_view(self) -> memoryview:
        """Return the mapping's memory."""
        return self.view

    def close(self) -> SpanEvent:
        """End the mapping."""
        unmapped = self.backend.enqueue_unmap(self.queue.handle, self.mapping)
        return SpanEvent(first=self.mapped, last=unmapped)


class StagedIntake:
    """Host memory for a payload as a whole.

    Args:
        size: Bytes of the payload.
        enqueue: Enqueues the write of it; returns the event.
        room: Where there is room for it.
        gate: What the write waits for.
    """

    __slots__ = ("_enqueue", "_gate", "_room", "_view", "size")

    def __init__(
        self, size: int, enqueue: Callable[[memoryview], Any], room: StagedWrites, gate: Gate | None
    ) -> None:
        self.size = size
        self._enqueue = enqueue
        self._room = room
        self._gate = gate
        self._view = memoryview(b"")

    def next_view(self) -> memoryview:
        """Return the host memory."""
        self._room.make_room(self.size)
        self._view = memoryview(bytearray(self.size))
        return self._view

    def close(self) -> Any:
        """Enqueue the write."""
        event = self._enqueue(self._view)
        self._room.note(self.size, event, self._gate)
        return event


class BandedIntake:
    """Host memory for one band after the other.

    Args:
        bulk: What is written.
        bands: Its bands.
        room: Where there is room for them.
        queue: Where to; it knows all that is enqueued, even if the write fails halfway.
        wait_for: The wait list of the first band; each other waits for the one before it.
    """

    def __init__(
        self,
        bulk: Bulk,
        bands: Iterator[Band],
        room: StagedWrites,
        queue: QueueObject,
        wait_for: Sequence[Any] | None,
    ) -> None:
        self.size = bulk.size
        self._bulk = bulk
        self._bands = bands
        self._room = room
        self._queue = queue
        self._wait_for = wait_for
        self._arriving: tuple[memoryview, Band] | None = None
        self._span: SpanEvent | None = None

    def next_view(self) -> memoryview:
        """Enqueue the band that has arrived, if any; return host memory for the next one."""
        if self._arriving is not None:
            self._queue.newest = self.close()
        band = next(self._bands)
        self._room.make_room(band.size)
        self._arriving = memoryview(bytearray(band.size)), band
        return self._arriving[0]

    def close(self) -> SpanEvent:
        """Enqueue the band that has arrived; return the event of all so far."""
        assert self._arriving is not None, "there is a view for every part of the payload"
        (view, band), self._arriving = self._arriving, None
        event = self._bulk.enqueue(view, band, self._wait_for)
        self._room.note(band.size, event, None)
        self._span = self._span or SpanEvent(first=event, last=event)
        self._span.last, self._wait_for = event, [event]
        return self._span


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """A payload that is sent piece by piece.

    Attributes:
        size: Bytes of all pieces.
        views: The pieces; each is there when it is asked for, and valid until the next one is.
    """

    size: int
    views: Iterator[memoryview]


@dataclass(kw_only=True, eq=False)
class Outlet:
    """Where a read's payload comes from: valid once `event` is complete, to be closed when sent."""

    payload: memoryview | Pieces
    event: Any
    mapping: Any = None
    staged: Staged | None = None
    kept: Any = None


class Transfers:
    """Moves bulk bytes for one session.

    Args:
        backend: Whose memory it is.
        completion: Knows the state of events.
        staged_limit: Bytes that may wait in host memory at once, each way; beyond it the connection waits.
    """

    def __init__(self, backend: Backend, completion: Completion, staged_limit: int) -> None:
        self._backend = backend
        self._completion = completion
        self._staged_limit = staged_limit
        self._writes = StagedWrites(completion, staged_limit)
        self._reads = StagedReads(staged_limit)
        self.drop_written = self._writes.drop_written

    # ---- buffers -----------------------------------------------------------------------------------------

    def open_write(
        self,
        queue: QueueObject,
        buffer: BufferObject,
        offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
        gate: Gate | None,
    ) -> Intake:
        """Return where a payload of `size` bytes should be received.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: the write is behind a gate, and there is no room for it.
        """
        routine, backend = "clEnqueueWriteBuffer", self._backend
        is_fast = size >= MAP_FROM_BYTES and self._is_idle(queue, wait_for)
        if not is_fast and size <= self._writes.left:  # most writes: as a whole, without bands
            in_queue, memory = queue.handle, buffer.handle
            return StagedIntake(
                size,
                lambda view: backend.enqueue_write_buffer(in_queue, memory, view, offset, wait_for),
                self._writes,
                gate,
            )
        if gate is None and (is_fast or not self._writes.may_have(size)):
            mapping, view, mapped = self._backend.enqueue_map_buffer(
                queue.handle, buffer.handle, MAP_WRITE_INVALIDATE, offset, size, wait_for
            )
            status = self._completion.wait(mapped)
            if status < 0:
                raise error_for(routine, status, "the buffer could not be mapped")
            return MappedIntake(backend=self._backend, queue=queue, view=view, mapping=mapping, mapped=mapped)

        def enqueue(view: memoryview, band: Band, waits: Sequence[Any] | None) -> Any:
            return self._backend.enqueue_write_buffer(
                queue.handle, buffer.handle, view, band.origin[0], waits
            )

        bulk = Bulk((offset, 0, 0), (size, 1, 1), 1, size, enqueue)
        return self.stage_write(queue, bulk, wait_for, gate, routine)

    def open_read(
        self,
        queue: QueueObject,
        buffer: BufferObject,
        offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
        gate: Gate | None,
        *,
        may_map: bool,
    ) -> Outlet:
        """Enqueue a read; return where its bytes will be.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: reads behind gates leave no room for it.
        """
        if may_map and gate is None and size >= MAP_FROM_BYTES:
            mapping, view, event = self._backend.enqueue_map_buffer(
                queue.handle, buffer.handle, MAP_READ, offset, size, wait_for
            )
            queue.sending = threading.Event()
            allocation = (buffer.parent or buffer).allocation
            return Outlet(payload=view, event=event, mapping=mapping, kept=allocation)
        if size < SMALL_BYTES:  # most reads: as a whole, without bands and without room of their own
            view = memoryview(bytearray(size))
            event = self._backend.enqueue_read_buffer(queue.handle, buffer.handle, view, offset, wait_for)
            return Outlet(payload=view, event=event)

        def enqueue(view: memoryview, band: Band, waits: Sequence[Any] | None) -> Any:
            return self._backend.enqueue_read_buffer(queue.handle, buffer.handle, view, band.origin[0], waits)

        bulk = Bulk((offset, 0, 0), (size, 1, 1), 1, size, enqueue)
        return self.stage_read(queue, bulk, wait_for, gate, "clEnqueueReadBuffer")

    # ---- anything ----------------------------------------------------------------------------------------

    def stage_write(
        self,
        queue: QueueObject,
        bulk: Bulk,
        wait_for: Sequence[Any] | None,
        gate: Gate | None,
        routine: str,
    ) -> Intake:
        """Return host memory for a payload, as a whole or one band after the other.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: writes behind gates leave no room for it.
        """
        band_bytes = self._band_bytes(bulk, gate)
        self._writes.check(band_bytes, routine)
        if band_bytes == bulk.size:
            whole = bulk.whole()
            return StagedIntake(
                bulk.size, lambda view: bulk.enqueue(view, whole, wait_for), self._writes, gate
            )
        return BandedIntake(bulk, bulk.bands(band_bytes), self._writes, queue, wait_for)

    def stage_read(
        self,
        queue: QueueObject,
        bulk: Bulk,
        wait_for: Sequence[Any] | None,
        gate: Gate | None,
        routine: str,
    ) -> Outlet:
        """Enqueue a read into host memory, or its first band; return where its bytes will be.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: reads behind gates leave no room for it.
        """
        band_bytes = self._band_bytes(bulk, gate)
        is_whole = band_bytes == bulk.size
        staged = self._reads.take(bulk.size if is_whole else (BANDS - 1) * band_bytes, gate, routine)
        bands = iter(()) if is_whole else bulk.bands(band_bytes)
        try:
            view, event = _read_band(bulk, bulk.whole() if is_whole else next(bands), wait_for)
        except BaseException:
            self._reads.give(staged)
            raise
        if is_whole:
            return Outlet(payload=view, event=event, staged=staged)
        span = SpanEvent(first=event, last=event)
        pieces = self._pieces(queue, bulk, bands, view, span, routine)
        return Outlet(payload=Pieces(size=bulk.size, views=pieces), event=span, staged=staged)

    def _band_bytes(self, bulk: Bulk, gate: Gate | None) -> int:
        """Return how much of a transfer is staged at once: all if it fits, or waits for a user event."""
        if bulk.size <= self._staged_limit or gate is not None:
            return bulk.size
        return self._staged_limit // BANDS

    def _pieces(
        self,
        queue: QueueObject,
        bulk: Bulk,
        bands: Iterator[Band],
        view: memoryview,
        span: SpanEvent,
        routine: str,
    ) -> Iterator[memoryview]:
        """Yield a read's bands, the first of which is there, each while the next one is being read.

        Raises:
            Error: A band could not be read.
        """
        for band in bands:
            following, span.last = _read_band(bulk, band, [span.last])
            self._backend.flush(queue.handle)
            yield view
            view = following
            status = self._completion.wait(span.last)
            if status < 0:
                raise error_for(routine, status, "it failed while it ran")
        yield view

    def close_read(self, outlet: Outlet, queue: QueueObject) -> None:
        """Give back what the sent bytes lay in.

        Raises:
            Error: The mapping could not be ended; the queue goes on.
        """
        if outlet.staged is not None:
            self._reads.give(outlet.staged)
        if outlet.mapping is None:
            return
        try:
            self._backend.enqueue_unmap(queue.handle, outlet.mapping)
            self._backend.flush(queue.handle)
        finally:
            sending, queue.sending = queue.sending, None  # before anyone who waits can start the next
            if sending is not None:
                sending.set()

    def _is_idle(self, queue: QueueObject, wait_for: Sequence[Any] | None) -> bool:
        """Whether a write could run at once, so that waiting for its mapping holds nobody up."""
        status = self._completion.status
        if not self._completion.may_wait_here():
            return False
        if queue.newest is not queue.over and status(queue.newest) > 0:
            return False
        return not wait_for or all(status(event) <= 0 for event in wait_for)


def _read_band(bulk: Bulk, band: Band, wait_for: Sequence[Any] | None) -> tuple[memoryview, Any]:
    """Enqueue the read of a band; return where its bytes will be, and its event."""
    view = memoryview(bytearray(band.size))
    return view, bulk.enqueue(view, band, wait_for)
