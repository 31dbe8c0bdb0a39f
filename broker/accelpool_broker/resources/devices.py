"""/devices: what the pool has, and what of it is free."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.resources import bodies, schemas
from accelpool_broker.resources.context import (
    caller,
    page,
    read_number_cursor,
    services,
)

blueprint = APIBlueprint("devices", __name__, tag="Devices")


@blueprint.get("/devices/<id>")
@blueprint.output(schemas.DeviceOut)
@blueprint.doc(summary="Show a device")
def get_device(id: str) -> dict[str, Any]:
    """Show a device."""
    return bodies.device_body(services().devices.get(id, caller()))


@blueprint.get("/devices")
@blueprint.input(schemas.DeviceQuery, location="query")
@blueprint.output(schemas.DeviceList)
@blueprint.doc(summary="List devices, by registration")
def list_devices(query_data: dict[str, Any]) -> dict[str, Any]:
    """List devices, all or those of a kind, of a node, or that are free."""
    limit = query_data["limit"]
    found = services().devices.page(
        caller(),
        kind=query_data["kind"],
        node=query_data["node"],
        is_free=query_data["free"],
        after=read_number_cursor(query_data["cursor"]) or 0,
        limit=limit + 1,
    )
    return page(found, limit, bodies.device_body, lambda last: last.device.number)
