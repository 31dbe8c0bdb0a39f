"""A backend's part of how far commands are."""

from __future__ import annotations

from typing import Protocol

from accelpool_node.backends.base.types import Context, Event


class Events(Protocol):
    """Of a backend: how far commands are."""

    def create_user_event(self, context: Context) -> Event:
        """Return an event that `set_user_event_status` ends."""
        ...

    def set_user_event_status(self, event: Event, status: int) -> None:
        """End a user event, once: 0 for complete, or an error code."""
        ...

    def event_status(self, event: Event) -> int:
        """Return OpenCL's execution status, negative for an error. Never blocks."""
        ...

    def event_times(self, event: Event) -> list[int] | None:
        """Return [queued, submit, start, end] in ns of a complete event, or None without profiling."""
        ...

    def wait(self, event: Event) -> int:
        """Block until the event is complete or failed; return its status: 0, or the error."""
        ...
