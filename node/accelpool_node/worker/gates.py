"""What a session's commands wait for that no device of ours ends: user events that are not set.

The client sets them, or, of those that stand for a transfer to or from another node, the worker itself. Both
happen in turn with the session's messages, so nothing here is locked.

A command that waits for a user event, directly or behind other commands, has a gate; the gate opens once all
those user events are set. Before that nobody waits for the command, neither the session's own thread nor one
of those that wait for it: what is to be done at its end is parked at the gate. So the connection is served
whatever a client leaves unset, and the watchdog takes none of it for a device that hangs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accelpool_node.worker.objects import Failure, QueueObject


class Gate:
    """Opens when its user event is set, or when all gates that it was made from are open.

    Attributes:
        failure: Why what waits here fails: a user event was set to an error. It may be known before all of
            the others are set.
    """

    __slots__ = ("_closed", "_parked", "_successors", "failure")

    def __init__(self, parts: Iterable[Gate] = ()) -> None:
        self.failure: Failure | None = None
        self._parked: list[Callable[[], None]] = []
        self._successors: list[Gate] = []
        self._closed = 0
        for part in parts:
            part._successors.append(self)
            self.failure = self.failure or part.failure
            self._closed += 1
        self._closed = self._closed or 1

    @property
    def is_open(self) -> bool:
        """Whether nothing is waited for any more."""
        return not self._closed

    def park(self, then: Callable[[], None]) -> None:
        """Have something done once the gate is open; it is not yet."""
        self._parked.append(then)

    def open(self, failure: Failure | None = None) -> None:
        """Open a user event's gate, and do what is parked where nothing else is waited for."""
        parked: list[Callable[[], None]] = []
        self.failure = failure
        arrived = [self]
        while arrived:
            gate = arrived.pop()
            gate._closed -= 1
            for successor in gate._successors:
                successor.failure = successor.failure or gate.failure
            if gate.is_open:
                arrived += gate._successors
                parked += gate._parked
                gate._successors, gate._parked = [], []
        for then in parked:
            then()


@dataclass(frozen=True, kw_only=True, eq=False)
class GatedEvent:
    """The event of a command behind a gate.

    Attributes:
        event: The backend's, or what else stands for a command's event.
        gate: Opens when all user events are set that keep the command from running.
        cause: That of the user events whose failure is the command's: those in its wait list, directly or
            through other commands' wait lists, and those of transfers before it in an in-order queue. None
            where only the order in the queue makes it wait for a user event of the client.
    """

    event: Any
    gate: Gate
    cause: Gate | None = None

    @property
    def failure(self) -> Failure | None:
        """Why the command fails, as far as user events are to blame."""
        return None if self.cause is None else self.cause.failure


@dataclass(frozen=True, kw_only=True, eq=False)
class UserEvent(GatedEvent):
    """An event that the client sets."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferEvent(GatedEvent):
    """The event of a transfer to or from another node, or of a barrier behind such.

    If it fails, the transfer's failure sticks to the queue by itself.
    """


def closed(gates: Iterable[Gate | None]) -> Gate | None:
    """Return the gate that opens once all of these are open; None if they are."""
    distinct = list(dict.fromkeys(gate for gate in gates if gate is not None and not gate.is_open))
    return Gate(distinct) if len(distinct) > 1 else next(iter(distinct), None)


def gate_of(event: Any) -> Gate | None:
    """Return the gate of a session's event; None if it is open, or there never was one."""
    return event.gate if isinstance(event, GatedEvent) and not event.gate.is_open else None


def gate_before(
    queue: QueueObject, waited: Iterable[Any], *, awaits_all: bool = False, is_transfer: bool = False
) -> Gate | None:
    """Return the gate of a command to be enqueued; None if no user event keeps it from running.

    Args:
        queue: Where to.
        waited: The events of its wait list.
        awaits_all: Whether it waits for all before it, as a marker without a wait list does.
        is_transfer: Whether it is a transfer between nodes, which does not wait for others just before it.
    """
    awaits_all = awaits_all or (queue.is_in_order and not is_transfer)
    before = queue.gate if awaits_all else queue.barrier
    return closed([before, *map(gate_of, waited)])


def cause_of(waited: Iterable[Any]) -> Gate | None:
    """Return the gate whose failure is that of a command with these events in its wait list."""
    return closed(event.cause for event in waited if isinstance(event, GatedEvent))
