"""GET /health: whether the broker can do its work. Needs no token."""

from __future__ import annotations

from apiflask import APIBlueprint

from accelpool_broker.resources import schemas
from accelpool_broker.resources.context import services
from accelpool_wire.version import __version__

blueprint = APIBlueprint("health", __name__, tag="Health")


@blueprint.get("/health")
@blueprint.output(schemas.HealthOut)
@blueprint.doc(summary="Whether the broker and its database answer")
def get_health() -> dict[str, str]:
    """Answer 200, or 503 with Retry-After while the database does not answer."""
    with services().pool.store.read() as tx:
        tx.ping()
    return {"status": "ok", "version": __version__}
