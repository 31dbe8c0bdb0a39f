"""Traces by OpenTelemetry, for the SDK and the broker; without it nothing is imported and nothing done.

Who sets a provider has imported OpenTelemetry: so it is looked for among the modules that are loaded, and a
process without it pays for that look alone. Of a peer's headers `traceparent` alone is read: 55 characters of
a fixed form, and whatever else comes is as good as none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, TypeAlias

from accelpool_wire.version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

Value: TypeAlias = str | int | float | bool
Attributes: TypeAlias = dict[str, Value]

SCOPE = "accelpool"
HEADER = "traceparent"
ERROR_TYPE = "error.type"


def tracer() -> Tracer | None:
    """Return what makes spans, None if the process has set no provider."""
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    provider = trace.get_tracer_provider()
    if isinstance(provider, trace.ProxyTracerProvider):
        return None
    found: Tracer = provider.get_tracer(SCOPE, __version__)
    return found


def is_sampled() -> bool:
    """Whether what this thread does is part of a trace that is sampled."""
    trace = sys.modules.get("opentelemetry.trace")
    return trace is not None and bool(trace.get_current_span().get_span_context().trace_flags.sampled)


def span(
    name: str, attributes: Attributes | None = None, *, is_client: bool = False
) -> AbstractContextManager[Span | None]:
    """Give a span for the block, which fails as the block does; None where nobody traces."""
    found = tracer()
    return nullcontext() if found is None else _span(found, name, attributes, is_client=is_client)


def part(
    name: str, attributes: Attributes | None = None, *, is_client: bool = False
) -> AbstractContextManager[Span | None]:
    """As `span`, of a trace that is sampled already; it begins none."""
    return span(name, attributes, is_client=is_client) if is_sampled() else nullcontext()


def note(name: str, attributes: Attributes | None = None) -> None:
    """Note that something has happened, as an event of the span that is current, if that is sampled."""
    if is_sampled():
        from opentelemetry import trace

        trace.get_current_span().add_event(name, attributes)


def tell(attributes: Attributes) -> None:
    """Have the span that is current say more, if that is sampled."""
    if is_sampled():
        from opentelemetry import trace

        trace.get_current_span().set_attributes(attributes)


def trace_id() -> str:
    """Return the id of the trace that this thread is in, as hexadecimal digits; "" for none."""
    trace = sys.modules.get("opentelemetry.trace")
    found = trace and trace.get_current_span().get_span_context()
    return f"{found.trace_id:032x}" if found and found.is_valid else ""


def headers() -> dict[str, str]:
    """Return the headers that tell a peer of the span that is current; none if it is not sampled."""
    carrier: dict[str, str] = {}
    if is_sampled():
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(carrier)
    return carrier


def sampled_parent(header: str | None) -> Context | None:
    """Return the context that a peer's `traceparent` tells of; None if it is malformed or not sampled."""
    if not header:
        return None
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    told = TraceContextTextMapPropagator().extract({HEADER: header}, Context())
    found = trace.get_current_span(told).get_span_context()
    return told if found.is_valid and found.trace_flags.sampled else None


@contextmanager
def _span(tracer: Tracer, name: str, attributes: Attributes | None, *, is_client: bool) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind

    kind = SpanKind.CLIENT if is_client else SpanKind.INTERNAL
    with tracer.start_as_current_span(name, kind=kind, attributes=attributes) as made:
        try:
            yield made
        except BaseException as error:
            made.set_attribute(ERROR_TYPE, type(error).__qualname__)
            raise
