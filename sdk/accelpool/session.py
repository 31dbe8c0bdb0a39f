"""A session in use: one lease, the connection to its nodes, and the devices behind it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from operator import attrgetter
from typing import NoReturn, TypeVar

from accelpool.acquisition import ended, lease_record
from accelpool.connections import SessionConnection
from accelpool.context_stats import ContextStats
from accelpool.device import Device
from accelpool.errors import AccelpoolError, Error, ProblemError, RuntimeError, SessionLost
from accelpool.lease import Lease, LeaseKeeper
from accelpool.progress_reports import ProgressKind, ProgressStep, current_report, ticking, transfer_report
from accelpool.rest import RestClient
from accelpool.round_trip_watch import RoundTripWatch
from accelpool.svm_places import SharedMemories
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead
from accelpool_wire.codes import ErrorCode
from accelpool_wire.pending import Once, PendingRead

AnyReply = TypeVar("AnyReply", bound=m.Message)

ASK_TIMEOUT_S = 3.0


class Session:
    """What all objects of a context talk through. Safe to use from several threads.

    Attributes:
        connection: The open connection; of a lease over several nodes all of them, as one.
        lease: The lease it stands on.
        devices: Its devices, in the order in which messages number them.
        contexts: The handles of its contexts in use; with the last one it ends.
        reads: Reads under way that nobody waits for yet: (queue handle, event handle, read).
        deferred: What is to be posted before the next command; anyone may append, also in `__del__`.
        shared_memories: Its shared virtual memory.
        unset_events: The handles of its user events that are not set.
    """

    __slots__ = (
        "__weakref__", "_keeper", "_parting", "_reason", "_rest", "_watch", "connection", "contexts",
        "deferred", "devices", "is_closed", "lease", "new_handle", "reads", "release", "shared_memories",
        "unset_events",
    )  # fmt: skip

    def __init__(
        self, connection: SessionConnection, lease: Lease, keeper: LeaseKeeper, rest: RestClient
    ) -> None:
        self.lease: Lease = lease
        self.devices: tuple[Device, ...] = ()
        self.contexts: set[int] = set()
        self.is_closed: bool = False
        self.reads: deque[tuple[int, int, PendingRead]] = deque()
        self.deferred: deque[Callable[[], None]] = deque()
        self.shared_memories: SharedMemories = SharedMemories()
        self.unset_events: set[int] = set()
        self._parting = threading.Lock()
        self._keeper = keeper
        self._rest = rest
        self._reason: ProblemError | None = None
        self.talk_through(connection)

    def talk_through(self, connection: SessionConnection) -> None:
        """Use a connection from now on; whoever changes it sees to it that all objects are there, too."""
        self.connection: SessionConnection = connection
        self.new_handle: Callable[[], int] = connection.new_handle
        self.release: Callable[[int], None] = connection.release
        self._watch = RoundTripWatch(
            lambda: ContextStats.of(connection.stats), partial(_null_round_trip, connection)
        )

    @property
    def is_open(self) -> bool:
        """Whether it can still be used, as far as is known without asking."""
        return not self.is_closed and self.lease.failure is None and self.connection.is_open

    def post(self, message: m.Message, payload: bytes | bytearray | memoryview | None = None) -> None:
        """Send a command and await nothing.

        Raises:
            SessionLost, LeaseExpired, LeaseRevoked, LeaseLost: The session is over, and why.
        """
        try:
            if self.deferred:
                self._post_deferred()
            if payload is not None and current_report() is not None:
                with self._transfer(ProgressKind.UPLOAD, memoryview(payload).nbytes):
                    self.connection.post(message, payload)
            else:
                self.connection.post(message, payload)
        except SessionLost as error:
            self._raise_why(error)

    def ask(self, message: m.Message, answer: type[AnyReply]) -> AnyReply:
        """Send a synchronous command and return its answer: one round trip.

        Raises:
            Error: OpenCL's error, of this command or of an earlier posted one that surfaces here.
            SessionLost, LeaseExpired, LeaseRevoked, LeaseLost: The session is over, and why.
        """
        try:
            if self.deferred:
                self._post_deferred()
            self._watch.count()
            return self.connection.ask(message, answer)
        except SessionLost as error:
            self._raise_why(error)

    def read(self, message: AnyRead, into: memoryview, then: Callable[[], None] | None = None) -> PendingRead:
        """Start a read straight into its place; old reads are waited for where too many are under way.

        Args:
            message: What to read.
            into: Where to.
            then: What to do with the bytes before anybody's wait for them returns.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: too many are, and may wait for a user event that is not set.
        """
        most = max(1, self.connection.limits.pending // 2)
        while len(self.reads) >= most:
            if self.unset_events:
                self._drop_done_reads()
                if len(self.reads) < most:
                    break
                what = f"{most} reads are under way, and may wait for a user event that is not set"
                raise RuntimeError("clEnqueueReadBuffer", ErrorCode.OUT_OF_RESOURCES, what)
            with contextlib.suppress(IndexError):  # other threads wait for them too
                self.finish_read(self.reads.popleft()[2])
        try:
            if self.deferred:
                self._post_deferred()
            self._watch.count()
            pending = self.connection.read(message, into)
        except SessionLost as error:
            self._raise_why(error)
        if then is not None:
            pending.then = Once(then)
        if message.event:
            self.reads.append((message.queue, message.event, pending))
        return pending

    def downloading(self, reads: Iterable[PendingRead]) -> AbstractContextManager[None]:
        """Tell how far reads are until the end of the block, if anybody wants to know."""
        return self._transfer(
            ProgressKind.DOWNLOAD, sum(read.into.nbytes for read in reads if not read.is_done)
        )

    def _transfer(self, kind: ProgressKind, total: int) -> AbstractContextManager[None]:
        """Tell how far so many bytes are until the end of the block, if anybody wants to know."""
        report = transfer_report(total)
        if report is None:
            return contextlib.nullcontext()
        stats = self.connection.stats
        count = attrgetter("bytes_sent" if kind is ProgressKind.UPLOAD else "bytes_received")
        before = count(stats)

        def step() -> ProgressStep:
            done = min(total, max(0, count(stats) - before))
            return ProgressStep(kind=kind, name=f"{total} bytes", done=done, total=total)

        return ticking(report, step)

    def _post_deferred(self) -> None:
        while self.deferred:
            with contextlib.suppress(IndexError):  # another thread is at it too
                self.deferred.popleft()()

    def _drop_done_reads(self) -> None:
        for read in list(self.reads):
            if read[2].is_done:
                with contextlib.suppress(ValueError):  # another thread is at it too
                    self.reads.remove(read)

    def finish_read(self, pending: PendingRead) -> m.Data:
        """Wait until a read's bytes are in place."""
        try:
            if current_report() is None:
                return pending.wait()
            with self.downloading([pending]):
                return pending.wait()
        except SessionLost as error:
            self._raise_why(error)

    def finish_reads(self, queue: int, before: int | None = None) -> None:
        """Wait for a queue's reads under way, or for those enqueued before an event."""
        for read in list(self.reads):
            if read[0] == queue and (before is None or read[1] < before):
                with contextlib.suppress(ValueError):  # another thread is at it too
                    self.reads.remove(read)
                self.finish_read(read[2])

    def wait_events(self, events: list[int]) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended."""
        try:
            self._watch.count()
            return self.connection.wait_events(events)
        except SessionLost as error:
            self._raise_why(error)

    def add_devices(self, parent: Device, answer: m.SubDevices) -> list[Device]:
        """Have the sub-devices of a device as devices of the session, at the places that the worker told."""
        from accelpool.session_devices import sub_devices

        made = sub_devices(parent, answer.devices, self)
        with self._parting:
            missing = answer.first - len(self.devices)
            if missing > 0:  # those that another thread was told and has not put in place yet
                self.devices += (parent,) * missing
            self.devices = (*self.devices[: answer.first], *made, *self.devices[answer.first + len(made) :])
        return list(made)

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries."""
        try:
            return self.connection.fetch_binaries(program)
        except SessionLost as error:
            self._raise_why(error)

    def close(self) -> None:
        """End the session and give the lease back. Closing twice is closing once."""
        if not self.is_closed:
            self.is_closed = True
            self._keeper.end(self.lease)
            self.connection.close()  # a parked one has content, and the keeper does not know it

    def __del__(self) -> None:
        if not getattr(self, "is_closed", True):
            self._keeper.drop(self.lease)

    def _raise_why(self, lost: SessionLost) -> NoReturn:
        """Raise why the session is over; that it was closed when its lease had failed is no reason."""
        raise self._why(lost) from (lost if self.lease.failure is None else None)

    def _why(self, lost: SessionLost) -> ProblemError:
        """Return the error that says best why the session is over; the broker is asked once."""
        if self.lease.failure is not None:
            return self.lease.failure
        if self.is_closed:
            return SessionLost(f"lease {self.lease.record.id} was given back: its context is released")
        if self._reason is None:
            self._reason = self._ask_broker() or lost
            self._keeper.drop(self.lease)
        return self._reason

    def _ask_broker(self) -> ProblemError | None:
        """Return how the broker says the lease ended, if it did."""
        try:
            answer = self._rest.request("GET", self.lease.path, timeout_s=ASK_TIMEOUT_S)
            record = lease_record(answer.body)
        except AccelpoolError:
            return None
        return ended(record) if record.state != "active" else None


def _null_round_trip(connection: SessionConnection) -> None:
    """Ask for what changes nothing, and in whose answer no earlier command's failure surfaces."""
    with contextlib.suppress(Error):  # a device without a clock says so, which takes as long
        connection.ask(m.GetInfo(m.TIMERS, 0, 0), m.Info)
