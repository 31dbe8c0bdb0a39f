"""Trace a kernel: print the spans of what one lease came to, from asking for it to its kernel's time.

pip install '.[otel]'        # in a clone
python examples/traces.py
"""

from __future__ import annotations

import numpy as np
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

import accelpool as cl

TWICE = "__kernel void twice(__global float *x) { x[get_global_id(0)] *= 2; }"


def line(span: ReadableSpan) -> str:
    """Return a span's line: how long it took, in milliseconds, and its name."""
    assert span.start_time is not None
    assert span.end_time is not None
    return f"{(span.end_time - span.start_time) / 1e6:10.3f} ms  {span.name}\n"


provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line)))
trace.set_tracer_provider(provider)

with cl.acquire("any") as ctx:
    queue = cl.CommandQueue(ctx)
    program = cl.Program(ctx, TWICE).build()
    x = np.arange(1024, dtype=np.float32)
    buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
    program.twice(queue, x.shape, None, buffer)
    cl.enqueue_copy(queue, x, buffer)

provider.shutdown()
