"""Traces, from a client's call through the broker to the device."""

import asyncio
import json
import os
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import accelpool as cl
from accelpool import aio

from ..conftest import Pool, running
from .test_broker_process import Broker

SAXPY = "__kernel void twice(__global float *x) { x[get_global_id(0)] *= 2; }"
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch):
    """What the process exports; its provider is set for the test alone."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    yield exporter
    provider.shutdown()


def work(pool):
    with cl.connect(pool.url, pool.token) as broker, broker.acquire(wait=10) as ctx:
        queue = cl.CommandQueue(ctx)
        program = cl.Program(ctx, SAXPY).build()
        buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1024)
        program.twice(queue, (256,), None, buffer)
        queue.finish()
        cl.enqueue_copy(queue, np.empty(256, np.float32), buffer)


def parent_of(span, found):
    return next((each for each in found if span.parent and each.context.span_id == span.parent.span_id), None)


def test_one_trace_leads_from_the_acquisition_to_the_kernel_on_its_device(null_pool, spans):
    work(null_pool)
    found = spans.get_finished_spans()
    by_name = {span.name: span for span in found}
    assert {
        "accelpool.acquire", "accelpool.connect", "POST", "accelpool.build", "accelpool.finish",
        "accelpool.launch twice", "accelpool.device twice", "accelpool.read_buffer",
    } <= by_name.keys()  # fmt: skip
    assert len({span.context.trace_id for span in found}) == 1
    launch, device = by_name["accelpool.launch twice"], by_name["accelpool.device twice"]
    assert parent_of(device, found) is launch
    assert parent_of(launch, found) is by_name["accelpool.acquire"]
    assert launch.start_time <= device.start_time <= device.end_time <= launch.end_time
    assert device.attributes["accelpool.clock.error_ns"] >= 0


def test_asyncio_makes_the_same_span_of_an_acquisition_with_all_within_it(null_pool, spans):
    async def main():
        with cl.connect(null_pool.url, null_pool.token) as broker:
            async with aio.acquire(broker=broker, wait=10) as ctx:
                queue = cl.CommandQueue(ctx)
                buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1024)
                await cl.enqueue_copy(queue, buffer, np.zeros(256, np.float32), is_blocking=False)

    asyncio.run(main())
    found = spans.get_finished_spans()
    (acquiring,) = (span for span in found if span.name == "accelpool.acquire")
    assert acquiring.parent is None
    assert {span.context.trace_id for span in found} == {acquiring.context.trace_id}
    within = [span for span in found if span.name in ("POST", "accelpool.connect")]
    assert len(within) >= 2
    assert all(parent_of(span, found) is acquiring for span in within)
    assert "accelpool.write_buffer" in {span.name for span in found}


def test_a_request_says_whom_it_asked_and_what_was_answered(null_pool, spans):
    with cl.connect(null_pool.url, null_pool.token) as broker, broker.acquire(wait=10):
        pass
    post = next(span for span in spans.get_finished_spans() if span.name == "POST")
    assert null_pool.url.endswith(f"{post.attributes['server.address']}:{post.attributes['server.port']}")
    assert post.attributes["http.response.status_code"] == 201
    assert "http.request.resend_count" not in post.attributes


def test_a_command_that_failed_has_the_name_of_its_error(null_pool, spans):
    with cl.connect(null_pool.url, null_pool.token) as broker, broker.acquire(wait=10) as ctx:
        cause = cl.UserEvent(ctx)
        queue = cl.CommandQueue(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1024)
        filled = cl.enqueue_fill_buffer(queue, buffer, np.uint8(0), 0, 1024, wait_for=[cause])
        cause.set_status(-5)
        with pytest.raises(cl.Error):
            filled.wait()
    (fill,) = (span for span in spans.get_finished_spans() if span.name == "accelpool.fill_buffer")
    assert fill.attributes["error.type"] == "EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"
    assert not fill.status.is_ok


@pytest.mark.opencl
def test_a_kernels_span_is_within_its_launch_on_a_real_device(opencl_pool, spans):
    work(opencl_pool)
    found = spans.get_finished_spans()
    by_name = {span.name: span for span in found}
    launch, device = by_name["accelpool.launch twice"], by_name["accelpool.device twice"]
    assert parent_of(device, found) is launch
    assert launch.start_time <= device.start_time < device.end_time <= launch.end_time


def test_commands_on_each_of_several_nodes_have_their_times_there(two_node_pool, spans):
    with (
        cl.connect(two_node_pool.url, two_node_pool.token) as broker,
        broker.acquire("any", count=4, wait=10) as ctx,
    ):
        for device in ctx.devices:
            queue = cl.CommandQueue(ctx, device)
            buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1024)
            cl.enqueue_fill_buffer(queue, buffer, np.uint8(0), 0, 1024)
            queue.finish()
        names = {device.name for device in ctx.devices}
    ran = [span for span in spans.get_finished_spans() if span.name == "accelpool.device fill_buffer"]
    assert len(ran) == 4
    assert {span.attributes["accelpool.device"] for span in ran} == names


def test_a_client_without_a_provider_makes_no_spans(null_pool):
    with cl.connect(null_pool.url, null_pool.token) as broker, broker.acquire(wait=10) as ctx:
        assert type(ctx._session.connection).__module__ == "accelpool_wire.client"


@pytest.fixture
def collector():
    """A collector's URL, and what it was sent."""
    names = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            told = ExportTraceServiceRequest.FromString(body)
            for resource in told.resource_spans:
                for scope in resource.scope_spans:
                    names.extend(scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", names
        server.shutdown()
        thread.join()


def test_a_broker_exports_what_a_sampled_client_asked_and_nothing_else(tmp_path, monkeypatch, collector):
    url, spans = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    broker = Broker(tmp_path / "state")
    try:
        import requests

        token = {"Authorization": f"Bearer {broker.tokens['user']}"}
        hostile = ["x", SAMPLED + "-" * 4000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", SAMPLED[:-1] + "0"]
        for header in hostile:
            assert requests.get(
                f"{broker.url}/devices", headers={**token, "traceparent": header}, timeout=60
            ).ok
        requests.get(f"{broker.url}/devices", headers={"traceparent": SAMPLED}, timeout=60)
        assert requests.get(f"{broker.url}/leases", headers={**token, "traceparent": SAMPLED}, timeout=60).ok
    finally:
        broker.stop()
    assert [span.name for span in spans] == ["GET /leases"]
    assert spans[0].trace_id.hex() == SAMPLED.split("-")[1]
    assert spans[0].parent_span_id.hex() == SAMPLED.split("-")[2]


@pytest.mark.opencl
def test_one_trace_leads_from_the_call_through_the_broker_to_the_kernel(
    tmp_path, monkeypatch, collector, spans
):
    url, exported = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    with contextmanager(running)(Pool(folder=tmp_path, log_format="json")) as pool:
        work(pool)
    here = spans.get_finished_spans()
    acquiring = next(span for span in here if span.name == "accelpool.acquire")
    post = next(span for span in here if span.name == "POST")
    kernel = next(span for span in here if span.name == "accelpool.device twice")
    assert parent_of(post, here) is acquiring
    assert parent_of(parent_of(kernel, here), here) is acquiring
    answer = next(span for span in exported if span.name == "POST /leases")
    change = next(span for span in exported if span.name == "accelpool.change")
    assert answer.parent_span_id.hex() == f"{post.context.span_id:016x}"
    assert change.trace_id.hex() == f"{kernel.context.trace_id:032x}"
    lines = [
        json.loads(line) for line in (tmp_path / "broker.log").read_text().splitlines() if line[:1] == "{"
    ]
    told = [
        line["trace_id"] for line in lines if line.get("route") == "/leases" and line.get("method") == "POST"
    ]
    assert told == [f"{kernel.context.trace_id:032x}"]


def test_beyond_the_bound_of_followed_commands_they_go_without_a_span(null_pool, spans, monkeypatch):
    monkeypatch.setattr("accelpool.traced_connection.MOST_FOLLOWED", 4)
    with cl.connect(null_pool.url, null_pool.token) as broker, broker.acquire(wait=10) as ctx:
        cause = cl.UserEvent(ctx)
        queue = cl.CommandQueue(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1024)
        for _ in range(9):
            cl.enqueue_fill_buffer(queue, buffer, np.uint8(0), 0, 1024, wait_for=[cause])
        cause.set_status(cl.command_execution_status.COMPLETE)
        queue.finish()
        cl.enqueue_fill_buffer(queue, buffer, np.uint8(0), 0, 1024)
        queue.finish()
    assert [span.name for span in spans.get_finished_spans()].count("accelpool.fill_buffer") == 5


def test_a_forked_process_ends_none_of_its_parents_spans(null_pool, spans):
    with cl.connect(null_pool.url, null_pool.token) as broker, broker.acquire(wait=10) as ctx:
        queue = cl.CommandQueue(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 1024)
        cl.enqueue_fill_buffer(queue, buffer, np.uint8(0), 0, 1024)
        before = len(spans.get_finished_spans())
        child = os.fork()
        if child == 0:
            os._exit(len(spans.get_finished_spans()) - before)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        queue.finish()
    assert "accelpool.device fill_buffer" in {span.name for span in spans.get_finished_spans()}
