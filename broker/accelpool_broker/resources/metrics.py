"""GET /metrics: the pool and this broker in numbers, for Prometheus."""

from __future__ import annotations

from apiflask import APIBlueprint
from apiflask.schemas import FileSchema
from flask import Response, request
from prometheus_client.exposition import choose_encoder

from accelpool_broker.resources.context import services

blueprint = APIBlueprint("metrics", __name__, tag="Metrics")


@blueprint.get("/metrics")
@blueprint.output(FileSchema(type="string", format="utf-8"), content_type="text/plain")
@blueprint.doc(summary="Show the pool and this broker in numbers")
def get_metrics() -> Response:
    """Show all metrics in Prometheus' text format, or as OpenMetrics for whoever accepts that."""
    try:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    except (TypeError, ValueError):  # it takes what a malformed header says for a version
        encode, content_type = choose_encoder("")
    return Response(encode(services().pool.meter.registry), content_type=content_type)
