"""How far commands are."""

from __future__ import annotations

from typing import Any

import pyopencl as cl

from accelpool_node.backends.opencl.core import translated

TIMES = (
    cl.profiling_info.QUEUED,
    cl.profiling_info.SUBMIT,
    cl.profiling_info.START,
    cl.profiling_info.END,
)
STATUS = cl.event_info.COMMAND_EXECUTION_STATUS


class Events:
    """How far commands are."""

    @translated("clCreateUserEvent")
    def create_user_event(self, context: Any) -> Any:
        """Return a `pyopencl.UserEvent`."""
        return cl.UserEvent(context)

    @translated("clSetUserEventStatus")
    def set_user_event_status(self, event: Any, status: int) -> None:
        """Set the status."""
        event.set_status(status)

    @translated("clGetEventInfo")
    def event_status(self, event: Any) -> int:
        """Ask for the status."""
        return int(event.get_info(STATUS)) or _outcome(event)

    def event_times(self, event: Any) -> list[int] | None:
        """Ask for the four times."""
        try:
            return [event.get_profiling_info(name) for name in TIMES]
        except cl.Error:
            return None

    def wait(self, event: Any) -> int:
        """Block, with the interpreter free for other threads."""
        outcome = _outcome(event)
        try:
            return min(int(event.get_info(STATUS)), outcome)
        except cl.Error as error:
            return int(error.code)


def _outcome(event: Any) -> int:
    """Wait, and return what that says.

    To Intel's runtime what waited for a failed event is complete, and only a wait for it fails.
    """
    try:
        event.wait()
    except cl.Error as error:
        return int(error.code)
    return 0
