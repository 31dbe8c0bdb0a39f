"""A session's connection that can be given up and had again elsewhere, with all that is in the session.

    parked       there is no connection; handles are given back, ends of events are known, nothing else
    put back     at the next use: a new connection, the journal's steps, the content of memory

Events whose commands are complete are so for ever: they are answered here, and waited for no more.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

import msgspec

from accelpool import forks
from accelpool.connections import Bulk, ConnectionStats, SessionConnection
from accelpool.constants import command_queue_properties
from accelpool.errors import Error, ParkingError, ProblemError, SessionLost, error_for
from accelpool.parking.contents import Content, contents, filled
from accelpool.parking.journal import Journal
from accelpool.parking.program_variables import has_variables
from accelpool.summed_stats import SummedStats
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead
from accelpool_wire.codes import ErrorCode
from accelpool_wire.pending import PendingRead

AnyReply = TypeVar("AnyReply", bound=m.Message)
AnyMessage = TypeVar("AnyMessage", bound=m.Message)

EVENTS_AT_ONCE = 1024
FAILURES = 64
TELLS = (m.Finish, m.Sync)  # and reads: a worker's answer to others leaves earlier failures untold


class ParkableConnection:
    """Stands for a session's connection, which says what each method does. Safe to use from several threads.

    Args:
        inner: The connection, in which nothing was made yet.
        take: Returns another one, on devices as those of the first.
        give_back: Closes the one in use and gives its lease back.
        clock: Seconds from any start, never going back.

    Attributes:
        used_s: When it was used last, by that clock.
        kept_bytes: How much content of buffers and images is here while it is parked.
    """

    def __init__(
        self,
        inner: SessionConnection,
        take: Callable[[], SessionConnection],
        give_back: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.devices: list[m.Device] = list(inner.devices)
        self.features: Collection[str] = frozenset(inner.features)
        self.limits: m.Limits = inner.limits
        self.stats: ConnectionStats = SummedStats(lambda: self._stats)
        self.used_s: float = clock()
        self.kept_bytes: int = 0
        self._inner: SessionConnection | None = inner
        self._stats = [inner.stats]
        self._take = take
        self._give_back = give_back
        self._clock = clock
        self._end: ProblemError | None = None
        self._handles = itertools.count(1)
        self._journal = Journal()
        self._lock = threading.Lock()
        self._users = 0
        self._reads: deque[PendingRead] = deque()
        self._ended: dict[int, m.EventDone] = {}
        self._owed: Error | None = None
        self._kept: dict[int, Content] = {}
        forks.tell(self._forked)

    # ---- parking -----------------------------------------------------------------------------------------

    @property
    def is_parked(self) -> bool:
        """Whether there is no connection now, and none is needed until the next use."""
        return self._inner is None and self._end is None

    def park(self, keep_bytes: int) -> None:
        """Wait for all commands, keep what is in the session, and give its lease back.

        Args:
            keep_bytes: How much content of buffers and images is kept at most.

        Raises:
            ParkingError: Not all can be kept, or another thread waits for something; nothing has changed.
            SessionLost: The session is over.
        """
        with self._lock:
            inner = self._inner
            if inner is None:
                return
            if self._users:
                raise ParkingError("another thread is waiting for the device")
            if why := self._journal.why_not():
                raise ParkingError(why)
            self._finish(inner)
            ended = {done.event: done for done in self._endings(inner)}
            if has_variables(inner, self._journal):
                raise ParkingError("a program has variables in global memory, which cannot be read")
            kept = self._contents(inner, keep_bytes)
            self._ended.update(ended)
            self._kept, self.kept_bytes = kept, sum(content.nbytes for content in kept.values())
            self._inner = None
            self._give_back()

    def _finish(self, inner: SessionConnection) -> None:
        """Wait for all commands; the first failure is owed to whoever waits next."""
        for _ in range(FAILURES):
            try:
                inner.ask(m.Sync(), m.Done)
                break
            except Error as error:
                self._owed = self._owed or error
        for step in self._journal.steps():
            made = step.message
            if isinstance(made, m.CreateCommandQueue) and not _is_on_device(made):
                try:
                    inner.ask(m.Finish(made.queue), m.Done)
                except Error as error:
                    self._owed = self._owed or error
        for read in self._reads:
            with contextlib.suppress(Error):  # whoever waits for it is told
                read.wait()
        self._reads.clear()

    def _endings(self, inner: SessionConnection) -> Iterator[m.EventDone]:
        events = sorted(self._journal.events - self._ended.keys())
        for start in range(0, len(events), EVENTS_AT_ONCE):
            yield from inner.wait_events(events[start : start + EVENTS_AT_ONCE])

    def _contents(self, inner: SessionConnection, keep_bytes: int) -> dict[int, Content]:
        try:
            return contents(inner, self._journal, keep_bytes, self.new_handle)
        except Error as error:
            raise ParkingError(f"not all memory can be read: {error}") from error
        except MemoryError as error:
            raise ParkingError(f"this process has no memory for what is to be kept: {error}") from error

    def _here(self) -> SessionConnection:
        """Return the connection, to a new session with all that was in the old one if that was parked."""
        if self._end is not None:
            raise self._end
        if self._inner is None:
            inner = self._take()
            try:
                made = self._put_back(inner)
            except BaseException:
                self._give_back()
                raise
            self._inner, self._kept, self.kept_bytes = inner, {}, 0
            self._stats.append(inner.stats)
            for handle in made - self._journal.alive():  # from now on `release` gives back there, too
                inner.release(handle)
        self.used_s = self._clock()
        return self._inner

    def _put_back(self, inner: SessionConnection) -> set[int]:
        """Make all objects again, and return their handles."""
        steps = list(self._journal.steps())
        try:
            for step in steps:
                message, payload = filled(step, self._kept)
                if isinstance(message, m.Synchronous):
                    inner.ask(message, message.answer)
                else:
                    inner.post(message, payload)
            inner.ask(m.Sync(), m.Done)
        except (Error, SessionLost) as error:
            raise ParkingError(f"what was parked cannot be put back on the device: {error}") from error
        return {step.owner for step in steps}

    @contextlib.contextmanager
    def _use(self, *, is_told: bool = False) -> Iterator[SessionConnection]:
        """Have the connection for something that takes its time: other threads may use it meanwhile.

        Args:
            is_told: Whether it is what tells of commands that have failed before.
        """
        with self._lock:
            inner = self._here()
            if is_told and (owed := self._owed) is not None:
                self._owed = None
                raise owed
            self._users += 1
        try:
            yield inner
        finally:
            with self._lock:
                self._users -= 1
                self.used_s = self._clock()

    # ---- what a connection does --------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known without asking."""
        return self._end is None and (self._inner is None or self._inner.is_open)

    @property
    def can_send(self) -> bool:
        """Whether a small message would leave at once."""
        inner = self._inner
        return inner is not None and not self._lock.locked() and inner.can_send

    def new_handle(self) -> int:
        """Return a handle that the session has not used."""
        return next(self._handles)

    def release(self, handle: int) -> None:
        """Give a handle back, some time soon."""
        self._journal.release(handle)
        self._ended.pop(handle, None)
        inner = self._inner
        if inner is not None:
            inner.release(handle)

    def post(self, message: m.Message, payload: Bulk | None = None) -> int:
        """Send a command and await nothing."""
        with self._lock:
            inner = self._here()
            number = inner.post(self._without_ended(message), payload)
            self._journal.note(message, payload)
            return number

    def ask(self, message: m.Message, answer: type[AnyReply], timeout_s: float | None = None) -> AnyReply:
        """Send a synchronous command and return its answer."""
        with self._use(is_told=isinstance(message, TELLS)) as inner:
            reply = inner.ask(message, answer, timeout_s)
            with self._lock:
                self._journal.note(message)
            return reply

    def read(self, message: AnyRead, into: memoryview) -> PendingRead:
        """Start a read whose bytes go straight to their place."""
        with self._use(is_told=True) as inner, self._lock:
            pending = inner.read(self._without_ended(message), into)
            self._journal.note(message)
            while self._reads and self._reads[0].is_done:
                self._reads.popleft()
            self._reads.append(pending)
            return pending

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries."""
        with self._use() as inner:
            return inner.fetch_binaries(program)

    def watch(self, events: Iterable[int]) -> None:
        """Ask to be told when events are complete, without waiting."""
        pending = [event for event in events if event not in self._ended]
        if pending:
            with self._use() as inner:
                inner.watch(pending)

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended."""
        handles = list(events)
        pending = [event for event in handles if event not in self._ended]
        endings = {event: done for event in handles if (done := self._ended.get(event)) is not None}
        if pending:
            with self._use() as inner:
                endings |= {done.event: done for done in inner.wait_events(pending, timeout_s)}
        return [endings[event] for event in handles]

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended if that is known here, without asking."""
        inner = self._inner
        return self._ended.get(event) or (None if inner is None else inner.event_state(event))

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call `callback` once the event is complete or failed."""
        done = self._ended.get(event)
        if done is not None:
            threading.Thread(target=callback, args=(done,), name=f"event-{event}", daemon=True).start()
            return
        with self._use() as inner:
            inner.on_event_done(event, callback)

    def tell(self, event: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once the event has ended, or the session; return what takes that back."""
        if event in self._ended:
            callback()
            return lambda: None
        with self._use() as inner:
            return inner.tell(event, callback)

    def flush(self) -> None:
        """Send what is gathered."""
        inner = self._inner
        if inner is not None:
            inner.flush()

    def close(self) -> None:
        """End the session and everything in it."""
        self._over(SessionLost("the session was closed by this client"))
        if self._inner is not None:
            self._inner.close()

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: leave the session to the other process."""
        self._over(reason)
        if self._inner is not None:
            self._inner.abandon(reason)

    def _forked(self) -> None:
        """In a process just forked: wait for none of the other one's threads."""
        self._lock = threading.Lock()

    def _over(self, end: ProblemError) -> None:
        self._end = self._end or end
        self._kept, self.kept_bytes = {}, 0

    def _without_ended(self, message: AnyMessage) -> AnyMessage:
        """Return a command that waits only for what the session knows.

        Raises:
            RuntimeError: EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: it waits for what has failed.
        """
        wait_for: list[int] | None = getattr(message, "wait_for", None)
        if not wait_for or not self._ended:
            return message
        for event in wait_for:
            if (done := self._ended.get(event)) is not None and done.status < 0:
                what = f"event {event} of the wait list failed before the lease was parked"
                code = ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
                raise error_for(type(message).__name__, code, what)
        left = [event for event in wait_for if event not in self._ended]
        return msgspec.structs.replace(message, wait_for=left or None)


def _is_on_device(made: m.CreateCommandQueue) -> bool:
    return bool(made.properties & command_queue_properties.ON_DEVICE)
