"""How far commands are."""

from __future__ import annotations

import threading
import time
from typing import Any

from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import FAILURES, in_context, refused, translate
from accelpool_node.backends.cuda.enqueueing import end
from accelpool_node.backends.cuda.objects import COMPLETE, RUNNING, SUBMITTED, CudaEvent
from accelpool_wire.codes import ErrorCode

SPIN_S = 100e-6


class Events:
    """How far commands are."""

    def create_user_event(self, context: CudaContext) -> CudaEvent:
        """Return an event that nothing ends by itself."""
        return CudaEvent(context=context, status=SUBMITTED, over=threading.Event())

    @in_context("clSetUserEventStatus")
    def set_user_event_status(self, event: CudaEvent, status: int) -> None:
        """End it, and put what was held back for it into the streams."""
        if event.queue is not None or event.status <= 0:
            raise refused("clSetUserEventStatus", ErrorCode.INVALID_OPERATION, "it is set already")
        end(event, status)

    def event_status(self, event: CudaEvent) -> int:
        """Ask whether the end was reached; before, a command in its stream counts as running."""
        has_ended(event)
        return event.status

    def event_times(self, event: CudaEvent) -> list[int] | None:
        """Return the four times; the host's clock and the device's are the same to some microseconds."""
        if event.started is None or event.status != COMPLETE:
            return None
        try:
            return _times(event)
        except FAILURES as error:  # the context broke since: what uses it next is told
            translate("clGetEventProfilingInfo", error, event.context)
            return None

    def wait(self, event: CudaEvent) -> int:
        """Look for a moment, then block, with the interpreter free for other threads."""
        if event.over is not None:
            event.over.wait()
        until_s = time.perf_counter() + SPIN_S
        while not has_ended(event):
            if time.perf_counter() > until_s:
                _block(event)
        return event.status


def has_ended(event: CudaEvent) -> bool:
    """Whether a command is complete or has failed; takes note of it. Never blocks, never raises."""
    if event.status == RUNNING:
        done = event.done
        context = event.context
        try:
            context.enter()
            if done is None or not done.query():
                return False
            event.settle()
        except FAILURES as error:
            _fail(event, error)
    return event.status <= 0


def _block(event: CudaEvent) -> None:
    """Wait for the driver; what it says is noted."""
    context: Any = event.context
    try:
        context.enter()
        event.done.synchronize()
    except FAILURES as error:
        _fail(event, error)


def _fail(event: CudaEvent, error: Exception) -> None:
    """Take note that a command failed."""
    failure = translate("clWaitForEvents", error, event.context)
    with event.settling:
        if event.status == RUNNING:
            event.let_go()
            event.status = failure.code


def _times(event: CudaEvent) -> list[int]:
    context = event.context
    context.enter()
    start_ns, end_ns = context.clock.span(event.started, event.done)
    submitted_ns = min(event.submitted_ns, start_ns)
    return [min(event.queued_ns, submitted_ns), submitted_ns, start_ns, end_ns]
