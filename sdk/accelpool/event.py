"""Events: how far commands are, and when they ran.

Where an event's end is known already nothing is asked. Else `wait`, `command_execution_status`, `profile` and
the infos behind them cost a round trip: PyOpenCL's names for what really is a question.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

from accelpool.constants import (
    command_execution_status,
    command_type,
    event_info,
    profiling_info,
)
from accelpool.context import Context
from accelpool.errors import AccelpoolError, Error, LogicError, RuntimeError, error_for
from accelpool.info import Info
from accelpool.objects import SessionObject
from accelpool.queue import CommandQueue
from accelpool.session import Session
from accelpool_wire import messages as m
from accelpool_wire.client import PendingRead
from accelpool_wire.codes import ErrorCode

WaitList: TypeAlias = Sequence["Event"] | None
Ending: TypeAlias = m.EventDone | m.EventState

TIMES = {
    profiling_info.QUEUED: 0,
    profiling_info.SUBMIT: 1,
    profiling_info.START: 2,
    profiling_info.END: 3,
    profiling_info.COMPLETE: 3,
}


class Event(SessionObject):
    """How far a command is. The enqueue functions make them."""

    __slots__ = ("_ending", "_queue", "_type")

    _queue: CommandQueue | None
    _type: int
    _ending: Ending | None

    def __init__(self, session: Session, handle: int, queue: CommandQueue, type: int) -> None:
        self._session = session
        self._handle = handle
        self._queue = queue
        self._type = type
        self._ending = None

    def wait(self) -> None:
        """Wait until the command is complete: one round trip, or none if that is known.

        Raises:
            RuntimeError: EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: the command failed, and how.
            SessionLost: The session is over, and why.
        """
        wait_for_events([self])

    def __await__(self) -> Generator[Any, None, None]:
        """Wait as `wait` does, without blocking the event loop: `await event`."""
        from accelpool.aio import wait_for_events  # it stands on this module

        return wait_for_events([self]).__await__()

    def get_info(self, arg: int, /) -> Any:
        """Return the value of an `event_info` number; COMMAND_EXECUTION_STATUS may cost a round trip.

        Raises:
            LogicError: INVALID_VALUE: there is no such info.
        """
        if arg == event_info.COMMAND_EXECUTION_STATUS:
            return self._state().status
        if arg == event_info.COMMAND_QUEUE:
            return self._queue
        if arg == event_info.COMMAND_TYPE:
            return self._type
        if arg == event_info.CONTEXT:
            return None if self._queue is None else self._queue._context
        if arg == event_info.REFERENCE_COUNT:
            return 1
        name = event_info.to_string(arg, "%d")
        raise LogicError("Event.get_info", ErrorCode.INVALID_VALUE, f"an event has no {name}")

    def get_profiling_info(self, arg: int, /) -> int:
        """Return a time of the command in ns of the device's clock, by its `profiling_info` number.

        Raises:
            RuntimeError: PROFILING_INFO_NOT_AVAILABLE: no profiling queue, or not complete yet.
            LogicError: INVALID_VALUE: there is no such time.
        """
        if arg not in TIMES:
            raise LogicError(
                "Event.get_profiling_info", ErrorCode.INVALID_VALUE, f"an event has no time {arg}"
            )
        is_profiled = self._queue is not None and self._queue._is_profiled
        times = self._state().times if is_profiled else None
        if times is None:
            why = "its command is not complete" if is_profiled else "its queue does not profile"
            raise RuntimeError(
                "clGetEventProfilingInfo", ErrorCode.PROFILING_INFO_NOT_AVAILABLE, f"{self!r}: {why}"
            )
        return times[TIMES[arg]]

    command_queue: Info[CommandQueue | None] = Info(event_info.COMMAND_QUEUE)
    command_type: Info[int] = Info(event_info.COMMAND_TYPE)
    command_execution_status: Info[int] = Info(event_info.COMMAND_EXECUTION_STATUS)
    context: Info[Context] = Info(event_info.CONTEXT)
    reference_count: Info[int] = Info(event_info.REFERENCE_COUNT)

    @property
    def profile(self) -> Profile:
        """The command's times in ns: `queued`, `submit`, `start`, `end`, `complete`."""
        return Profile(self)

    def set_callback(self, type: int, callback: Callable[[int], object], /) -> None:
        """Have a function called, from a thread of its own, when the command is complete or has failed.

        Args:
            type: A `command_execution_status`. It, or the error code, is what the function is given. RUNNING
                and SUBMITTED are reported no earlier than completion.
            callback: The function.

        Raises:
            LogicError: INVALID_VALUE: there is no such status to wait for.
        """
        _check_callback(type)

        def tell(done: m.EventDone) -> None:
            self._ending = done
            callback(type if done.status >= 0 else done.status)

        if self._ending is not None or not self._handle:
            tell(m.EventDone(self._handle, self._state().status))
            return
        self._session.connection.on_event_done(self._handle, tell)

    def _state(self) -> Ending:
        """Return how far the command is, asking if its end is not known."""
        known = self._ending or self._session.connection.event_state(self._handle)
        if known is None:
            known = self._session.ask(m.GetEvent(self._handle), m.EventState)
        if known.status <= 0:
            self._ending = known
        return known

    def __repr__(self) -> str:
        kind = command_type.to_string(self._type, "%d")
        known = (
            ""
            if self._ending is None
            else f", {command_execution_status.to_string(self._ending.status, '%d')}"
        )
        return f"<accelpool.{type(self).__name__} {self._handle} of {kind}{known}>"


