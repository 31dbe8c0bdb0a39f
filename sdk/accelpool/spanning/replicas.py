"""Where the content of a buffer is, and which commands may still use its replicas.

    a replica is    made      the part has memory for it
                    valid     its content is the newest
    a command       that needs the content where it is not valid: a migration from the owner, then valid there
    too
                    that writes: valid there alone, which is the owner now
    a buffer that nobody wrote and that had no first content is valid nowhere and not migrated

Ordering commands of one part among each other is the user's, as ever in OpenCL. What a migration needs is
ours: it is sent after the owner's last writers and received after the stale replica's last users; commands
wait for the arrival, those that write for the departure too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from accelpool.spanning.events import Events
from accelpool_wire import messages as m

LONGEST_LOG = 64


class InOrder(Protocol):
    """What a log has to know of a queue."""

    @property
    def handle(self) -> int:
        """Its handle."""
        ...

    @property
    def is_in_order(self) -> bool:
        """Whether its last command is complete last."""
        ...


class Log:
    """The events to wait for: of an in-order queue the last one, of another one all."""

    __slots__ = ("_by_queue", "_events")

    def __init__(self, events: Events) -> None:
        self._events = events
        self._by_queue: dict[int, list[int]] = {}

    def add(self, event: int, queue: InOrder) -> None:
        """Add a command's event."""
        self._events.pin(event)
        held = self._by_queue.setdefault(queue.handle, [])
        if queue.is_in_order:
            self._unpin(held)
        held.append(event)

    def remove(self, event: int, queue: InOrder) -> None:
        """Take an event out again: its command was not sent after all."""
        held = self._by_queue.get(queue.handle, [])
        if event in held:
            held.remove(event)
            self._events.unpin(event)

    def waits(self) -> list[int]:
        """Return the events to wait for."""
        return [event for held in self._by_queue.values() for event in held]

    def overflow(self, queue: InOrder) -> list[int]:
        """Return the events of a queue if they are too many to keep, else none."""
        held = self._by_queue.get(queue.handle, [])
        return list(held) if len(held) >= LONGEST_LOG else []

    def replace(self, queue: InOrder, event: int) -> None:
        """Let one event stand for all those of a queue."""
        self._events.pin(event)
        self._unpin(self._by_queue[queue.handle])
        self._by_queue[queue.handle].append(event)

    def forget(self, is_over: Callable[[int], bool]) -> None:
        """Forget the events that have ended."""
        for held in self._by_queue.values():
            for event in [event for event in held if is_over(event)]:
                held.remove(event)
                self._events.unpin(event)

    def clear(self) -> None:
        """Forget all events."""
        for held in self._by_queue.values():
            self._unpin(held)
        self._by_queue.clear()

    def _unpin(self, held: list[int]) -> None:
        for event in held:
            self._events.unpin(event)
        held.clear()


class Replica:
    """One part's memory for a buffer.

    Attributes:
        readers: The commands that read it.
        writers: The commands that wrote it; the arrival of its content is one.
        arrival: The event of the migration that fills it, until that is known to have ended; 0 for none.
        departure: The event of the last migration from it, likewise.
    """

    __slots__ = ("arrival", "departure", "readers", "writers")

    def __init__(self, events: Events) -> None:
        self.readers: Log = Log(events)
        self.writers: Log = Log(events)
        self.arrival: int = 0
        self.departure: int = 0

    def users(self, is_over: Callable[[int], bool]) -> list[int]:
        """Return the events to wait for before the content may be replaced.

        Args:
            is_over: Whether an event is known to have ended: if badly, who waited for it would fail, too.
        """
        for log in (self.writers, self.readers):
            log.forget(is_over)
        return self.writers.waits() + self.readers.waits()

    def clear(self) -> None:
        """Forget all events."""
        self.readers.clear()
        self.writers.clear()


@dataclass(eq=False, kw_only=True)
class Memory:
    """A memory object that is no region of another one.

    Attributes:
        handle: Its handle, in every part that has a replica.
        context: Its context's handle.
        flags: What replicas are made with.
        size: In bytes.
        replicas: Those made, by part.
        valid: The parts whose replicas have the content.
        owner: The part that wrote it last.
        is_bound: Whether it stays where it is: images do not migrate.
        holders: Itself and what is over it, as far as they are not released.
        name: What it is, for messages.
    """

    handle: int
    context: int
    flags: int
    size: int
    replicas: dict[int, Replica] = field(default_factory=dict)
    valid: set[int] = field(default_factory=set)
    owner: int = -1
    is_bound: bool = False
    holders: int = 1
    name: str = "buffer"

    def fill(self, part: int) -> None:
        """Note that one part has the newest content alone."""
        self.valid = {part}
        self.owner = part

    def is_missing_at(self, part: int) -> bool:
        """Whether the content has to come from another part."""
        return bool(self.valid) and part not in self.valid

    def settle(self, part: int, arrival: int | None, departure: int | None) -> None:
        """Take into account how the last migrations to and from a part ended; None for what is not known yet.

        A failed arrival leaves nothing to use: the next command that needs the content has it migrated anew.
        """
        replica = self.replicas[part]
        if departure is not None:
            replica.departure = 0
        if arrival is not None:
            replica.arrival = 0
            if arrival < 0 and part != self.owner:
                self.valid.discard(part)


@dataclass(eq=False, kw_only=True)
class Region:
    """Bytes of a buffer under another handle: a region, or an image over a buffer or over a region.

    Its content is where that of the whole buffer is.

    Attributes:
        handle: Its handle.
        parent: What it is over.
        created: The message that makes it where its parent is.
        origin: Where it starts in the whole buffer, in bytes.
        made: The parts that have it.
        holders: Itself and the images over it, as far as they are not released.
    """

    handle: int
    parent: Memory | Region
    created: m.CreateSubBuffer | m.CreateImage
    origin: int
    made: set[int] = field(default_factory=set)
    holders: int = 1

    @property
    def whole(self) -> Memory:
        """The buffer that all of it is part of."""
        return self.parent.whole if isinstance(self.parent, Region) else self.parent
