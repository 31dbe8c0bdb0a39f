"""Waiting for commands without keeping the session's connection waiting.

A wait in the session's own thread is over soonest, for no other thread has to wake up; but while it lasts,
the connection is not served. So a queue whose last wait was short is waited for at once, and any other in a
thread of its own: when a queue's commands turn from short to long, the connection is kept waiting once.

What waits for a user event that is not set is not waited for at all before it is: see `gates`. And while any
is unset no wait is done in the session's own thread, which alone can set it.
"""

from __future__ import annotations

import functools
import itertools
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from accelpool_node.backends.base import Backend
from accelpool_node.worker.gates import GatedEvent, TransferEvent, UserEvent, gate_of
from accelpool_node.worker.objects import OWN_EVENTS, FailedEvent, Pace, SpanEvent, driver_event
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

SHORT_S = 500e-6

Then: TypeAlias = Callable[[int], None]
"""What is done at the end of a command, with its status."""


class Completion:
    """Calls back when commands are complete.

    Args:
        backend: Whose events these are.
        limit: How many answers may be awaited at once: the conversation's limit. As many threads watch.
        may_wait_here: Says whether the session's own thread may wait for a device now.
    """

    def __init__(self, backend: Backend, limit: int, may_wait_here: Callable[[], bool]) -> None:
        self._backend = backend
        self.may_wait_here = may_wait_here
        self._answers = ThreadPoolExecutor(limit, thread_name_prefix="answer")
        self._watches = ThreadPoolExecutor(limit, thread_name_prefix="watch")
        self._started: dict[int, float] = {}
        self._numbers = itertools.count()

    def oldest_s(self) -> float:
        """How long the oldest wait has been under way, in seconds."""
        started = list(self._started.values())
        return time.monotonic() - min(started) if started else 0.0

    def status(self, event: Any) -> int:
        """Return OpenCL's execution status of any event of a session. Never raises."""
        if isinstance(event, OWN_EVENTS):
            if failure := _failure(event):
                return failure
            event = driver_event(event)
        try:
            return self._backend.event_status(event)
        except Error as error:
            return error.code

    def times(self, event: Any) -> list[int] | None:
        """Return [queued, submit, start, end] in ns of a complete event, or None."""
        if isinstance(event, FailedEvent):
            return None
        if isinstance(event, GatedEvent):
            event = event.event
        if not isinstance(event, SpanEvent):
            return self._backend.event_times(event)
        first, last = self._backend.event_times(event.first), self._backend.event_times(event.last)
        return [*first[:3], last[3]] if first and last else None

    def wait(self, event: Any) -> int:
        """Block until an event is complete or failed; return its status."""
        if not isinstance(event, OWN_EVENTS):
            return self._backend.wait(event)
        if isinstance(event, FailedEvent):
            return event.failure.code
        status = self._backend.wait(driver_event(event))
        return _failure(event) or status

    def wait_in_thread(self, event: Any) -> int:
        """Block a thread that is not the session's own, under the watchdog's eye meanwhile; as `wait`.

        Args:
            event: One that no gate keeps from its end any more.
        """
        number = next(self._numbers)
        self._started[number] = time.monotonic()
        try:
            return self.wait(event)
        finally:
            del self._started[number]

    def when_complete(self, event: Any, then: Then, pace: Pace, *, is_watch: bool = False) -> None:
        """Call `then` once an event is complete or failed: here if that is soon, else from a thread.

        Behind a gate nobody waits before it is open.

        Args:
            event: Any event of a session.
            then: What to do, with the event's status.
            pace: Of the event's queue; learns from this wait.
            is_watch: Nobody awaits an answer. Answers have threads of their own, so that no number of watched
                events keeps them waiting.
        """
        gate = gate_of(event)
        if gate is not None:
            gate.park(functools.partial(self.in_turn, [(event, then)], is_watch=is_watch))
            return
        started = time.perf_counter()
        if pace.expected_s <= SHORT_S and self.may_wait_here():
            status = self.wait(event)
        elif (status := self.status(event)) > 0:
            self.in_turn([(event, functools.partial(_learn, pace, started, then))], is_watch=is_watch)
            return
        _learn(pace, started, then, status)

    def in_turn(self, waits: Sequence[tuple[Any, Then]], *, is_watch: bool = False) -> None:
        """Wait for events one after the other, in a thread of its own, and call what belongs to each."""
        (self._watches if is_watch else self._answers).submit(self._follow, waits)

    def _follow(self, waits: Sequence[tuple[Any, Then]]) -> None:
        """Do the waits of a thread; while it waits, and only then, it is under the watchdog's eye."""
        try:
            for event, then in waits:
                then(self.wait_in_thread(event))
        except Exception:
            traceback.print_exc()
            self._started[next(self._numbers)] = time.monotonic()  # somebody waits in vain: it will be seen


def _failure(event: Any) -> int:
    """Return the status of an event that failed without the driver; 0 if it did not, as far as is known."""
    if isinstance(event, FailedEvent):
        return event.failure.code
    if not isinstance(event, GatedEvent) or event.failure is None:
        return 0
    is_own = isinstance(event, (UserEvent, TransferEvent))
    return event.failure.code if is_own else ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST


def _learn(pace: Pace, started: float, then: Then, status: int) -> None:
    pace.expected_s = time.perf_counter() - started
    then(status)
