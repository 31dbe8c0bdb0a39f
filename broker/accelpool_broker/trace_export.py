"""Sends the broker's spans to a collector, by OTLP over HTTP, where OpenTelemetry's variables name one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from accelpool_wire.installation import install_command

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

log = logging.getLogger(__name__)


@contextmanager
def exporting(variables: Mapping[str, str]) -> Iterator[None]:
    """Export spans during the block, and the last of them at its end; nothing is loaded without an endpoint.

    Args:
        variables: The process's environment, which the exporter reads, too.
    """
    if not any(variables.get(name) for name in ENDPOINTS) or variables.get("OTEL_TRACES_EXPORTER") == "none":
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        what = "an endpoint for traces is set, but OpenTelemetry is not installed: none are sent; %s"
        log.warning(what, install_command("otel"))
        yield
        return
    name = variables.get("OTEL_SERVICE_NAME") or "accelpool-broker"
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
