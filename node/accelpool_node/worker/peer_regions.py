"""Regions of buffers that are in use by another node for a while.

Such a region is mapped, so that the network reads or fills device memory itself where host and device share
memory. A user event, the gate, stands for the other node: whatever the client has wait for the transfer waits
for the gate. The mapping is ended through a queue of ours, past what already waits at the gate.

    in-order queue       map ── map ── barrier(gates) ── the next other command
    out-of-order queue   map, marker(gate)

In an in-order queue the barrier is put off until another command follows, or another transfer of the same
buffer: transfers of different buffers do not wait for each other, lest two nodes that both send before they
receive wait for each other for ever.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.holdings import Holdings, check_region
from accelpool_node.worker.objects import BufferObject, Failure, QueueObject, TransferEvent
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

ROUTINE = "clEnqueueMigrateMemObjects"
MAP_READ, MAP_WRITE_INVALIDATE = 1 << 0, 1 << 2
MAX_PENDING = 4096  # transfers of a session that are not over


@dataclass(kw_only=True, eq=False, slots=True)
class PeerRegion:
    """A region in use by another node.

    Attributes:
        command: The number of the client's message.
        kind: Its name, for people.
        queue: Where later commands wait for it.
        view: The region's bytes, valid once it is free.
        mapping: The backend's.
        gate: The user event that completes it.
        event: The command's event.
        side_queue: Where the mapping is ended.
        is_given_back: Whether it has been, or at least tried.
    """

    command: int
    kind: str
    queue: QueueObject
    view: memoryview
    mapping: Any
    gate: Any
    event: TransferEvent
    side_queue: Any
    is_given_back: bool = False


class PeerRegions:
    """Opens and closes such regions for one session.

    Args:
        backend: Whose memory it is.
        holdings: The session's objects.
        completion: Knows the state of events.
        stick: Has a failure stick to a queue, or to the session if the queue is gone.
    """

    def __init__(
        self,
        backend: Backend,
        holdings: Holdings,
        completion: Completion,
        stick: Callable[[QueueObject, Failure], None],
    ) -> None:
        self._backend = backend
        self._holdings = holdings
        self._completion = completion
        self._stick = stick

    def open(self, message: m.SendBuffer | m.ReceiveBuffer, command: int) -> PeerRegion:
        """Enqueue what makes a region another node's, and make the command's event.

        Raises:
            Error: It cannot be enqueued; nothing was.
        """
        holdings, waits = self._holdings, self._completion.peer_waits
        queue = holdings.queue_as_it_is(message.queue, ROUTINE)
        buffer = holdings.buffers.get(message.buffer, ROUTINE)
        check_region(buffer, message.offset, message.size, ROUTINE)
        wait_for = holdings.wait_list(message.wait_for, ROUTINE)
        if message.event:
            holdings.events.claim(message.event, ROUTINE)
        if waits.pending >= MAX_PENDING:
            what = f"{waits.pending} transfers between nodes are under way; the limit is that"
            raise error_for(ROUTINE, ErrorCode.OUT_OF_RESOURCES, what)
        root = buffer.parent or buffer
        if any(event.buffer is root for event in queue.loose):
            holdings.hold(queue)
        region = self._map(message, command, queue, buffer, wait_for)
        self._note(region, message.event)
        waits.began()
        return region

    def _map(
        self,
        message: m.SendBuffer | m.ReceiveBuffer,
        command: int,
        queue: QueueObject,
        buffer: BufferObject,
        wait_for: list[Any] | None,
    ) -> PeerRegion:
        backend, context = self._backend, queue.context
        flags = MAP_READ if isinstance(message, m.SendBuffer) else MAP_WRITE_INVALIDATE
        side_queue = context.side_queues.get(queue.device.name)
        if side_queue is None:
            side_queue = backend.create_command_queue(context.handle, queue.device, 0)
            context.side_queues[queue.device.name] = side_queue
        gate = backend.create_user_event(context.handle)
        mapping, view, mapped = backend.enqueue_map_buffer(
            queue.handle, buffer.handle, flags, message.offset, message.size, wait_for
        )
        try:
            last = gate if queue.is_in_order else backend.enqueue_marker(queue.handle, [gate])
            backend.flush(queue.handle)
        except Exception:
            backend.enqueue_unmap(side_queue, mapping)
            raise
        event = TransferEvent(first=mapped, last=last, buffer=buffer.parent or buffer)
        return PeerRegion(
            command=command,
            kind=type(message).__name__,
            queue=queue,
            view=view,
            mapping=mapping,
            gate=gate,
            event=event,
            side_queue=side_queue,
        )

    def _note(self, region: PeerRegion, handle: int) -> None:
        """Note the command's event."""
        queue = region.queue
        queue.newest, queue.newest_command = region.event, region.command
        if queue.is_in_order:
            queue.loose.append(region.event)
        if handle:
            self._holdings.events.items[handle] = region.event

    # ---- from a thread of the transfer's own -------------------------------------------------------------

    def wait_until_free(self, region: PeerRegion) -> None:
        """Wait until the session's own earlier commands are done with a region.

        Raises:
            Error: One that it waits for has failed.
        """
        mapped = region.event.first
        self._completion.wait(mapped)
        status = self._completion.status(mapped)
        if status < 0:
            raise error_for(ROUTINE, status, "a command that it waits for has failed")

    def give_back(self, region: PeerRegion) -> None:
        """Make a region the session's own again: what the network wrote is in place afterwards.

        Raises:
            Error: It could not be.
        """
        region.is_given_back = True
        unmapped = self._backend.enqueue_unmap(region.side_queue, region.mapping)
        self._backend.flush(region.side_queue)
        self._completion.wait(unmapped)
        status = self._completion.status(unmapped)
        if status < 0:
            raise error_for(ROUTINE, status, "the mapping could not be ended")

    def succeed(self, region: PeerRegion) -> None:
        """Complete the command of a region that was given back."""
        self._end(region, 0)

    def fail(self, region: PeerRegion, code: int, why: str) -> None:
        """Give a region back, whatever state it is in, and end its command with a failure."""
        with contextlib.suppress(Error):  # there is a failure already
            self._completion.wait(region.event.first)
            if not region.is_given_back:
                self.give_back(region)
        failure = _failure(region, code, why)
        self._stick(region.queue, failure)  # before the event has it: see `Session._enqueue_read_buffer`
        region.event.failure = failure
        self._end(region, code)

    def _end(self, region: PeerRegion, status: int) -> None:
        self._completion.peer_waits.ended()
        try:
            self._backend.set_user_event_status(region.gate, status)
        except Error as error:  # nothing will complete it any more: better a failure that is told
            failure = _failure(region, error.code, f"its event cannot be completed: {error}")
            region.event.failure = region.event.failure or failure
            self._stick(region.queue, failure)


def _failure(region: PeerRegion, code: int, why: str) -> Failure:
    what = f"command {region.command} ({region.kind}): {why}"
    return Failure(command=region.command, routine=ROUTINE, code=code, what=what)
