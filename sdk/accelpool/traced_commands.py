"""The spans of a session: of its calls, of its commands, and of what they did on their devices.

    accelpool.launch saxpy          from the call until the device is done with it, by this machine's clock
      accelpool.device saxpy        from start to end on the device, by the device's clock

Who calls within a span of the application's has that as the parent; else it is the span that acquired the
lease. What belongs to a trace that is not sampled is left alone at once.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.util.types import Attributes

from accelpool.constants import status_code
from accelpool.device_clock import DeviceClock
from accelpool.errors import error_for
from accelpool_wire import messages as m
from accelpool_wire.traces import ERROR_TYPE

WORDS = re.compile(r"(?<!^)(?=[A-Z])")
NAMES: dict[type[m.Message], str] = {m.EnqueueNDRangeKernel: "launch", m.BuildProgram: "build"}


@dataclass(kw_only=True, eq=False)
class Command:
    """A command under way.

    Attributes:
        span: Its span.
        target: What its device does: the kernel's name, or such as `copy_buffer`.
        place: The device, by its place in the session.
        posted_ns: When it was posted, by this machine's clock.
    """

    span: Span
    target: str
    place: int
    posted_ns: int


class SessionSpans:
    """Makes the spans of one session; made within the span that acquires its lease.

    Args:
        tracer: Makes them.
        lease: The lease's id.
        devices: The names of the session's devices, by place.
        clock_ns: Nanoseconds since the Unix epoch.
    """

    def __init__(
        self, tracer: Tracer, lease: str, devices: Sequence[str], clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._tracer = tracer
        self._lease = lease
        self._devices = devices
        self._now_ns = clock_ns
        self._acquiring = trace.get_current_span().get_span_context()
        self._clocks = [DeviceClock() for _ in devices]

    def call(self, message: m.Message) -> Span | None:
        """Return the span of a synchronous call; None if it is not sampled."""
        return self._start(message, name_of(message))

    def command(self, message: m.Message, place: int, kernel: str, nbytes: int) -> Command | None:
        """Return a command that begins now; None if it is not sampled.

        Args:
            message: What enqueues it.
            place: Its device.
            kernel: The name of the kernel, "" for none.
            nbytes: How much it brings from or to this machine, in bytes.
        """
        if not self._is_sampled():
            return None
        posted_ns, what = self._now_ns(), name_of(message)
        span = self._start(message, f"{what} {kernel}" if kernel else what, posted_ns)
        if span is None:
            return None
        span.set_attribute("accelpool.device", self._devices[place])
        if isinstance(message, m.EnqueueNDRangeKernel):
            span.set_attribute("accelpool.global_size", list(message.global_size))
        elif nbytes:
            span.set_attribute("accelpool.bytes", nbytes)
        return Command(span=span, target=kernel or what, place=place, posted_ns=posted_ns)

    def done(self, command: Command, ending: m.EventDone, *, is_here: bool = False) -> None:
        """End a command's span, and make that of its time on the device, where that is known.

        Args:
            command: The command.
            ending: How it ended.
            is_here: Whether it ends now, with its bytes in this machine's memory, and not with its device.
        """
        if ending.status < 0:
            routine, what = ending.failure or ("", "")
            failed(command.span, error_for(routine or "the command", ending.status, what))
            return
        now_ns = self._now_ns()
        end_ns = self._on_device(command, ending.times, now_ns) if ending.times else now_ns
        command.span.end(now_ns if is_here else end_ns)

    def _on_device(self, command: Command, times: Sequence[int], now_ns: int) -> int:
        """Make the span of a command's time on its device; return when it ended by this machine's clock."""
        offset = self._clocks[command.place].observe(command.posted_ns, now_ns, times)
        if offset is None:
            return now_ns
        queued, submitted, start, end = (at + offset.middle_ns for at in times)
        command.span.add_event("queued", timestamp=queued)
        command.span.add_event("submitted", timestamp=submitted)
        attributes: Attributes = {
            "accelpool.lease": self._lease,
            "accelpool.device": self._devices[command.place],
            "accelpool.clock.error_ns": offset.error_ns,
        }
        parent = trace.set_span_in_context(command.span, Context())
        name = f"accelpool.device {command.target}"
        self._tracer.start_span(name, parent, attributes=attributes, start_time=start).end(end)
        return end

    def _is_sampled(self) -> bool:
        """Whether what begins now has a sampled parent; asked first, so that other launches pay little."""
        current = trace.get_current_span().get_span_context()
        return (current if current.is_valid else self._acquiring).trace_flags.sampled

    def _start(self, message: m.Message, name: str, start_ns: int | None = None) -> Span | None:
        parent, context = trace.get_current_span().get_span_context(), None
        if not parent.is_valid:
            parent = self._acquiring
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())
        if not parent.trace_flags.sampled:
            return None
        attributes: Attributes = {
            "rpc.system.name": "accelpool",
            "rpc.method": type(message).__name__,
            "accelpool.lease": self._lease,
        }
        name = f"accelpool.{name}"
        span = self._tracer.start_span(name, context, SpanKind.CLIENT, attributes, start_time=start_ns)
        return span if span.is_recording() else None


def name_of(message: m.Message) -> str:
    """Return what a message's span is called: `launch`, `build`, `copy_buffer`, `finish`."""
    kind = type(message)
    return NAMES.get(kind) or WORDS.sub("_", kind.__name__.removeprefix("Enqueue")).lower()


def failed(span: Span, error: BaseException) -> None:
    """End a span with the error that ended what it is about."""
    code = getattr(error, "code", None)
    span.set_attribute(
        ERROR_TYPE, type(error).__qualname__ if code is None else status_code.to_string(code, "%s")
    )
    span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()
