"""Which part has which event, and for how long each is needed.

An event is needed while the user holds it or a replica's log does. Once neither does it is freed: its handle
is given back wherever it is known.
"""

from __future__ import annotations

from collections.abc import Callable


class Events:
    """The events of all parts.

    Args:
        new_handle: Makes handles for events of our own.

    Attributes:
        freed: What is to be given back: (part, handle); whoever reads it empties it.
    """

    def __init__(self, new_handle: Callable[[], int]) -> None:
        self.freed: list[tuple[int, int]] = []
        self._new_handle = new_handle
        self._parts: dict[int, list[int]] = {}  # where each is known, its own part first
        self._pins: dict[int, int] = {}
        self._left: set[int] = set()  # those that the user holds no more, or never did

    def add(self, event: int, parts: list[int]) -> None:
        """Note an event that the user holds."""
        self._parts[event] = parts

    def own(self, part: int) -> int:
        """Return a new event that the user never sees; pinned or not, it is freed with its last pin."""
        event = self._new_handle()
        self._parts[event] = [part]
        self._left.add(event)
        return event

    def home(self, event: int) -> int | None:
        """Return the part whose command the event is; None if it is unknown."""
        parts = self._parts.get(event)
        return None if parts is None else parts[0]

    def parts(self, event: int) -> list[int]:
        """Return the parts that know the event, its own first."""
        return self._parts.get(event, [])

    def is_at(self, event: int, part: int) -> bool:
        """Whether a part knows the event, so that its commands can wait for it."""
        return part in self._parts.get(event, ())

    def bridge(self, event: int, part: int) -> None:
        """Note that another part knows it, by a user event; pinned until `unpin`."""
        self._parts[event].append(part)
        self.pin(event)

    def drop_bridge(self, event: int, part: int) -> None:
        """Undo `bridge`."""
        self._parts[event].remove(part)
        self.unpin(event)

    def pin(self, event: int) -> None:
        """Keep the event."""
        self._pins[event] = self._pins.get(event, 0) + 1

    def unpin(self, event: int) -> None:
        """Undo one `pin`; the last one frees what the user does not hold."""
        count = self._pins.pop(event) - 1
        if count:
            self._pins[event] = count
        elif event in self._left:
            self._free(event)

    def let_go(self, event: int) -> bool:
        """Note that the user holds the event no more; say whether it is one at all."""
        if event not in self._parts:
            return False
        if event in self._pins:
            self._left.add(event)
        else:
            self._free(event)
        return True

    def _free(self, event: int) -> None:
        self._left.discard(event)
        self.freed += [(part, event) for part in self._parts.pop(event)]

    def __len__(self) -> int:
        return len(self._parts)
