"""Putting commands into streams: at once, or, while a user event that they wait for is not set, later.

CUDA has no user events. What waits for one is held back here, and so is what waits for that, in its wait list
or in its in-order queue; the setting of the last one puts it all into the streams.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from accelpool_node.backends.cuda.core import FAILURES, translate
from accelpool_node.backends.cuda.objects import OUT_OF_ORDER, RUNNING, SUBMITTED, CudaEvent, CudaQueue
from accelpool_wire.codes import ErrorCode

FAILED_WAIT = ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
Issue = Callable[[CudaEvent], None]


def enqueue(
    queue: CudaQueue,
    wait_for: Sequence[CudaEvent] | None,
    issue: Issue,
    *,
    awaits_all: bool = False,
) -> CudaEvent:
    """Put a command into its queue's stream, or hold it back; return its event.

    Args:
        queue: Where to; its context is current.
        wait_for: The command's wait list.
        issue: Puts what it does into the stream, given its event, with the context current.
        awaits_all: Whether it waits for all before it, in whatever order the queue is.

    Raises:
        Exception: What `issue` raises, if it is called at once.
    """
    queued_ns = time.monotonic_ns() if queue.is_profiled else 0
    before = _held_before(queue, awaits_all=awaits_all)
    listed = list(wait_for or ())
    event = CudaEvent(context=queue.context, queue=queue, queued_ns=queued_ns)
    if not before and not any(waited.status not in (0, RUNNING) for waited in listed):
        submit(event, listed, issue)
        return event
    event.status, event.over = SUBMITTED, threading.Event()
    event.issue = lambda held: submit(held, listed, issue)
    for earlier, is_listed in [*((e, False) for e in before), *((e, True) for e in listed)]:
        if earlier.status == SUBMITTED:
            event.awaited += 1
            earlier.followers.append((event, is_listed))
        event.has_failed |= is_listed and earlier.status < 0
    if event.awaited:
        queue.waiting.append(event)
    else:
        end(event, FAILED_WAIT if event.has_failed else 0)
    return event


def submit(event: CudaEvent, wait_for: Sequence[CudaEvent], issue: Issue) -> None:
    """Put a command into its stream, behind what it waits for."""
    queue, context = event.queue, event.context
    assert queue is not None, "it is a command's"
    stream = queue.stream
    for waited in wait_for:
        if waited.done is not None and waited.queue is not queue:
            stream.wait_for_event(waited.done)
    if queue.is_profiled:
        event.submitted_ns = time.monotonic_ns()
        event.started = context.take_event(is_timed=True)
        event.started.record(stream)
    try:
        issue(event)
    except BaseException:
        event.let_go()
        raise
    done = context.take_event(is_timed=queue.is_profiled)
    done.record(stream)
    event.done = done
    if event.blocks:
        context.in_flight.append(event)


def end(event: CudaEvent, status: int) -> None:
    """Submit what was held back, or let it fail; then what was held back for that alone, and so on."""
    ending = deque([(event, status)])
    while ending:
        event, status = ending.popleft()
        if event.issue is not None and status == 0:
            status = _submit_held(event)
        event.status, event.issue = status, None
        assert event.over is not None, "it was held back"
        event.over.set()
        for follower, is_listed in event.followers:
            follower.has_failed |= is_listed and status < 0
            follower.awaited -= 1
            if not follower.awaited:
                ending.append((follower, FAILED_WAIT if follower.has_failed else 0))
        event.followers = []


def _submit_held(event: CudaEvent) -> int:
    """Submit a command; return its status: running, or the error with which that failed."""
    assert event.issue is not None, "it is a command"
    try:
        event.context.enter()
        event.issue(event)
    except FAILURES as error:
        return translate("clSetUserEventStatus", error, event.context).code
    return RUNNING


def _held_before(queue: CudaQueue, *, awaits_all: bool) -> list[CudaEvent]:
    """Return what is held back and must come before a new command of a queue."""
    if not queue.waiting:
        return []
    queue.waiting = [event for event in queue.waiting if event.status == SUBMITTED]
    if not queue.properties & OUT_OF_ORDER:
        return queue.waiting[-1:]
    if awaits_all:
        return list(queue.waiting)
    return [event for event in queue.waiting if event is queue.barrier]
