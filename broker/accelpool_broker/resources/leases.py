"""/leases: ask for devices, wait for them, keep them, give them back."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.resources import bodies, lease_schemas, schemas, session_schemas
from accelpool_broker.resources.context import (
    caller,
    page,
    read_number_cursor,
    retry_hint,
    services,
)
from accelpool_broker.resources.demands import read_request, to_ppm

blueprint = APIBlueprint("leases", __name__, tag="Leases")


@blueprint.post("/leases")
@blueprint.input(lease_schemas.LeaseIn)
@blueprint.input(schemas.WaitQuery, location="query")
@blueprint.input(lease_schemas.IdempotencyKey, location="headers")
@blueprint.output(lease_schemas.LeaseOut, status_code=201)
@blueprint.doc(summary="Ask for devices")
def post_lease(json_data: dict[str, Any], query_data: dict[str, Any], headers_data: dict[str, Any]) -> Any:
    """Answer with an active lease, or with a queued one after at most `wait_s`."""
    request = read_request(json_data)
    seen = services().leases.create(request, caller(), key=headers_data["key"], wait_s=query_data["wait_s"])
    return bodies.lease_body(seen), 201, {"Location": f"/leases/{seen.lease.id}", **retry_hint(seen.is_early)}


@blueprint.get("/leases")
@blueprint.input(lease_schemas.LeaseQuery, location="query")
@blueprint.output(lease_schemas.LeaseList)
@blueprint.doc(summary="List leases, newest first")
def list_leases(query_data: dict[str, Any]) -> dict[str, Any]:
    """List leases, all or those in one state."""
    limit = query_data["limit"]
    before = read_number_cursor(query_data["cursor"])
    found = services().leases.page(caller(), state=query_data["state"], before=before, limit=limit + 1)
    return page(found, limit, bodies.lease_body, lambda last: last.lease.number)


@blueprint.get("/leases/<id>")
@blueprint.input(schemas.WaitQuery, location="query")
@blueprint.output(lease_schemas.LeaseOut)
@blueprint.doc(summary="Show a lease; wait for a queued one")
def get_lease(id: str, query_data: dict[str, Any]) -> Any:
    """Show a lease; one that is queued after at most `wait_s`, or as soon as it no longer is."""
    seen = services().leases.get(id, caller(), wait_s=query_data["wait_s"])
    return bodies.lease_body(seen), 200, retry_hint(seen.is_early)


@blueprint.get("/leases/<id>/explanation")
@blueprint.output(lease_schemas.ExplanationOut)
@blueprint.doc(summary="Explain why a lease waits, device by device")
def get_explanation(id: str) -> dict[str, Any]:
    """Tell why a queued lease waits, and when it can be granted at the earliest."""
    seen, explanation = services().leases.explain(id, caller())
    return bodies.explanation_body(seen, explanation, services().devices.names())


@blueprint.get("/leases/<id>/sessions")
@blueprint.output(session_schemas.SessionList)
@blueprint.doc(summary="List the live sessions under a lease")
def list_sessions(id: str) -> dict[str, Any]:
    """List the live sessions under a lease, as their nodes last reported them."""
    found = services().leases.sessions(id, caller())
    return {"items": [{"id": one.id, "node": one.node_name} for one in found], "next_cursor": None}


@blueprint.patch("/leases/<id>")
@blueprint.input(lease_schemas.LeaseChange)
@blueprint.output(lease_schemas.LeaseOut)
@blueprint.doc(summary="Renew or resize a lease")
def patch_lease(id: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """Let an active lease last `ttl_s` from now, or have another part of its devices."""
    seen = services().leases.change(
        id,
        caller(),
        ttl_s=json_data.get("ttl_s"),
        memory_bytes=json_data.get("memory_bytes"),
        compute_ppm=to_ppm(json_data.get("compute")),
    )
    return bodies.lease_body(seen)


@blueprint.delete("/leases/<id>")
@blueprint.output(lease_schemas.LeaseOut)
@blueprint.doc(summary="Give a lease back, or withdraw a request")
def delete_lease(id: str) -> dict[str, Any]:
    """Idempotent: a lease that has ended stays as it is."""
    return bodies.lease_body(services().leases.end(id, caller()))
