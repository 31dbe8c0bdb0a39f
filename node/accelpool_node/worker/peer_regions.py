"""Regions of buffers that are in use by another node for a while.

Such a region is mapped, so that the network reads or fills device memory itself where host and device share
memory. A user event, the gate, stands for the other node: whatever the client has wait for the transfer waits
for the gate. The mapping is ended through a queue of ours, past what already waits at the gate.

    in-order queue       map ── map ── barrier(gates) ── the next other command
    out-of-order queue   map, marker(gate)

In an in-order queue the barrier is put off until another command follows, or another transfer of the same
buffer: transfers of different buffers do not wait for each other, lest two nodes that both send before they
receive wait for each other for ever. For the session a transfer is a user event that the worker sets: see
`gates`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.completion import Completion
from accelpool_node.worker.gates import Gate, TransferEvent, closed
from accelpool_node.worker.holdings import Holdings, check_region
from accelpool_node.worker.objects import BufferObject, Failure, LooseTransfer, QueueObject
from accelpool_node.worker.user_events import UserEvents
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

ROUTINE = "clEnqueueMigrateMemObjects"
MAP_READ, MAP_WRITE_INVALIDATE = 1 << 0, 1 << 2
MAX_WHAT = 2000  # characters of what went wrong
MAX_PENDING = 2048  # transfers of a session that are not over; each may have a connection


@dataclass(kw_only=True, eq=False, slots=True)
class PeerRegion:
    """A region in use by another node.

    Attributes:
        command: The number of the client's message.
        kind: Its name, for people.
        queue: Where later commands wait for it.
        view: The region's bytes, valid once it is free.
        ungated: Done once it waits for no user event and no other transfer, but for the device alone.
        mapping: The backend's.
        mapped: The backend's event at whose end the region is free.
        event: The backend's user event that ends with the transfer.
        gate: What waits for that has it.
        side_queue: Where the mapping is ended.
        is_given_back: Whether it has been, or at least tried.
    """

    command: int
    kind: str
    queue: QueueObject
    view: memoryview
    mapping: Any
    mapped: Any
    event: Any
    gate: Gate
    side_queue: Any
    ungated: Future[None] = field(default_factory=Future)
    is_given_back: bool = False


class PeerRegions:
    """Opens and closes such regions for one session.

    Args:
        backend: Whose memory it is.
        holdings: The session's objects.
        completion: Knows the state of events.
        user_events: Those of the client, and ours.
        stick: Has a failure stick to a queue, or to the session if the queue is gone.
        turn: Held while a message of the session is carried out.
    """

    def __init__(
        self,
        backend: Backend,
        holdings: Holdings,
        completion: Completion,
        user_events: UserEvents,
        stick: Callable[[QueueObject, Failure], None],
        turn: threading.Lock,
    ) -> None:
        self._backend = backend
        self._holdings = holdings
        self._completion = completion
        self._user_events = user_events
        self._stick = stick
        self._turn = turn
        self._pending = 0

    def open(self, message: m.SendBuffer | m.ReceiveBuffer, command: int) -> PeerRegion:
        """Enqueue what makes a region another node's, and make the command's event.

        Raises:
            Error: It cannot be enqueued; nothing was.
        """
        holdings = self._holdings
        queue = holdings.queue_as_it_is(message.queue, ROUTINE)
        buffer = holdings.buffers.get(message.buffer, ROUTINE)
        check_region(buffer, message.offset, message.size, ROUTINE)
        wait_for = holdings.wait_list(message.wait_for, ROUTINE)
        if message.event:
            holdings.events.claim(message.event, ROUTINE)
        if self._pending >= MAX_PENDING:
            what = f"{MAX_PENDING} transfers between nodes are under way; the limit is that"
            raise error_for(ROUTINE, ErrorCode.OUT_OF_RESOURCES, what)
        root = buffer.parent or buffer
        queue.loose = [transfer for transfer in queue.loose if not transfer.gate.is_open]
        if any(transfer.buffer is root for transfer in queue.loose):
            holdings.hold(queue)
        before = self._user_events.gate(message, queue)
        region = self._map(message, command, queue, buffer, wait_for)
        self._pending += 1
        if before is None:
            region.ungated.set_result(None)
        else:
            before.park(lambda: region.ungated.set_result(None))
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
        mapping, view, mapped = backend.enqueue_map_buffer(
            queue.handle, buffer.handle, flags, message.offset, message.size, wait_for
        )
        event, gate = self._user_events.begin(context)
        region = PeerRegion(
            command=command,
            kind=type(message).__name__,
            queue=queue,
            view=view,
            mapping=mapping,
            mapped=mapped,
            event=event,
            gate=gate,
            side_queue=side_queue,
        )
        try:
            last = event if queue.is_in_order else backend.enqueue_marker(queue.handle, [event])
            backend.flush(queue.handle)
        except Error:
            backend.enqueue_unmap(side_queue, mapping)
            self._user_events.end(event, gate, ErrorCode.OUT_OF_RESOURCES, None)
            raise
        self._note(region, buffer.parent or buffer, message.event, last)
        return region

    def _note(self, region: PeerRegion, buffer: BufferObject, handle: int, last: Any) -> None:
        """Note the command's event, and that what follows it waits for it."""
        queue, gate = region.queue, region.gate
        newest = TransferEvent(event=last, gate=gate, cause=gate)
        queue.newest, queue.newest_command = newest, region.command
        queue.gate = closed([queue.gate, gate])
        if queue.is_in_order:
            queue.cause = closed([queue.cause, gate])
            queue.loose.append(LooseTransfer(buffer=buffer, event=region.event, gate=gate))
        if handle:
            self._holdings.events.items[handle] = newest

    # ---- from a thread of the transfer's own, once the region is ungated ---------------------------------

    def wait_until_free(self, region: PeerRegion) -> None:
        """Wait until the session's own earlier commands are done with a region.

        Raises:
            Error: One that it waits for has failed.
        """
        status = self._completion.wait_in_thread(region.mapped)
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
        status = self._completion.wait_in_thread(unmapped)
        if status < 0:
            raise error_for(ROUTINE, status, "the mapping could not be ended")

    def succeed(self, region: PeerRegion) -> None:
        """Complete the command of a region that was given back."""
        self._end(region, None)

    def fail(self, region: PeerRegion, code: int, why: str) -> None:
        """Give a region back, whatever state it is in, and end its command with a failure."""
        with contextlib.suppress(Error):  # there is a failure already
            self._completion.wait_in_thread(region.mapped)
            if not region.is_given_back:
                self.give_back(region)
        self._end(region, _failure(region, code, why))

    def _end(self, region: PeerRegion, failure: Failure | None) -> None:
        with self._turn:
            self._pending -= 1
            if failure is not None:
                self._stick(region.queue, failure)
            try:  # to the driver it is a success: PoCL aborts where commands in order follow a failed one
                self._user_events.end(region.event, region.gate, 0, failure)
            except Error as error:
                what = f"its event cannot be completed: {error}"
                self._stick(region.queue, _failure(region, error.code, what))


def _failure(region: PeerRegion, code: int, why: str) -> Failure:
    what = f"command {region.command} ({region.kind}): {why}"[:MAX_WHAT]
    return Failure(command=region.command, routine=ROUTINE, code=code, what=what)
