"""A session's connection whose calls and commands leave spans. Without a provider there is none around it.

So what is not traced costs nothing: a launch goes the way it always went, and none of this is imported. What
is sampled has its events watched, by one message before the next synchronous call; with their ends come their
times. Queues profile, whether the application asked for it or not; what `Event.profile` says is as it was.

An event that is followed lives until its end is known, whoever gave it back. The session's end waits for the
last ones a while.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypeVar

import msgspec

from accelpool.connections import Bulk, ConnectionStats, SessionConnection
from accelpool.constants import command_queue_properties
from accelpool.errors import AccelpoolError, ProblemError
from accelpool.traced_commands import Command, SessionSpans, failed
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead
from accelpool_wire.pending import Once, PendingRead

AnyReply = TypeVar("AnyReply", bound=m.Message)

PROFILING, ON_DEVICE = command_queue_properties.PROFILING_ENABLE, command_queue_properties.ON_DEVICE
MOST_FOLLOWED = 1024
LAST_WAIT_S = 1.0


class TracedConnection:
    """Stands for a session's connection; what each method does is said there.

    Args:
        inner: The connection.
        spans: Makes the spans.
    """

    def __init__(self, inner: SessionConnection, spans: SessionSpans) -> None:
        self._inner = inner
        self._spans = spans
        self._places: dict[int, int] = {}  # of queues
        self._kernels: dict[int, str] = {}
        self._followed: dict[int, Command] = {}  # by their events
        self._unwatched: deque[int] = deque()
        self._released: deque[int] = deque()
        self.new_handle: Callable[[], int] = inner.new_handle

    @property
    def devices(self) -> Sequence[m.Device]:
        """The session's devices."""
        return self._inner.devices

    @property
    def features(self) -> Collection[str]:
        """What all ends have beyond the protocol's version."""
        return self._inner.features

    @property
    def limits(self) -> m.Limits:
        """What is accepted at most."""
        return self._inner.limits

    @property
    def stats(self) -> ConnectionStats:
        """What it has cost so far."""
        return self._inner.stats

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known without asking."""
        return self._inner.is_open

    def release(self, handle: int) -> None:
        """Give a handle back, some time soon; that of an event that is followed, when its end is known."""
        if handle in self._followed:
            self._released.append(handle)
        else:
            self._inner.release(handle)

    def post(self, message: m.Message, payload: Bulk | None = None) -> int:
        """Send a command and await nothing."""
        if isinstance(message, m.CreateCommandQueue):
            message = self._profiling(message)
        elif isinstance(message, m.CreateKernel):
            self._kernels[message.kernel] = message.name
        command = self._begin(message, 0 if payload is None else memoryview(payload).nbytes)
        if command is None:
            return self._inner.post(message, payload)
        try:
            number = self._inner.post(message, payload)
        except BaseException as error:
            failed(command.span, error)
            raise
        self._follow(message.event, command)  # type: ignore[attr-defined]  # a command with one
        return number

    def ask(self, message: m.Message, answer: type[AnyReply], timeout_s: float | None = None) -> AnyReply:
        """Send a synchronous command and return its answer."""
        self._watch()
        span = self._spans.call(message)
        try:
            reply = self._inner.ask(message, answer, timeout_s)
        except BaseException as error:
            if span is not None:
                failed(span, error)
            raise
        if span is not None:
            span.end()
        self._collect()
        return reply

    def read(self, message: AnyRead, into: memoryview) -> PendingRead:
        """Start a read whose bytes go straight to their place."""
        self._watch()
        command = self._spans.command(message, self._places.get(message.queue, 0), "", into.nbytes)
        try:
            pending = self._inner.read(message, into)
        except BaseException as error:
            if command is not None:
                failed(command.span, error)
            raise
        return pending if command is None else TracedRead(pending, command, self._end_read)

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries."""
        return self._inner.fetch_binaries(program)

    def watch(self, events: Iterable[int]) -> None:
        """Ask to be told when events are complete, without waiting."""
        self._inner.watch(events)

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended."""
        handles = list(events)
        self._watch()
        endings = self._inner.wait_events(handles, timeout_s)
        self._collect()
        return endings

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended if that is known here, without asking."""
        return self._inner.event_state(event)

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call `callback` once the event is complete or failed."""
        self._inner.on_event_done(event, callback)

    @property
    def can_send(self) -> bool:
        """Whether a small message would leave at once."""
        return self._inner.can_send

    def tell(self, event: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once the event has ended, or the session; return what takes that back."""
        return self._inner.tell(event, callback)

    def flush(self) -> None:
        """Send what is gathered."""
        self._inner.flush()

    def close(self) -> None:
        """End the session and everything in it, after the last that is followed has ended, or a while."""
        self._watch()
        with contextlib.suppress(AccelpoolError):
            if self._followed:
                self._inner.wait_events(list(self._followed), LAST_WAIT_S)
        self._collect()
        while self._followed:  # nobody will hear of them
            self._followed.popitem()[1].span.end()
        self._inner.close()

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: leave the session, and its spans, to the other process."""
        self._followed.clear()
        self._inner.abandon(reason)

    # ---- spans -------------------------------------------------------------------------------------------

    def _profiling(self, message: m.CreateCommandQueue) -> m.CreateCommandQueue:
        """Return what makes a queue that tells the times of its commands."""
        if message.properties & ON_DEVICE:  # its commands are not this client's
            return message
        self._places[message.queue] = message.device
        return msgspec.structs.replace(message, properties=message.properties | PROFILING)

    def _begin(self, message: m.Message, nbytes: int) -> Command | None:
        place = self._places.get(getattr(message, "queue", 0))
        if place is None or not getattr(message, "event", 0):
            return None
        if len(self._followed) >= MOST_FOLLOWED:
            self._watch()
            self._collect()
            if len(self._followed) >= MOST_FOLLOWED:
                return None
        kernel = ""
        if isinstance(message, m.EnqueueNDRangeKernel):
            kernel = self._kernels.get(message.kernel, "")
        return self._spans.command(message, place, kernel, nbytes)

    def _follow(self, event: int, command: Command) -> None:
        self._followed[event] = command
        self._unwatched.append(event)

    def _watch(self) -> None:
        """Ask to be told of the ends of what was enqueued since the last time."""
        if self._unwatched:
            events = [self._unwatched.popleft() for _ in range(len(self._unwatched))]
            with contextlib.suppress(AccelpoolError):  # the session is over: whoever asks next is told why
                self._inner.watch(events)

    def _collect(self) -> None:
        """End the spans of what is known to have ended, and give back what was released meanwhile."""
        for event in list(self._followed):
            done = self._inner.event_state(event)
            command = None if done is None else self._followed.pop(event, None)
            if done is not None and command is not None:
                self._spans.done(command, done)
        for _ in range(len(self._released)):
            self.release(self._released.popleft())

    def _end_read(self, command: Command, data: m.Data) -> None:
        self._spans.done(command, m.EventDone(0, 0, data.times), is_here=True)
        self._collect()


class TracedRead(PendingRead):
    """A read under way, whose span ends when somebody has waited for it."""

    __slots__ = ("_command", "_done", "_pending")

    def __init__(
        self, pending: PendingRead, command: Command, done: Callable[[Command, m.Data], None]
    ) -> None:
        self._pending = pending
        self.into: memoryview = pending.into
        self._command: Command | None = command
        self._done = done
        self.then: Once | None = None

    @property
    def is_done(self) -> bool:
        """Whether the bytes are in place, or the read has failed."""
        return self._pending.is_done

    def tell(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have a function called, from some thread, once `wait` has nothing to wait for."""
        return self._pending.tell(callback)

    def wait(self, timeout_s: float | None = None) -> m.Data:
        """Wait until the bytes are in place; errors as those of the read itself."""
        command, self._command = self._command, None
        try:
            data = self._pending.wait(timeout_s)
        except BaseException as error:
            if command is not None:
                failed(command.span, error)
            raise
        if command is not None:
            self._done(command, data)
        if self.then is not None:
            self.then()
        return data
