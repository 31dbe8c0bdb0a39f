"""Memory is given back once no copy of another context uses it, and keeps nothing of copies that are over."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

from accelpool_node.backends.cuda.owners import Owner


class Event:
    """An event that is reached when the test says so, or somebody waits for it."""

    def __init__(self) -> None:
        self.is_reached = False

    def record(self, stream: Stream) -> None:
        self.is_reached = False
        stream.events.append(self)

    def query(self) -> bool:
        return self.is_reached

    def synchronize(self) -> None:
        self.is_reached = True


class Context:
    """Makes events, and ends at once what is left to it."""

    def __init__(self) -> None:
        self.made: list[Event] = []
        self.back: list[Event] = []

    def take_event(self) -> Event:
        if self.back:
            return self.back.pop()
        self.made.append(Event())
        return self.made[-1]

    def give_event(self, event: Event, *, is_timed: bool) -> None:
        self.back.append(event)

    def leave_to(self, end: Callable[[], None]) -> None:
        end()


@dataclass(eq=False)
class Stream:
    events: list[Event] = field(default_factory=list)


@dataclass(eq=False)
class Queue:
    context: Context
    stream: Stream = field(default_factory=Stream)


class Memory(Owner):
    def free(self, end: Callable[[], None]) -> None:
        self._end(end)


def test_queues_that_copied_from_memory_and_were_dropped_are_gone_while_it_lives() -> None:
    memory, other = Memory(Context()), Context()
    dropped = []
    for _ in range(3):
        queue = Queue(other)
        memory.used_by(queue)
        dropped.append(weakref.ref(queue.stream))
    del queue
    gc.collect()
    assert [stream() for stream in dropped] == [None] * 3


def test_events_of_copies_that_are_over_are_used_again() -> None:
    memory, other = Memory(Context()), Context()
    for _ in range(100):
        queue = Queue(other)
        memory.used_by(queue)
        queue.stream.events[-1].is_reached = True
    assert len(other.made) == 1


def test_memory_is_given_back_after_all_copies_of_other_contexts_that_use_it() -> None:
    memory, other = Memory(Context()), Context()
    first, second = Queue(other), Queue(Context())
    for queue in (first, second, first):
        memory.used_by(queue)
    seen = []
    memory.free(
        lambda: seen.extend(event.is_reached for queue in (first, second) for event in queue.stream.events)
    )
    assert seen == [True] * 3
    assert len(other.back) == 2
