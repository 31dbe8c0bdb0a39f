"""How far commands are."""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Posted, Push, Reply, Synchronous


class WatchEvents(Posted, frozen=True, tag=28):
    """Push EventDone for each event as soon as it is complete or failed."""

    events: list[Handle]


class CreateUserEvent(Posted, frozen=True, tag=36):
    """Make an event that the client completes with SetUserEventStatus."""

    event: Handle
    context: Handle


class SetUserEventStatus(Posted, frozen=True, tag=37):
    """Complete a user event (0), or end it with an error code (negative)."""

    event: Handle
    status: int


class EventState(Reply, frozen=True, tag=65):
    """An event's execution status (OpenCL's number, negative for an error) and its profiling times.

    Attributes:
        command: The command that this answers.
        status: 0 complete, 1 running, 2 submitted, 3 queued, or a negative error code.
        times: [queued, submit, start, end] in nanoseconds, or None without profiling or before the end.
        failure: Of a failed one: [routine, what].
    """

    status: int
    times: list[int] | None = None
    failure: list[str] | None = None


class GetEvent(Synchronous, frozen=True, tag=43):
    """Answered by EventState: how far a command is, and its times."""

    answer: ClassVar[type[Reply]] = EventState

    event: Handle


class EventDone(Push, frozen=True, tag=66):
    """Pushed once for a watched event; fields as in EventState."""

    event: Handle
    status: int
    times: list[int] | None = None
    failure: list[str] | None = None
