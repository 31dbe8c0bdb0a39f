"""/leases/{id}/launches: run kernels, wait for them or look how far they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.resources import compute_schemas as schemas
from accelpool_broker.resources.context import caller, retry_hint, services
from accelpool_broker.resources.schemas import MAX_WAIT_S, WaitQuery
from accelpool_broker.services.compute_objects import Launch
from accelpool_wire.errors import ComputeFailed

blueprint = APIBlueprint("launches", __name__, tag="Launches")
SIZES = ("global_size", "local_size", "offset")
SIZE_ERRORS = frozenset(
    {
        "INVALID_WORK_DIMENSION",
        "INVALID_WORK_GROUP_SIZE",
        "INVALID_WORK_ITEM_SIZE",
        "INVALID_GLOBAL_OFFSET",
        "INVALID_GLOBAL_WORK_SIZE",
    }
)
TIMES = ("queued_ns", "submit_ns", "start_ns", "end_ns")


@blueprint.post("/leases/<id>/launches")
@blueprint.input(schemas.LaunchIn)
@blueprint.output(schemas.LaunchOut, status_code=201)
@blueprint.doc(summary="Launch a kernel")
def post_launch(id: str, json_data: dict[str, Any]) -> Any:
    """Launch a kernel; with `wait`, answer when it has ended, or after 25 s."""
    wait_s = MAX_WAIT_S if json_data["wait"] else 0.0
    with (
        _sizes_told(json_data),
        services().compute.session(id, caller()) as session,
        services().compute.may_wait(wait_s) as granted_s,
    ):
        launch = session.launch(
            program_id=json_data["program"],
            kernel=json_data["kernel"],
            global_size=json_data["global_size"],
            local_size=json_data["local_size"],
            offset=json_data["offset"],
            args=json_data["args"],
        )
        body = _body(launch, session.look(launch, granted_s))
    return body, 201, {"Location": f"/leases/{id}/launches/{launch}", **retry_hint(granted_s < wait_s)}


@blueprint.get("/leases/<id>/launches/<launch>")
@blueprint.input(WaitQuery, location="query")
@blueprint.output(schemas.LaunchOut)
@blueprint.doc(summary="Show a launch; wait for its end")
def get_launch(id: str, launch: str, query_data: dict[str, Any]) -> Any:
    """Show how far a launch is, after at most `wait_s` or as soon as it has ended."""
    wait_s = query_data["wait_s"]
    with (
        services().compute.session(id, caller()) as session,
        services().compute.may_wait(wait_s) as granted_s,
    ):
        body = _body(launch, session.look(launch, granted_s))
    return body, 200, retry_hint(granted_s < wait_s)


@contextmanager
def _sizes_told(given: dict[str, Any]) -> Iterator[None]:
    """Let OpenCL's refusal of a size say which sizes were asked for."""
    try:
        yield
    except ComputeFailed as error:
        if error.members.get("name") not in SIZE_ERRORS:
            raise
        told = ", ".join(f"{name} {given[name]}" for name in SIZES if given[name] is not None)
        raise ComputeFailed(f"{error.detail}: {told}", instance=error.instance, **error.members) from error


def _body(id: str, launch: Launch) -> dict[str, Any]:
    return {
        "id": id,
        "program": launch.program,
        "kernel": launch.kernel,
        "status": launch.status.value,
        "profile": None if launch.times is None else dict(zip(TIMES, launch.times, strict=True)),
        "error": launch.error,
    }
