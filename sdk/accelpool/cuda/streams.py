"""Streams and events."""

from __future__ import annotations

from accelpool.constants import command_type
from accelpool.cuda.constants import event_flags, stream_flags
from accelpool.cuda.contexts import Context, current
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.lanes import Lane
from accelpool.event import Event as LowerEvent
from accelpool.event import wait_for_events
from accelpool.process_bound import ProcessBound
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m

NS_PER_MS = 1e6


class Stream(ProcessBound):
    """Commands of the current context that are carried out in their order.

    Args:
        flags: 0; or 1 for one that is not ordered with commands that have no stream.
    """

    __slots__ = ("__weakref__", "_context", "_lane")

    def __init__(self, flags: int = 0) -> None:
        context = current("cuStreamCreate")
        self._context = context
        self._lane: Lane = context._lanes.new(is_blocking=not flags & stream_flags.NON_BLOCKING)

    def synchronize(self) -> Stream:
        """Wait until its commands are complete: one round trip; return the stream.

        Raises:
            Error: The first command that failed since the last call that waited, and how.
        """
        session, lanes, lane = self._context._lower._session, self._context._lanes, self._lane
        count = lane.count
        with calling("cuStreamSynchronize"):
            session.ask(m.Finish(lane.queue._handle), m.Done)
            lanes.finish_reads(lane)
        lane.done = max(lane.done, count)
        return self

    def is_done(self) -> bool:
        """Return whether its commands are complete: none to two round trips.

        What is asked is whether a marker behind them is reached. That takes a device a moment even where all
        else is over, so it is asked again before the answer is no.
        """
        lane = self._lane
        if lane.done < lane.count:
            marker = Event(event_flags.DISABLE_TIMING).record(self)
            count = lane.count
            if not (marker.query() or marker.query()):
                return False
            lane.done = max(lane.done, count)
        return True

    def wait_for_event(self, evt: Event, /) -> None:
        """Let its commands from now on wait for an event of any stream; nothing waits here."""
        routine = "cuStreamWaitEvent"
        recorded = evt._event
        if recorded is None:
            return
        if recorded._session is not self._context._lower._session:
            raise failed(routine, "INVALID_HANDLE", "the event is of another context")
        with calling(routine), self._context._lanes.lock:
            waits = self._context._lanes.before(self._lane) or []
            waits = [*waits, recorded._handle]
            recorded._session.post(m.EnqueueBarrier(self._lane.queue._handle, 0, waits))

    @property
    def handle(self) -> int:
        """A number by which `from_int_ptr` finds the stream while it lives; no address."""
        return self.int_ptr

    def __repr__(self) -> str:
        return f"<accelpool.cuda.Stream {self._lane.queue._handle} of {self._context!r}>"


class Event(ProcessBound):
    """A point in a stream, once it is recorded there.

    Args:
        flags: `event_flags`; with DISABLE_TIMING it has no time.
    """

    __slots__ = ("__weakref__", "_context", "_event", "_flags", "_lane", "_tick")

    def __init__(self, flags: int = 0) -> None:
        self._context: Context = current("cuEventCreate")
        self._flags = int(flags)
        self._event: LowerEvent | None = None
        self._tick: LowerEvent | None = None
        self._lane: Lane | None = None

    def record(self, stream: Stream | None = None) -> Event:
        """Put it behind the commands that a stream has by now; return the event. Nothing waits here."""
        routine = "cuEventRecord"
        lane = self._context._lane(stream, routine)
        with calling(routine), self._context._lanes.lock:
            waits = self._context._lanes.before(lane)
            self._event, self._tick = _marker(lane.queue, waits), None
            if not self._flags & event_flags.DISABLE_TIMING:
                self._tick = _marker(lane.clock, [self._event._handle])
        self._lane = lane
        return self

    def synchronize(self) -> Event:
        """Wait until it is reached: one round trip, or none if that is known; return the event.

        Raises:
            Error: A command before it failed, and how.
        """
        if self._event is not None and self._lane is not None:
            with calling("cuEventSynchronize"):
                wait_for_events([self._event] if self._tick is None else [self._event, self._tick])
                self._context._lanes.finish_reads(self._lane, before=self._event._handle)
        return self

    def query(self) -> bool:
        """Return whether it is reached: one round trip, or none if that is known. One not recorded is."""
        if self._event is None:
            return True
        with calling("cuEventQuery"):
            return self._event._state().status <= 0

    def time_since(self, event: Event, /) -> float:
        """Return the milliseconds from another event to this one, on the device's clock.

        Raises:
            RuntimeError: CUDA_ERROR_NOT_READY: one of them is not reached yet.
            LogicError: CUDA_ERROR_INVALID_HANDLE: one is not recorded, or has no time.
        """
        return (self._reached_ns() - event._reached_ns()) / NS_PER_MS

    def time_till(self, event: Event, /) -> float:
        """Return the milliseconds from this event to another one; as `time_since`."""
        return event.time_since(self)

    def _reached_ns(self) -> int:
        routine = "cuEventElapsedTime"
        if self._event is None or self._tick is None:
            raise failed(routine, "INVALID_HANDLE", "an event has no time, or is not recorded")
        with calling(routine):
            state = self._tick._state()
            if state.status > 0 and self._event._state().status > 0:
                raise failed(routine, "NOT_READY", "an event is not reached yet")
            self._tick.wait()  # no longer than the clock needs to see it
            times = self._tick._state().times
        if not times:
            raise failed(routine, "INVALID_HANDLE", "the device told no time")
        return times[3]

    def ipc_handle(self) -> None:
        """Refuse: processes of this machine share no event of another one's device.

        Raises:
            LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
        """
        raise failed("cuIpcGetEventHandle", "NOT_SUPPORTED", "another process needs a context of its own")

    @staticmethod
    def from_ipc_handle(handle: object, /) -> Event:  # noqa: ARG004 - whatever it is
        """Refuse, as `ipc_handle`."""
        raise failed("cuIpcOpenEventHandle", "NOT_SUPPORTED", "a process has the events that it makes itself")


def _marker(queue: CommandQueue, waits: list[int] | None) -> LowerEvent:
    """Return the event of a marker that is posted."""
    session = queue._session
    handle = session.new_handle()
    session.post(m.EnqueueMarker(queue._handle, handle, waits))
    return LowerEvent(session, handle, queue, command_type.MARKER)
