"""Server spans of requests that a sampled trace of their client's is the parent of; others have none.

Only who has a token that is known here is traced, so that strangers fill no exporter. A `traceparent` that is
malformed, or not sampled, is as good as none.
"""

from __future__ import annotations

import time

from flask import Flask, Response, g, request

from accelpool_broker.request_counts import named
from accelpool_wire import traces


def register(app: Flask) -> None:
    """Have the app's requests traced; after what lets them through."""
    app.before_request(_begin)
    app.after_request(_note)
    app.teardown_request(_end)


def _begin() -> None:
    tracer = traces.tracer()
    if tracer is None or g.get("caller") is None:
        return
    parent = traces.sampled_parent(request.headers.get(traces.HEADER))
    if parent is None:
        return
    from opentelemetry import context, trace

    method, route = named()
    began_ns = time.time_ns() - int((time.monotonic() - g.began_at) * 1e9)
    attributes = {"http.request.method": method, "http.route": route, "url.path": request.path}
    attributes["url.scheme"] = request.scheme
    name = f"{method} {route}"
    g.span = tracer.start_span(name, parent, trace.SpanKind.SERVER, attributes, start_time=began_ns)
    g.span_token = context.attach(trace.set_span_in_context(g.span, parent))


def _note(answer: Response) -> Response:
    if (span := g.get("span")) is not None:
        span.set_attribute("http.response.status_code", answer.status_code)
        if answer.status_code >= 500:
            span.set_attribute(traces.ERROR_TYPE, str(answer.status_code))
    return answer


def _end(_: BaseException | None) -> None:
    if (span := g.pop("span", None)) is not None:
        from opentelemetry import context

        context.detach(g.pop("span_token"))
        span.end()