class NannyEvent(Event):
    """The event of a copy from or to host memory, which it keeps alive.

    For a copy to the host, `wait` returns once the bytes are in place.
    """

    __slots__ = ("_pending", "_ward")

    def __init__(self, session: Session, handle: int, queue: CommandQueue, type: int, ward: object) -> None:
        super().__init__(session, handle, queue, type)
        self._ward = ward
        self._pending: PendingRead | None = None

    def get_ward(self) -> object:
        """Return the host memory."""
        return self._ward

    def set_callback(self, type: int, callback: Callable[[int], object], /) -> None:
        """As `Event.set_callback`; of a copy to the host, once the bytes are in place."""
        if self._pending is None:
            super().set_callback(type, callback)
            return
        _check_callback(type)

        def wait_and_tell() -> None:
            try:
                self._finish_read()
                status = type
            except Error as error:
                status = error.code
            except AccelpoolError:  # the session was lost
                status = ErrorCode.DEVICE_NOT_AVAILABLE
            callback(status)

        threading.Thread(target=wait_and_tell, name=f"read-{self._handle}", daemon=True).start()

    def _finish_read(self) -> None:
        """Wait until what the command reads is in place, which is its end."""
        pending = self._pending
        if pending is not None:
            data = self._session.finish_read(pending)
            self._ending = m.EventDone(self._handle, 0, data.times)
            self._pending = None


def _check_callback(status: int) -> None:
    if status not in (0, 1, 2):
        raise LogicError("clSetEventCallback", ErrorCode.INVALID_VALUE, f"no callback at status {status}")


class Profile:
    """The times of a command in ns of the device's clock; not to be compared with other clocks."""

    __slots__ = ("event",)

    def __init__(self, event: Event) -> None:
        self.event: Event = event

    def get_info(self, arg: int, /) -> int:
        """Return a time by its `profiling_info` number."""
        return self.event.get_profiling_info(arg)

    queued: Info[int] = Info(profiling_info.QUEUED)
    submit: Info[int] = Info(profiling_info.SUBMIT)
    start: Info[int] = Info(profiling_info.START)
    end: Info[int] = Info(profiling_info.END)
    complete: Info[int] = Info(profiling_info.COMPLETE)


def wait_for_events(events: Sequence[Event], /) -> None:
    """Wait until all events are complete: one round trip, or none if that is known.

    Raises:
        RuntimeError: EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: a command failed, and how.
        LogicError: INVALID_VALUE: no events; INVALID_CONTEXT: events of several sessions.
        SessionLost: The session is over, and why.
    """
    session = session_of(events)
    for event in events:
        if isinstance(event, NannyEvent):
            event._finish_read()
    unknown = [event for event in events if event._ending is None]
    if unknown:
        endings = session.wait_events([event._handle for event in unknown])
        for event, ending in zip(unknown, endings, strict=True):
            event._ending = ending
    for event in events:
        queue = event._queue
        if session.reads and event._handle and queue is not None and queue._is_in_order:
            session.finish_reads(queue._handle, before=event._handle)
        _raise_failure(event)


def session_of(events: Sequence[Event]) -> Session:
    """Return the session of events to wait for.

    Raises:
        TypeError, LogicError: They cannot be waited for, as `wait_for_events` has it.
    """
    routine = "clWaitForEvents"
    if not all(isinstance(event, Event) for event in events):
        raise TypeError(f"{routine} takes a list of events, not {events!r}")
    if not events:
        raise LogicError(routine, ErrorCode.INVALID_VALUE, "there are no events to wait for")
    session = events[0]._session
    if any(event._session is not session for event in events):
        raise LogicError(routine, ErrorCode.INVALID_CONTEXT, "the events are of several sessions")
    return session


def _raise_failure(event: Event) -> None:
    ending = event._ending
    if ending is None or ending.status >= 0:
        return
    routine, what = ending.failure or ("", "")
    cause = error_for(routine or "the command", ending.status, what)
    raise error_for(
        "clWaitForEvents", ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, f"{event!r}: {cause}"
    ) from cause
