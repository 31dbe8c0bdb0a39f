"""User events, and which commands wait for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.gates import Gate, GatedEvent, UserEvent, cause_of, closed, gate_before
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import ContextObject, Failure, QueueObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

LEAST_STATUS = -(1 << 31)
AWAITING_ALL = (m.EnqueueMarker, m.EnqueueBarrier, m.Finish)  # without a wait list
TRANSFERS = (m.SendBuffer, m.ReceiveBuffer)


class UserEvents:
    """The user events of a session.

    Args:
        backend: Where they are made.
        holdings: The session's objects.

    Attributes:
        unset: How many are not set; while there are any, the session's own thread waits for no device.
    """

    def __init__(self, backend: Backend, holdings: Holdings) -> None:
        self.unset = 0
        self._backend = backend
        self._holdings = holdings

    def create(self, message: m.CreateUserEvent) -> None:
        """Make a user event."""
        routine, holdings = "clCreateUserEvent", self._holdings
        holdings.events.claim(message.event, routine)
        context = holdings.contexts.get(message.context, routine)
        event, gate = self.begin(context)
        holdings.events.items[message.event] = UserEvent(event=event, gate=gate, cause=gate)

    def begin(self, context: ContextObject) -> tuple[Any, Gate]:
        """Return a user event of the backend, and the gate of what waits for it."""
        event = self._backend.create_user_event(context.handle)
        self.unset += 1
        return event, Gate()

    def end(self, event: Any, gate: Gate, status: int, failure: Failure | None) -> None:
        """Set a user event of the backend, and open its gate.

        Raises:
            Error: The backend cannot set it; the gate is open all the same.
        """
        self.unset -= 1
        try:
            self._backend.set_user_event_status(event, status)
        finally:
            gate.open(failure)

    def set_status(self, message: m.SetUserEventStatus, command: int) -> None:
        """Complete a user event, or end it with an error."""
        routine, status = "clSetUserEventStatus", message.status
        event = self._holdings.events.get(message.event, routine)
        if not isinstance(event, UserEvent):
            raise error_for(routine, ErrorCode.INVALID_EVENT, f"event {message.event} is no user event")
        if not LEAST_STATUS <= status <= 0:
            what = f"status {status}; 0 or an error code, which is negative, is possible"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        if event.gate.is_open:
            what = f"user event {message.event} is set already, which is possible once"
            raise error_for(routine, ErrorCode.INVALID_OPERATION, what)
        self._set(event, status, command, f"user event {message.event} was set to {status}")

    def release(self, message: m.Release, command: int) -> None:
        """End the user events not set among handles to be released: nobody could set them any more."""
        for handle in message.handles if self.unset else ():
            event = self._holdings.events.items.get(handle)
            if isinstance(event, UserEvent) and not event.gate.is_open:
                what = f"user event {handle} was released before it was set"
                self._set(event, ErrorCode.INVALID_EVENT, command, what)

    def _set(self, event: UserEvent, status: int, command: int, what: str) -> None:
        routine = "clSetUserEventStatus"
        failure = Failure(command=command, routine=routine, code=status, what=what) if status else None
        self.end(event.event, event.gate, status, failure)

    # ---- commands that wait for them ---------------------------------------------------------------------

    def gate(self, message: Any, queue: QueueObject) -> Gate | None:
        """Return the gate of a command that is to be enqueued, or None if it has none."""
        if not self.unset:
            return None
        waited = self._waited(message)
        awaits_all = not waited and isinstance(message, AWAITING_ALL)
        is_transfer = isinstance(message, TRANSFERS)
        return gate_before(queue, waited, awaits_all=awaits_all, is_transfer=is_transfer)

    def gated(self, message: Any, queue: QueueObject, event: Any) -> Any:
        """Return a command's event as it is, or with the command's gate."""
        return event if not self.unset else self._with_gate(message, queue, event, self.gate(message, queue))

    def note(self, message: m.Message, command: int) -> None:
        """Take a message into account that has been carried out: a command, it may be behind a gate."""
        queue = self._holdings.queues.items.get(getattr(message, "queue", 0))
        if queue is None or queue.newest_command != command:
            return  # nothing was enqueued
        gate = self.gate(message, queue)
        if gate is None:
            return
        handle, items = getattr(message, "event", 0), self._holdings.events.items
        queue.newest = event = self._with_gate(message, queue, queue.newest, gate)
        if handle in items:
            items[handle] = event
        queue.gate = closed([queue.gate, gate])
        if queue.is_in_order or isinstance(message, m.EnqueueBarrier):
            queue.barrier = closed([queue.barrier, gate])

    def _with_gate(self, message: Any, queue: QueueObject, event: Any, gate: Gate | None) -> Any:
        if gate is None or isinstance(event, GatedEvent):
            return event
        cause = closed([queue.cause, cause_of(self._waited(message))])
        return GatedEvent(event=event, gate=gate, cause=cause)

    def _waited(self, message: Any) -> Sequence[Any]:
        items = self._holdings.events.items
        return [items[handle] for handle in getattr(message, "wait_for", None) or () if handle in items]
