"""/tenants: who is charged, and by which rules."""

from __future__ import annotations

import re
from typing import Any

from apiflask import APIBlueprint
from werkzeug.http import quote_etag

from accelpool_broker.resources import bodies, conditions, schemas, tenant_schemas
from accelpool_broker.resources.context import caller, instant, page, read_cursor, seconds, services
from accelpool_broker.resources.lease_schemas import TENANT_NAME
from accelpool_broker.services.tenants import TenantRules
from accelpool_wire.errors import Invalid

USUAL_PERIOD_S = 24 * 3600.0
LONGEST_PERIOD_S = 100 * 24 * 3600.0

blueprint = APIBlueprint("tenants", __name__, tag="Tenants")


@blueprint.put("/tenants/<path:name>")
@blueprint.input(tenant_schemas.TenantIn)
@blueprint.input(conditions.Conditions, location="headers")
@blueprint.output(tenant_schemas.TenantOut)
@blueprint.doc(summary="Make a tenant, or change its rules")
def put_tenant(name: str, json_data: dict[str, Any], headers_data: dict[str, Any]) -> dict[str, Any]:
    """Idempotent: the tenant has these rules afterwards, and no others."""
    if re.match(TENANT_NAME, name) is None:
        raise Invalid(f"{name!r} is no tenant's name: 1 to 4 parts of A-Z a-z 0-9 . _ - with / between them")
    is_reset = json_data.pop("reset_device_hours")
    seen = services().tenants.put(
        name,
        TenantRules(**json_data),
        caller(),
        condition=conditions.condition(headers_data),
        is_reset=is_reset,
    )
    return bodies.tenant_body(seen)


@blueprint.get("/usage")
@blueprint.input(tenant_schemas.UsageQuery, location="query")
@blueprint.output(tenant_schemas.UsageOut)
@blueprint.doc(summary="Show what a tenant used, hour by hour")
def get_usage(query_data: dict[str, Any]) -> dict[str, Any]:
    """Show what its leases had, those that are active included; hours without any are left out."""
    now = services().pool.clock.now()
    until = seconds(query_data["until"]) or now
    since = seconds(query_data["since"])
    since = until - USUAL_PERIOD_S if since is None else since
    if not 0 <= until - since <= LONGEST_PERIOD_S:
        raise Invalid(f"from since to until are at most {LONGEST_PERIOD_S / 86400:g} days")
    used = services().tenants.usage(query_data["tenant"], caller(), since=since, until=until)
    items = [{"hour": instant(had.hour), "device_s": had.device_s, "byte_s": had.byte_s} for had in used]
    return {"items": items}


@blueprint.get("/tenants/<path:name>")
@blueprint.output(tenant_schemas.TenantOut, headers=conditions.Tagged)
@blueprint.doc(summary="Show a tenant")
def get_tenant(name: str) -> Any:
    """Show a tenant's rules, and what it has used; the ETag is that of the rules."""
    seen = services().tenants.get(name, caller())
    return bodies.tenant_body(seen), 200, {"ETag": quote_etag(seen.tag)}


@blueprint.get("/tenants")
@blueprint.input(schemas.ListQuery, location="query")
@blueprint.output(tenant_schemas.TenantList)
@blueprint.doc(summary="List tenants, by name")
def list_tenants(query_data: dict[str, Any]) -> dict[str, Any]:
    """List tenants that have rules, or have used something."""
    limit = query_data["limit"]
    after = read_cursor(query_data["cursor"]) or ""
    found = services().tenants.page(caller(), after=after, limit=limit + 1)
    return page(found, limit, bodies.tenant_body, lambda last: last.tenant.name)


@blueprint.delete("/tenants/<path:name>")
@blueprint.input(conditions.Conditions, location="headers")
@blueprint.output({}, status_code=204)
@blueprint.doc(summary="Forget a tenant's rules and use")
def delete_tenant(name: str, headers_data: dict[str, Any]) -> str:
    """Only without leases; a tenant without rules may still ask for devices."""
    services().tenants.remove(name, caller(), condition=conditions.condition(headers_data))
    return ""
