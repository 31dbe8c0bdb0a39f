"""/nodes: agents register and reconcile; users look."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.resources import bodies, node_schemas, schemas
from accelpool_broker.resources.context import caller, page, read_cursor, services
from accelpool_broker.services.nodes import (
    DeviceReport,
    EndedSession,
    LoadedImage,
    Operation,
    Registration,
    Report,
)
from accelpool_wire.errors import Invalid

blueprint = APIBlueprint("nodes", __name__, tag="Nodes")


@blueprint.put("/nodes/<name>")
@blueprint.input(node_schemas.NodeIn)
@blueprint.output(node_schemas.Registered)
@blueprint.doc(summary="Register a node and its devices (scope node)")
def put_node(name: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """Idempotent. With another `boot_id` than before, the agent was restarted: its leases are lost."""
    if node_schemas.NODE_NAME.fullmatch(name) is None:
        raise Invalid(f"{name!r} is no node name: 1 to 64 of A-Z a-z 0-9 . _ -")
    services().access.check_node(caller(), name)
    services().nodes.register(name, _registration(json_data), caller())
    settings = services().settings
    return {
        "name": name,
        "public_key": b64encode(services().access.public_key).decode(),
        "heartbeat_s": settings.heartbeat_s,
        "lost_after_s": settings.lost_after_s,
    }


@blueprint.post("/nodes/<name>/reconcile")
@blueprint.input(node_schemas.ReportIn)
@blueprint.output(node_schemas.WorkOut)
@blueprint.doc(summary="Tell what a node runs, be told what it should run (scope node)")
def reconcile_node(name: str, json_data: dict[str, Any]) -> Any:
    """Each call is a heartbeat. Answers at once if the node's revision is not `seen_revision`."""
    services().access.check_node(caller(), name)
    work = services().nodes.reconcile(name, _report(json_data), wait_s=json_data["wait_s"])
    return bodies.work_body(work)


@blueprint.get("/nodes/<name>")
@blueprint.output(schemas.NodeOut)
@blueprint.doc(summary="Show a node")
def get_node(name: str) -> dict[str, Any]:
    """Show a node."""
    return bodies.node_body(services().nodes.get(name))


@blueprint.patch("/nodes/<name>")
@blueprint.input(node_schemas.OperationIn)
@blueprint.output(schemas.NodeOut)
@blueprint.doc(summary="Cordon, drain, label or taint a node")
def patch_node(name: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """Change what is given, and nothing else; `cordoned: false` ends a drain."""
    operation = Operation(
        labels=json_data.get("labels"),
        taints=None if "taints" not in json_data else tuple(dict.fromkeys(json_data["taints"])),
        is_cordoned=json_data.get("cordoned"),
        drain_within_s=json_data.get("drain_within_s"),
    )
    return bodies.node_body(services().nodes.operate(name, operation, caller()))


@blueprint.get("/nodes")
@blueprint.input(schemas.ListQuery, location="query")
@blueprint.output(schemas.NodeList)
@blueprint.doc(summary="List nodes, by name")
def list_nodes(query_data: dict[str, Any]) -> dict[str, Any]:
    """List nodes in order of name."""
    limit = query_data["limit"]
    after = read_cursor(query_data["cursor"]) or ""
    found = services().nodes.page(after=after, limit=limit + 1)
    return page(found, limit, bodies.node_body, lambda last: last.node.name)


def _registration(data: dict[str, Any]) -> Registration:
    names = [device["name"] for device in data["devices"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Invalid(f"devices need different names; given more than once: {', '.join(twice)}")
    return Registration(
        host=data["address"]["host"],
        port=data["address"]["port"],
        certificate_sha256=data["address"]["certificate_sha256"],
        version=data["version"],
        boot_id=data["boot_id"],
        devices=tuple(
            DeviceReport(
                name=device["name"],
                environment=device["environment"],
                kind=device["kind"],
                api=device["api"],
                attributes=device["attributes"],
                memory_bytes=device["capacity"]["memory_bytes"],
                compute_units=device["capacity"]["compute_units"],
                hardware=device["hardware"],
                fault=device["fault"],
            )
            for device in data["devices"]
        ),
    )


def _report(data: dict[str, Any]) -> Report:
    return Report(
        boot_id=data["boot_id"],
        sequence=data["sequence"],
        sessions=tuple((session["id"], session["lease"]) for session in data["sessions"]),
        ended=tuple(
            EndedSession(id=ended["id"], lease=ended["lease"], cause=ended["cause"])
            for ended in data["ended"]
        ),
        device_faults=data["device_faults"],
        loaded_images={
            device: LoadedImage(sha256=image["sha256"], since=image["since"])
            for device, image in data["loaded_images"].items()
        },
        busy_s=data["busy_s"],
        readings=data["readings"],
        seen_revision=data["seen_revision"],
        is_leaving=data["leaving"],
    )
