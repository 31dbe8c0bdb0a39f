"""User events: events that the program itself completes."""

from __future__ import annotations

from typing import Any

from accelpool.constants import command_execution_status, command_type, event_info
from accelpool.context import Context
from accelpool.errors import LogicError, RuntimeError
from accelpool.event import Ending, Event
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

ROUTINE = "clSetUserEventStatus"
LEAST_STATUS = -(1 << 31)


class UserEvent(Event):
    """An event that `set_status` completes. Making one awaits no answer.

    Commands may wait for it, and through them all that waits for those: `finish`, reads to the host. Such a
    wait lasts until another thread sets the event. At most `limits.staged_bytes` (256 MiB) of writes, and as
    many of reads, may wait so at once. One that nothing refers to any more before it is set ends with
    INVALID_EVENT: what waits for it fails.

    Args:
        context: Where it is used.

    Source: OpenCL 3.0 API, clCreateUserEvent.
    """

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"UserEvent: context is a Context, not {context!r}")
        session = context._session
        self._session = session
        self._context = context
        self._queue = None
        self._type = command_type.USER
        self._ending = None
        handle = session.new_handle()
        session.post(m.CreateUserEvent(handle, context._handle))
        session.unset_events.add(handle)
        self._handle = handle

    def set_status(self, status: int, /) -> None:
        """Complete the event with 0 (`command_execution_status.COMPLETE`), or end it with an error code.

        An error code, which is negative, fails what waits for the event. Sent at once; no answer is awaited.

        Raises:
            LogicError: INVALID_VALUE: a positive status; INVALID_OPERATION: it is set already.

        Source: OpenCL 3.0 API, clSetUserEventStatus.
        """
        status = int(status)
        if not LEAST_STATUS <= status <= 0:
            what = f"the status is 0 or an error code, which is negative, not {status}"
            raise LogicError(ROUTINE, ErrorCode.INVALID_VALUE, what)
        session = self._session
        try:
            session.unset_events.remove(self._handle)  # only one of several threads can
        except KeyError:
            what = f"{self!r} is set already"
            raise LogicError(ROUTINE, ErrorCode.INVALID_OPERATION, what) from None
        try:
            session.post(m.SetUserEventStatus(self._handle, status))
        except BaseException:
            session.unset_events.add(self._handle)
            raise
        session.connection.flush()
        failure = [ROUTINE, f"the user event was set to {status}"] if status else None
        self._ending = m.EventDone(self._handle, status, None, failure)

    def get_info(self, arg: int, /) -> Any:
        """Return the value of an `event_info` number; a user event has no queue: None."""
        return self._context if arg == event_info.CONTEXT else super().get_info(arg)

    def get_profiling_info(self, arg: int, /) -> int:
        """Refuse: a user event has no times.

        Raises:
            RuntimeError: PROFILING_INFO_NOT_AVAILABLE.
        """
        what = f"{self!r}: time {arg:#x} of a user event"
        raise RuntimeError("clGetEventProfilingInfo", ErrorCode.PROFILING_INFO_NOT_AVAILABLE, what)

    def _state(self) -> Ending:
        """Return how far it is, which is known here."""
        return self._ending or m.EventState(0, command_execution_status.SUBMITTED)

    def __del__(self) -> None:
        handle = getattr(self, "_handle", 0)
        if handle:
            self._session.unset_events.discard(handle)
        super().__del__()
