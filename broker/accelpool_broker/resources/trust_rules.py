"""/trust-rules: whose ID tokens are exchanged for tokens, and for which."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.models import Role, TrustRule
from accelpool_broker.resources import schemas, trust_schemas
from accelpool_broker.resources.context import (
    caller,
    instant,
    page,
    read_number_cursor,
    services,
)
from accelpool_broker.services.trust import Wanted

blueprint = APIBlueprint("trust_rules", __name__, tag="Trust rules")


@blueprint.post("/trust-rules")
@blueprint.input(trust_schemas.TrustRuleIn)
@blueprint.output(trust_schemas.TrustRuleOut, status_code=201)
@blueprint.doc(summary="Make a trust rule")
def post_trust_rule(json_data: dict[str, Any]) -> Any:
    """Trust ID tokens of an issuer: for a service account, or for an account of each person's own."""
    scopes = json_data["scopes"]
    wanted = Wanted(
        name=json_data["name"],
        issuer=json_data["issuer"],
        audience=json_data["audience"],
        claims=json_data["claims"],
        priority=json_data["priority"],
        account=json_data["account"],
        role=None if json_data["role"] is None else Role(json_data["role"]),
        tenants=tuple(json_data["tenants"]),
        scopes=None if scopes is None else tuple(scopes),
        lifetime_s=json_data["lifetime_s"],
        client_id=json_data["client_id"],
        login_scope=json_data["login_scope"],
    )
    made = services().trust_rules.create(wanted, caller())
    return _body(made), 201, {"Location": f"/trust-rules/{made.id}"}


@blueprint.get("/trust-rules/<id>")
@blueprint.output(trust_schemas.TrustRuleOut)
@blueprint.doc(summary="Show a trust rule")
def get_trust_rule(id: str) -> dict[str, Any]:
    """Show a trust rule."""
    return _body(services().trust_rules.get(id))


@blueprint.get("/trust-rules")
@blueprint.input(schemas.ListQuery, location="query")
@blueprint.output(trust_schemas.TrustRuleList)
@blueprint.doc(summary="List trust rules, newest first")
def list_trust_rules(query_data: dict[str, Any]) -> dict[str, Any]:
    """List trust rules. They are tried by priority, the oldest first among equals."""
    limit = query_data["limit"]
    before = read_number_cursor(query_data["cursor"])
    found = services().trust_rules.page(before=before, limit=limit + 1)
    return page(found, limit, _body, lambda last: last.number)


@blueprint.delete("/trust-rules/<id>")
@blueprint.output({}, status_code=204)
@blueprint.doc(summary="Take a trust rule back")
def delete_trust_rule(id: str) -> tuple[str, int]:
    """The tokens that it has made let nobody in from now on."""
    services().trust_rules.remove(id, caller())
    return "", 204


def _body(rule: TrustRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "issuer": rule.issuer,
        "audience": rule.audience,
        "claims": rule.claims,
        "priority": rule.priority,
        "account": rule.account,
        "role": rule.role,
        "tenants": rule.tenants,
        "scopes": rule.scopes,
        "lifetime_s": rule.lifetime_s,
        "client_id": rule.client_id,
        "login_scope": rule.login_scope,
        "created_at": instant(rule.created_at),
    }
