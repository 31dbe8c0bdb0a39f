"""What probes ask: whether the broker serves, and whether it can do its work. They need no token.

/livez   asks nobody: a broker that does not answer wants to be started again
/readyz  asks the database: while that is away, another start does not help
/health  the same, with the broker's version
"""

from __future__ import annotations

from apiflask import APIBlueprint

from accelpool_broker.resources import schemas
from accelpool_broker.resources.context import services
from accelpool_wire.version import __version__

OK = "ok"

blueprint = APIBlueprint("health", __name__, tag="Health")


@blueprint.get("/livez")
@blueprint.output(schemas.ProbeOut)
@blueprint.doc(summary="Whether the broker serves")
def get_livez() -> dict[str, str]:
    """Answer 200, whatever the database does."""
    return {"status": OK}


@blueprint.get("/readyz")
@blueprint.output(schemas.ProbeOut)
@blueprint.doc(summary="Whether the broker can do its work")
def get_readyz() -> dict[str, str]:
    """Answer 200; or, within 2 s, 503 and why: its database does not answer or has changed, or it stops."""
    services().readiness.check()
    return {"status": OK}


@blueprint.get("/health")
@blueprint.output(schemas.HealthOut)
@blueprint.doc(summary="Whether the broker can do its work, and its version")
def get_health() -> dict[str, str]:
    """Answer as `/readyz` does, for people and programs that want the version, too."""
    services().readiness.check()
    return {"status": OK, "version": __version__}
