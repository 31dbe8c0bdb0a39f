"""What null devices are made of."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

MEMORY_BYTES = 1 << 30
MAX_SIZE = (1 << 64) - 1
MAX_GROUP = 1024
OUT_OF_ORDER, PROFILING = 1 << 0, 1 << 1
SUBMITTED = 2
FAILED_WAIT = ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
BUILT_IN = "accelpool.nothing"  # a kernel without arguments
PAUSE = "accelpool_pause"  # a kernel that takes as many nanoseconds as its argument says, a ulong


@dataclass(kw_only=True)
class NullBuffer:
    """Host memory that stands for device memory."""

    content: memoryview


@dataclass(kw_only=True)
class NullProgram:
    """Source, and the kernels found in it once it is built."""

    source: str
    kernels: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class NullKernel:
    """A kernel's argument count, what is set of arguments and attributes, and whether it is `PAUSE`."""

    count: int
    args: dict[int, Any] = field(default_factory=dict)
    attributes: dict[int, int] = field(default_factory=dict)
    is_pause: bool = False


@dataclass(kw_only=True, slots=True, eq=False)
class NullEvent:
    """A command: complete, or waiting for user events and commands behind such; or a user event.

    Attributes:
        status: OpenCL's execution status.
        times: When it ended, four times, in a profiling queue.
        effect: What the command does in the end.
        is_profiled: Whether it has times.
        awaited: How many events it waits for.
        has_failed: Whether one in its wait list failed.
        followers: What waits for it, and whether that has it in its wait list.
        over: Set at the end; None for a command that was complete at once.
    """

    status: int = 0
    times: list[int] | None = None
    effect: Callable[[], None] | None = None
    is_profiled: bool = False
    has_failed: bool = False
    awaited: int = 0
    followers: list[tuple[NullEvent, bool]] = field(default_factory=list)
    over: threading.Event | None = None

    def wait(self) -> None:
        """Wait for the end."""
        if self.over is not None:
            self.over.wait()


@dataclass(kw_only=True, slots=True, eq=False)
class NullQueue:
    """A command queue: its properties, and its commands that wait."""

    properties: int
    waiting: list[NullEvent] = field(default_factory=list)
    barrier: NullEvent | None = None


def complete(queue: NullQueue) -> NullEvent:
    """Return the event of a command that is complete at once."""
    return NullEvent(times=[time.monotonic_ns()] * 4 if queue.properties & PROFILING else None)


def enqueue(
    queue: NullQueue,
    wait_for: Sequence[NullEvent] | None,
    effect: Callable[[], None] | None = None,
    *,
    awaits_all: bool = False,
) -> NullEvent:
    """Carry out a command now, or once what it waits for is over; return its event.

    Args:
        queue: Where to.
        wait_for: Its wait list.
        effect: What it does; it cannot fail.
        awaits_all: Whether it waits for all before it, in whatever order the queue is.
    """
    queue.waiting = [event for event in queue.waiting if event.status > 0]
    if not queue.properties & OUT_OF_ORDER:
        before = queue.waiting[-1:]
    elif awaits_all:
        before = queue.waiting
    else:
        before = [event for event in queue.waiting if event is queue.barrier]
    if not before and not any(event.status for event in wait_for or ()):
        if effect is not None:
            effect()
        return complete(queue)
    event = unended(effect=effect, is_profiled=bool(queue.properties & PROFILING))
    for earlier, is_listed in [*((e, False) for e in before), *((e, True) for e in wait_for or ())]:
        if earlier.status > 0:
            event.awaited += 1
            earlier.followers.append((event, is_listed))
        event.has_failed |= is_listed and earlier.status < 0
    if event.awaited:
        queue.waiting.append(event)
    else:
        end(event, FAILED_WAIT if event.has_failed else 0)
    return event


def unended(effect: Callable[[], None] | None = None, is_profiled: bool = False) -> NullEvent:
    """Return the event of what is not over yet."""
    return NullEvent(status=SUBMITTED, effect=effect, is_profiled=is_profiled, over=threading.Event())


def end(event: NullEvent, status: int) -> None:
    """Complete what waited, or let it fail; then what waited for that alone, and so on."""
    ending = deque([(event, status)])
    while ending:
        event, event.status = ending.popleft()
        if event.status == 0 and event.effect is not None:
            event.effect()
        if event.status == 0 and event.is_profiled:
            event.times = [time.monotonic_ns()] * 4
        assert event.over is not None, "what was complete at once does not end again"
        event.over.set()
        for follower, is_listed in event.followers:
            follower.has_failed |= is_listed and event.status < 0
            follower.awaited -= 1
            if not follower.awaited:
                ending.append((follower, FAILED_WAIT if follower.has_failed else 0))
        event.effect, event.followers = None, []


def refused(routine: str, code: int, what: str) -> Error:
    """Return OpenCL's error."""
    return error_for(routine, code, what)


def region_of(routine: str, buffer: NullBuffer, offset: int, size: int) -> memoryview:
    """Return a region of a buffer's content, if it lies within."""
    if offset < 0 or size <= 0 or offset + size > len(buffer.content):
        raise refused(
            routine, ErrorCode.INVALID_VALUE, f"{size} bytes at {offset} of {len(buffer.content)} bytes"
        )
    return buffer.content[offset : offset + size]
