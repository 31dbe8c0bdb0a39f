"""Bulk bytes between the connection and device memory, with as few copies as the moment allows.

A large write to an idle in-order queue maps the buffer, and the socket fills the mapping itself; other
writes are staged in host memory and follow the queue's order. A large blocking read maps the buffer and the
socket sends the mapping, while the queue is held; other reads are staged, so that what follows them in the
queue may overwrite the buffer at once. Where host and device share memory a mapping is the memory itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.objects import BufferObject, QueueObject, SpanEvent
from accelpool_wire.errors import error_for

MAP_FROM_BYTES = 64 * 1024
MAP_READ = 1 << 0
MAP_WRITE_INVALIDATE = 1 << 2


@dataclass(kw_only=True)
class Intake:
    """Where a write's payload goes: a mapping, or staging memory."""

    view: memoryview
    mapping: Any = None
    mapped: Any = None


@dataclass(kw_only=True)
class Outlet:
    """Where a read's payload comes from: valid once `event` is complete, to be closed when sent."""

    view: memoryview
    event: Any
    mapping: Any = None


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
        self._staged_bytes = 0
        self._staged: deque[tuple[Any, int]] = deque()
        self._read_bytes = 0
        self._read_room = threading.Condition()

    def open_write(
        self, queue: QueueObject, buffer: BufferObject, offset: int, size: int, wait_for: Sequence[Any] | None
    ) -> Intake:
        """Return where a payload of `size` bytes should be received."""
        if size >= MAP_FROM_BYTES and (self._is_idle(queue, wait_for) or size > self._staged_limit):
            mapping, view, mapped = self._backend.enqueue_map_buffer(
                queue.handle, buffer.handle, MAP_WRITE_INVALIDATE, offset, size, wait_for
            )
            self._completion.wait(mapped)
            status = self._completion.status(mapped)
            if status < 0:
                raise error_for("clEnqueueWriteBuffer", status, "the buffer could not be mapped")
            return Intake(view=view, mapping=mapping, mapped=mapped)
        self._make_room(size)
        return Intake(view=memoryview(bytearray(size)))

    def close_write(
        self,
        intake: Intake,
        queue: QueueObject,
        buffer: BufferObject,
        offset: int,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Enqueue what makes the received payload the buffer's content; return its event."""
        if intake.mapping is not None:
            unmapped = self._backend.enqueue_unmap(queue.handle, intake.mapping)
            return SpanEvent(first=intake.mapped, last=unmapped)
        size = intake.view.nbytes
        event = self._backend.enqueue_write_buffer(queue.handle, buffer.handle, intake.view, offset, wait_for)
        self._staged.append((event, size))
        self._staged_bytes += size
        return event

    def open_read(
        self,
        queue: QueueObject,
        buffer: BufferObject,
        offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
        *,
        may_map: bool,
    ) -> Outlet:
        """Enqueue a read; return where its bytes will be."""
        if may_map and size >= MAP_FROM_BYTES:
            mapping, view, event = self._backend.enqueue_map_buffer(
                queue.handle, buffer.handle, MAP_READ, offset, size, wait_for
            )
            queue.sending = threading.Event()
            return Outlet(view=view, event=event, mapping=mapping)
        self._await_read_room(size)
        try:
            target = memoryview(bytearray(size))
            event = self._backend.enqueue_read_buffer(queue.handle, buffer.handle, target, offset, wait_for)
        except Exception:
            self._give_read_room(size)
            raise
        return Outlet(view=target, event=event)

    def stage_write(self, size: int) -> Intake:
        """Return host memory for a payload that is not written to one range of a buffer."""
        self._make_room(size)
        return Intake(view=memoryview(bytearray(size)))

    def note_staged(self, intake: Intake, event: Any) -> None:
        """Note the command that writes a payload from where it is staged."""
        self._staged.append((event, intake.view.nbytes))
        self._staged_bytes += intake.view.nbytes

    def stage_read(self, size: int, enqueue: Callable[[memoryview], Any]) -> Outlet:
        """Enqueue a read into host memory, by calling what enqueues it; return where its bytes will be."""
        self._await_read_room(size)
        try:
            target = memoryview(bytearray(size))
            return Outlet(view=target, event=enqueue(target))
        except Exception:
            self._give_read_room(size)
            raise

    def close_read(self, outlet: Outlet, queue: QueueObject) -> None:
        """Give back what the sent bytes lay in.

        Raises:
            Error: The mapping could not be ended; the queue goes on.
        """
        if outlet.mapping is None:
            self._give_read_room(outlet.view.nbytes)
            return
        try:
            self._backend.enqueue_unmap(queue.handle, outlet.mapping)
            self._backend.flush(queue.handle)
        finally:
            sending, queue.sending = queue.sending, None  # before anyone who waits can start the next
            if sending is not None:
                sending.set()

    def drop_written(self) -> None:
        """Let go of staged bytes that are written."""
        while self._staged and self._completion.status(self._staged[0][0]) <= 0:
            self._staged_bytes -= self._staged.popleft()[1]

    def _await_read_room(self, size: int) -> None:
        """Wait until earlier reads have left enough room in host memory; small ones need none."""
        if size >= MAP_FROM_BYTES:
            with self._read_room:
                self._read_room.wait_for(
                    lambda: not self._read_bytes or self._read_bytes + size <= self._staged_limit
                )
                self._read_bytes += size

    def _give_read_room(self, size: int) -> None:
        if size >= MAP_FROM_BYTES:
            with self._read_room:
                self._read_bytes -= size
                self._read_room.notify_all()

    def _is_idle(self, queue: QueueObject, wait_for: Sequence[Any] | None) -> bool:
        """Whether a write could run at once, so that waiting for its mapping holds nobody up."""
        before = [*(wait_for or ()), *([queue.newest] if queue.newest is not None else ())]
        return all(self._completion.status(event) <= 0 for event in before)

    def _make_room(self, size: int) -> None:
        """Drop what is written; wait for the oldest if too much is not."""
        self.drop_written()
        while self._staged and self._staged_bytes + size > self._staged_limit:
            self._completion.wait(self._staged[0][0])
            self._staged_bytes -= self._staged.popleft()[1]
