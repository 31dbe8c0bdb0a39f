"""What all objects that live in a session have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from accelpool.errors import LogicError
from accelpool.process_bound import ProcessBound
from accelpool.session import Session
from accelpool_wire.codes import ErrorCode

if TYPE_CHECKING:
    from accelpool.event import Event


class SessionObject(ProcessBound):
    """An object on the worker, known by its handle; 0 once it is released.

    When nothing refers to it any more, its handle is given back with the next message: nothing is sent for
    that alone.
    """

    __slots__ = ("__weakref__", "_handle", "_session")

    _session: Session
    _handle: int

    def __del__(self) -> None:
        handle = getattr(self, "_handle", 0)
        if handle:
            self._session.release(handle)


def wait_list(wait_for: Iterable[Event] | None, session: Session, routine: str) -> list[int] | None:
    """Return the handles of the events to wait for, without those known to be complete; None for none.

    Raises:
        LogicError: INVALID_CONTEXT: an event is of another session.
        TypeError: Something is no event.
    """
    if not wait_for:
        return None
    if not isinstance(wait_for, Iterable):
        raise TypeError(f"{routine}: wait_for is a list of events, not {wait_for!r}")
    handles = []
    for event in wait_for:
        if not isinstance(event, SessionObject):
            raise TypeError(f"{routine}: wait_for is a list of events, and {event!r} is none")
        if event._session is not session:
            raise LogicError(routine, ErrorCode.INVALID_CONTEXT, f"{event!r} is of another session")
        if event._handle:
            handles.append(event._handle)
    return handles or None
