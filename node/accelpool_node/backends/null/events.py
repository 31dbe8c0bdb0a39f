"""How far commands are."""

from __future__ import annotations

from accelpool_node.backends.null.objects import NullEvent


class Events:
    """How far commands are."""

    def event_status(self, event: NullEvent) -> int:
        """Return complete."""
        return 0

    def event_times(self, event: NullEvent) -> list[int] | None:
        """Return the moment of the command four times, in a profiling queue."""
        return event.times

    def wait(self, event: NullEvent) -> None:
        """Return at once."""
