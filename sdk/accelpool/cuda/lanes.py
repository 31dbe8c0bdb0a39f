"""Streams and the order between them.

Every stream is a command queue of its own. CUDA orders its null stream, which commands without a stream go
to, with all streams that are blocking, as they are unless made NON_BLOCKING:

    a command of the null stream   waits for all before it in every blocking stream
    a command of such a stream     waits for all before it in the null stream

That is said here by markers and wait lists, and only where it goes from one stream to another: a program with
one stream posts nothing for it.

Times of commands cost a device something, so queues keep none; a stream whose events are to have times has a
second queue, its clock, where markers wait for those in the stream.

Source: CUDA driver API, stream synchronization behavior, legacy default stream.
"""

from __future__ import annotations

import threading
import weakref

from accelpool.constants import command_queue_properties
from accelpool.context import Context
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m

PROFILING = command_queue_properties.PROFILING_ENABLE


class Lane:
    """A stream's command queue, and what is known of its order.

    Attributes:
        queue: The command queue.
        is_blocking: Whether it is ordered with the null stream.
        is_dirty: Whether there are commands in it since it was last marked.
        seen: The marker of the null stream that its commands wait for already.
        count: How many commands there were.
        done: How many of them are known to be complete.
    """

    __slots__ = ("__weakref__", "_clock", "count", "done", "is_blocking", "is_dirty", "queue", "seen")

    def __init__(self, queue: CommandQueue, is_blocking: bool) -> None:
        self.queue: CommandQueue = queue
        self.is_blocking: bool = is_blocking
        self.is_dirty: bool = False
        self.seen: int = 0
        self.count: int = 0
        self.done: int = 0
        self._clock: CommandQueue | None = None

    @property
    def clock(self) -> CommandQueue:
        """A queue that keeps times, made when it is first asked for."""
        if self._clock is None:
            self._clock = CommandQueue(self.queue._context, properties=PROFILING)
        return self._clock


class Lanes:
    """The streams of a context.

    Attributes:
        null: The null stream.
        lock: To be held from `before` until the command is posted.
    """

    __slots__ = ("_context", "_dirty", "_made", "_marker", "_spent", "lock", "null")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._made: weakref.WeakSet[Lane] = weakref.WeakSet()
        self._dirty: list[Lane] = []
        self._marker = 0
        self._spent: list[int] = []
        self.lock: threading.RLock = threading.RLock()
        self.null: Lane = Lane(CommandQueue(context), is_blocking=True)

    def new(self, is_blocking: bool) -> Lane:
        """Return a new stream."""
        lane = Lane(CommandQueue(self._context), is_blocking)
        self._made.add(lane)
        return lane

    def before(self, lane: Lane) -> list[int] | None:
        """Return what a stream's next command waits for, beside those before it there; None for nothing."""
        lane.count += 1
        if lane is self.null:
            lane.is_dirty = True
            return self._marked(blocking_only=True) if self._dirty else None
        if not lane.is_dirty:
            lane.is_dirty = True
            self._dirty.append(lane)
        if not lane.is_blocking:
            return None
        null = self.null
        if null.is_dirty:
            null.is_dirty = False
            old, self._marker = self._marker, self._mark(null)
            if old:
                self._context._session.release(old)
        if lane.seen == self._marker:
            return None
        lane.seen = self._marker
        return [self._marker]

    def finish(self) -> None:
        """Wait until all commands are complete, and what they read is in place: one round trip."""
        session, null = self._context._session, self.null.queue._handle
        with self.lock:
            if self._dirty:
                session.post(m.EnqueueBarrier(null, 0, self._marked(blocking_only=False)))
            self.null.is_dirty = False
            if self._marker:
                session.release(self._marker)
                self._marker = 0
            counts = {lane: lane.count for lane in (self.null, *self._made)}
            for lane in counts:
                lane.seen = 0
        session.ask(m.Finish(null), m.Done)
        for lane, count in counts.items():
            lane.done = max(lane.done, count)
            if session.reads:
                session.finish_reads(lane.queue._handle)

    def finish_reads(self, lane: Lane, before: int | None = None) -> None:
        """Wait until what was read before the end of a stream's command, or of all of them, is in place.

        Args:
            lane: The stream, complete up to there.
            before: The command's event; None for all commands.
        """
        session = self._context._session
        if not session.reads:
            return
        ordered = [self.null, lane]
        if lane is self.null:
            ordered += [made for made in self._made if made.is_blocking]
        for one in dict.fromkeys(ordered if lane.is_blocking else [lane]):
            session.finish_reads(one.queue._handle, before)

    def _marked(self, blocking_only: bool) -> list[int] | None:
        """Return markers of the streams that have commands since their last one, for the next command."""
        while self._spent:
            self._context._session.release(self._spent.pop())
        marked = [lane for lane in self._dirty if lane.is_blocking or not blocking_only]
        self._dirty = [lane for lane in self._dirty if lane not in marked]
        markers = []
        for lane in marked:
            lane.is_dirty = False
            markers.append(self._mark(lane))
        self._spent = list(markers)  # to be given back once what waits for them is posted
        return markers or None

    def _mark(self, lane: Lane) -> int:
        session = self._context._session
        marker = session.new_handle()
        session.post(m.EnqueueMarker(lane.queue._handle, marker))
        return marker
