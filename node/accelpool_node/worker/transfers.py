"""Bulk bytes between the connection and device memory, with as few copies as the moment allows.

A large write to an idle in-order queue maps the buffer, and the socket fills the mapping itself; other
writes are staged in host memory and follow the queue's order. A large blocking read maps the buffer and the
socket sends the mapping, while the queue is held; other reads are staged, so that what follows them in the
queue may overwrite the buffer at once. Where host and device share memory a mapping is the memory itself.

What waits for a user event that is not set is staged, and never waited for: where it leaves no room for more,
that is refused.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.gates import Gate
from accelpool_node.worker.objects import BufferObject, QueueObject, SpanEvent
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

MAP_FROM_BYTES = 64 * 1024
MAP_READ = 1 << 0
MAP_WRITE_INVALIDATE = 1 << 2


@dataclass(kw_only=True)
class Intake:
    """Where a write's payload goes: a mapping, or staging memory."""

    view: memoryview
    mapping: Any = None
    mapped: Any = None


@dataclass(kw_only=True, eq=False)
class Staged:
    """Bytes of a write that wait in host memory until the write is complete."""

    size: int
    event: Any
    gate: Gate | None

    @property
    def is_held(self) -> bool:
        """Whether a user event must be set first."""
        return self.gate is not None and not self.gate.is_open


@dataclass(kw_only=True, eq=False)
class Outlet:
    """Where a read's payload comes from: valid once `event` is complete, to be closed when sent."""

    view: memoryview
    event: Any
    mapping: Any = None
    gate: Gate | None = None

    @property
    def is_held(self) -> bool:
        """Whether a user event must be set first."""
        return self.gate is not None and not self.gate.is_open


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
        self._staged: deque[Staged] = deque()
        self._reads: set[Outlet] = set()
        self._read_room = threading.Condition()

    def open_write(
        self,
        queue: QueueObject,
        buffer: BufferObject,
        offset: int,
        size: int,
        wait_for: Sequence[Any] | None,
        gate: Gate | None = None,
    ) -> Intake:
        """Return where a payload of `size` bytes should be received.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: the write is behind a gate, and there is no room for it.
        """
        may_stage = self._may_stage(size)
        is_fast = size >= MAP_FROM_BYTES and self._is_idle(queue, wait_for)
        if gate is None and (is_fast or not may_stage):
            mapping, view, mapped = self._backend.enqueue_map_buffer(
                queue.handle, buffer.handle, MAP_WRITE_INVALIDATE, offset, size, wait_for
            )
            self._completion.wait(mapped)
            status = self._completion.status(mapped)
            if status < 0:
                raise error_for("clEnqueueWriteBuffer", status, "the buffer could not be mapped")
            return Intake(view=view, mapping=mapping, mapped=mapped)
        if not may_stage:
            raise self._refused("clEnqueueWriteBuffer", size)
        self._make_room(size)
        return Intake(view=memoryview(bytearray(size)))

    def close_write(
        self,
        intake: Intake,
        queue: QueueObject,
        buffer: BufferObject,
        offset: int,
        wait_for: Sequence[Any] | None,
        gate: Gate | None = None,
    ) -> Any:
        """Enqueue what makes the received payload the buffer's content; return its event."""
        if intake.mapping is not None:
            unmapped = self._backend.enqueue_unmap(queue.handle, intake.mapping)
            return SpanEvent(first=intake.mapped, last=unmapped)
        event = self._backend.enqueue_write_buffer(queue.handle, buffer.handle, intake.view, offset, wait_for)
        self.note_staged(intake, event, gate)
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
        gate: Gate | None = None,
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
            return Outlet(view=view, event=event, mapping=mapping)

        def enqueue(target: memoryview) -> Any:
            return self._backend.enqueue_read_buffer(queue.handle, buffer.handle, target, offset, wait_for)

        return self.stage_read(size, enqueue, gate)

    def stage_write(self, size: int, gate: Gate | None, routine: str) -> Intake:
        """Return host memory for a payload that is not written to one range of a buffer.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: writes behind gates leave no room for it.
        """
        is_held = gate is not None or any(staged.is_held for staged in self._staged)
        if is_held and not self._may_stage(size):
            raise self._refused(routine, size)
        self._make_room(size)
        return Intake(view=memoryview(bytearray(size)))

    def note_staged(self, intake: Intake, event: Any, gate: Gate | None) -> None:
        """Note the command that writes a payload from where it is staged."""
        size = intake.view.nbytes
        self._staged.append(Staged(size=size, event=event, gate=gate))
        self._staged_bytes += size

    def stage_read(self, size: int, enqueue: Callable[[memoryview], Any], gate: Gate | None) -> Outlet:
        """Enqueue a read into host memory, by calling what enqueues it; return where its bytes will be.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: reads behind gates leave no room for it.
        """
        self._await_read_room(size)
        target = memoryview(bytearray(size))
        outlet = Outlet(view=target, event=enqueue(target), gate=gate)
        if size >= MAP_FROM_BYTES:
            with self._read_room:
                self._reads.add(outlet)
        return outlet

    def close_read(self, outlet: Outlet, queue: QueueObject) -> None:
        """Give back what the sent bytes lay in.

        Raises:
            Error: The mapping could not be ended; the queue goes on.
        """
        if outlet.mapping is None:
            with self._read_room:
                self._reads.discard(outlet)
                self._read_room.notify_all()
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
        while self._staged and self._completion.status(self._staged[0].event) <= 0:
            self._staged_bytes -= self._staged.popleft().size

    def _await_read_room(self, size: int) -> None:
        """Wait until earlier reads have left enough room in host memory; small ones need none."""
        if size >= MAP_FROM_BYTES:
            with self._read_room:
                self._read_room.wait_for(
                    lambda: self._has_read_room(size) or all(read.is_held for read in self._reads)
                )
                if not self._has_read_room(size):
                    raise self._refused("clEnqueueReadBuffer", size)

    def _has_read_room(self, size: int) -> bool:
        return not self._reads or sum(r.view.nbytes for r in self._reads) + size <= self._staged_limit

    def _refused(self, routine: str, size: int) -> Error:
        """Return the error of a transfer that has no room because of user events that are not set."""
        limit = self._staged_limit
        what = f"{size} bytes; {limit} may wait in the node's memory for user events that are not set"
        return error_for(routine, ErrorCode.OUT_OF_RESOURCES, what)

    def _is_idle(self, queue: QueueObject, wait_for: Sequence[Any] | None) -> bool:
        """Whether a write could run at once, so that waiting for its mapping holds nobody up."""
        if not self._completion.may_wait_here():
            return False
        before = [*(wait_for or ()), *([queue.newest] if queue.newest is not None else ())]
        return all(self._completion.status(event) <= 0 for event in before)

    def _may_stage(self, size: int) -> bool:
        """Whether there is room for a write, once what may be waited for is written."""
        if self._staged_bytes + size <= self._staged_limit:
            return True
        return size + sum(staged.size for staged in self._staged if staged.is_held) <= self._staged_limit

    def _make_room(self, size: int) -> None:
        """Drop what is written; wait for the oldest that may be waited for if too much is not."""
        self.drop_written()
        if self._staged_bytes + size <= self._staged_limit:
            return
        for staged in [staged for staged in self._staged if not staged.is_held]:
            self._completion.wait(staged.event)
            self._staged.remove(staged)
            self._staged_bytes -= staged.size
            if self._staged_bytes + size <= self._staged_limit:
                return
