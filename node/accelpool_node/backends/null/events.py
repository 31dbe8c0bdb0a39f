"""How far commands are."""

from __future__ import annotations

from typing import Any

from accelpool_node.backends.null.objects import NullEvent, end, refused, unended
from accelpool_wire.codes import ErrorCode


class Events:
    """How far commands are."""

    def create_user_event(self, context: Any) -> NullEvent:
        """Return an event that nothing ends by itself."""
        return unended()

    def set_user_event_status(self, event: NullEvent, status: int) -> None:
        """End it, and carry out what has waited for it."""
        if event.status <= 0:
            raise refused("clSetUserEventStatus", ErrorCode.INVALID_OPERATION, "it is set already")
        end(event, status)

    def event_status(self, event: NullEvent) -> int:
        """Return the status."""
        return event.status

    def event_times(self, event: NullEvent) -> list[int] | None:
        """Return the moment of the command four times, in a profiling queue."""
        return event.times

    def wait(self, event: NullEvent) -> int:
        """Return at once, or when the user events are set that it waits for."""
        event.wait()
        return event.status
