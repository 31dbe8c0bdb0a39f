"""Waiting for commands, with asyncio. Their ends are pushed: no thread waits for one of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from accelpool import enqueue, event
from accelpool.aio.threads import Threads
from accelpool.build_options import Options
from accelpool.device import Device
from accelpool.errors import Error, ProblemError
from accelpool.event import Event, NannyEvent
from accelpool.program import Program
from accelpool.queue import CommandQueue
from accelpool.session import Session
from accelpool_wire.pending import PendingRead

TakeBack = Callable[[], None]
Tell = Callable[[Callable[[], None]], TakeBack]


async def wait_for_events(events: Sequence[Event]) -> None:
    """Wait until all events are complete, as `accelpool.wait_for_events` does; `await event` is short for it.

    Raises:
        RuntimeError: EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: a command failed, and how.
        LogicError: INVALID_VALUE: no events; INVALID_CONTEXT: events of several sessions.
        SessionLost: The session is over, and why.
    """
    session = event.session_of(events)
    reads = list(dict.fromkeys(_reads(session, events)))
    with session.downloading(reads):
        await _all_told(session, [*_ends(session, events), *(read.tell for read in reads)])
    if _are_known(session, events):
        event.wait_for_events(events)  # nothing is left to wait for
    else:
        await Threads.SHORT.run(event.wait_for_events, events)


async def finish(queue: CommandQueue) -> None:
    """Wait until all commands of a queue are complete, as its `finish` does, for asyncio.

    Raises:
        Error: OpenCL's error of the first command that failed since the last synchronous call.
        SessionLost: The session is over, and why.
    """
    marker = await Threads.SHORT.run(enqueue.enqueue_marker, queue)
    with contextlib.suppress(Error):  # `finish` says it better
        await wait_for_events([marker])
    await Threads.SHORT.run(queue.finish)


async def enqueue_copy(queue: CommandQueue, dest: Any, src: Any, **kwargs: Any) -> Event:
    """Copy, as `accelpool.enqueue_copy` does, for asyncio; a copy to the host is in place afterwards.

    Args:
        queue: The queue to enqueue to.
        dest: As there.
        src: As there. Host memory must not change until this is done.
        **kwargs: As there; with `is_blocking=False` of a copy to the host, its event has still to be awaited.
    """
    is_blocking = kwargs.pop("is_blocking", True)
    copy = partial(enqueue.enqueue_copy, queue, dest, src, **kwargs)
    if not _is_host(dest):
        return await Threads.LONG.run(copy)
    made = await Threads.LONG.run(copy, is_blocking=False)
    if is_blocking:
        await made
    return made


async def build(
    program: Program, options: Options = None, devices: Sequence[Device] | None = None
) -> Program:
    """Compile and link, as `Program.build` does, and return the program itself.

    Raises:
        RuntimeError: BUILD_PROGRAM_FAILURE: the program does not compile; the build log says why.
        LogicError: INVALID_BUILD_OPTIONS and the like.
    """
    return await Threads.LONG.run(program.build, options, devices)


def _is_host(memory: object) -> bool:
    """Whether something is memory of this process, not of a device."""
    try:
        memoryview(memory)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return False
    return True


def _ends(session: Session, events: Sequence[Event]) -> Iterator[Tell]:
    """Yield how to be told of the ends of events that are not known."""
    for each in events:
        if each._ending is None and not (isinstance(each, NannyEvent) and each._pending is not None):
            yield partial(session.connection.tell, each._handle)


def _reads(session: Session, events: Sequence[Event]) -> Iterator[PendingRead]:
    """Yield the reads that are in place when events are waited for: their own, and those before them."""
    for each in events:
        if isinstance(each, NannyEvent) and each._pending is not None:
            yield each._pending
        if each._queue is not None and each._queue._is_in_order:
            handle = each._queue._handle
            yield from (
                read[2] for read in list(session.reads) if read[0] == handle and read[1] < each._handle
            )


def _are_known(session: Session, events: Sequence[Event]) -> bool:
    """Note how events ended; whether that is known of all, and nothing is left to do with what was read."""
    for each in events:
        if each._ending is None and not (isinstance(each, NannyEvent) and each._pending is not None):
            each._ending = session.connection.event_state(each._handle)
            if each._ending is None:
                return False
    return session.is_open and all(read.then is None and read.is_done for read in _reads(session, events))


async def _all_told(session: Session, tells: Sequence[Tell]) -> None:
    """Return once all have been told, or the session is over."""
    if not tells:
        return
    loop, left = asyncio.get_running_loop(), len(tells)
    all_told: asyncio.Future[None] = loop.create_future()

    def count() -> None:
        nonlocal left
        left -= 1
        if not left and not all_told.done():
            all_told.set_result(None)

    def told() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(count)

    ask = partial(_ask_all, tells, told)
    take_back = ask() if session.connection.can_send else await Threads.SHORT.make(ask, lambda undo: undo())
    try:
        await all_told
    finally:
        take_back()


def _ask_all(tells: Sequence[Tell], told: Callable[[], None]) -> TakeBack:
    """Ask to be told, and return what takes that back."""
    with contextlib.ExitStack() as asked:
        for tell in tells:
            try:
                asked.callback(tell(told))
            except ProblemError:  # the session is over: whoever uses it now is told why
                told()
        return asked.pop_all().close
