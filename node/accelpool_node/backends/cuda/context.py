"""A device's context, and what its commands share: streams, events, pinned memory, and who tidies up."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from accelpool_node import mps
from accelpool_node.backends.cuda import driver
from accelpool_node.backends.cuda.clock import Clock
from accelpool_node.backends.cuda.core import cuda
from accelpool_node.backends.cuda.pinned import PinnedPool
from accelpool_node.backends.cuda.streams import Event, Stream, make_current, pinned

if TYPE_CHECKING:
    from accelpool_node.backends.base.types import BackendDevice
    from accelpool_node.backends.cuda.objects import CudaEvent

NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: nothing waits for the stream that all share
BLOCKING_SYNC, DISABLE_TIMING = 1, 2
PLAIN, TIMED = BLOCKING_SYNC | DISABLE_TIMING, BLOCKING_SYNC


class Current(threading.local):
    """The context that was made this thread's current one."""

    handle = 0


_current = Current()


def _context_of(device: Any) -> Any:
    """Return the device's primary context, or one of its own where MPS parts the device.

    The part of a primary context is what the environment said when CUDA began; a warm worker learns it later.
    """
    if not mps.is_parted(os.environ):
        return device.retain_primary_context()
    context = device.make_context()
    context.pop()
    return context


class CudaContext:
    """A device's context, which all contexts of a session on the device share.

    Args:
        device: The device.

    Attributes:
        device: The device.
        fault: Why nothing more can be done with it, once that is so.
        pinned: Pinned host memory.
        in_flight: Events of copies whose pinned memory is not given back yet, oldest first.
    """

    def __init__(self, device: BackendDevice) -> None:
        self.device = device
        self.fault = ""
        self._kept = _context_of(device.handle)  # PyCUDA's: it gives it back
        self._handle = int(self._kept.handle)
        self._events: list[Event] = []
        self._streams: list[Stream] = []
        self._janitor = Janitor(self)
        self.in_flight: deque[CudaEvent] = deque()
        self.enter()
        anchor, stream = Event(TIMED), self.take_stream()
        anchor.record(stream)
        anchor.synchronize()
        self.give_stream(stream)
        self.clock = Clock(anchor, self.leave)
        self.pinned = PinnedPool(pinned, self.leave)

    @property
    def context(self) -> CudaContext:
        """Itself."""
        return self

    @property
    def handle(self) -> int:
        """The driver's."""
        return self._handle

    def enter(self) -> None:
        """Make it this thread's current one, which it stays until another one is made that."""
        if _current.handle != self._handle:
            make_current(self._handle)
            _current.handle = self._handle

    # ---- with it current ---------------------------------------------------------------------------------

    def take_stream(self) -> Stream:
        """Return a stream with nothing in it."""
        try:
            return self._streams.pop()
        except IndexError:
            return Stream(NON_BLOCKING)

    def give_stream(self, stream: Stream) -> None:
        """Take a stream back, for another queue if nothing is in it."""
        if stream.is_done():
            self._streams.append(stream)
        else:
            self.leave(stream)

    def take_event(self, *, is_timed: bool = False) -> Event:
        """Return an event to be recorded."""
        if is_timed:
            return Event(TIMED)
        try:
            return self._events.pop()
        except IndexError:
            return Event(PLAIN)

    # ---- from anywhere -----------------------------------------------------------------------------------

    def give_event(self, event: Event, *, is_timed: bool) -> None:
        """Take an event back that nobody asks for any more; it may not be reached yet."""
        if is_timed:
            self.leave(event)
        else:
            self._events.append(event)

    def leave(self, thing: Any) -> None:
        """Have an object go once this context is current, which its end needs."""
        self._janitor.leave(lambda: None, thing)

    def leave_to(self, end: Callable[[], None]) -> None:
        """Have something done with this context current, in a thread that may wait for the device."""
        self._janitor.leave(end, None)

    def tidy_up(self) -> None:
        """Wait until what was left so far is gone."""
        self._janitor.wait()


class Janitor:
    """Ends things in a thread of its own: their end may have to wait for the device.

    Args:
        context: Whose things.
    """

    def __init__(self, context: CudaContext) -> None:
        self._context = context
        self._left: queue.SimpleQueue[tuple[Callable[[], None], Any]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="janitor", daemon=True).start()

    def leave(self, end: Callable[[], None], thing: Any) -> None:
        """Have a call made, and then a thing go."""
        self._left.put((end, thing))

    def wait(self) -> None:
        """Wait until all before is done."""
        done = threading.Event()
        self._left.put((done.set, None))
        done.wait()

    def _work(self) -> None:
        while True:
            end, thing = self._left.get()
            with contextlib.suppress(driver.DriverError, cuda.Error):  # a lost context gives nothing back
                self._context.enter()
                end()
            del end, thing
