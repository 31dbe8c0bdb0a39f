"""/join-tokens, and POST /nodes/{name}/enrol: how a node gets a token of its own."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.models import JoinToken
from accelpool_broker.resources import enrolment_schemas, node_schemas, schemas
from accelpool_broker.resources.context import (
    caller,
    instant,
    page,
    read_number_cursor,
    services,
)
from accelpool_wire.errors import Invalid

blueprint = APIBlueprint("enrolment", __name__, tag="Join tokens")


@blueprint.post("/join-tokens")
@blueprint.input(enrolment_schemas.JoinTokenIn)
@blueprint.output(enrolment_schemas.NewJoinToken, status_code=201)
@blueprint.doc(summary="Make a join token")
def post_join_token(json_data: dict[str, Any]) -> Any:
    """Make a token with which one agent gets its node a token of its own, once."""
    made, secret = services().enrolment.create(
        json_data["node"], caller(), lifetime_s=json_data["lifetime_s"]
    )
    headers = {"Location": f"/join-tokens/{made.id}", "Cache-Control": "no-store"}
    return _body(made) | {"token": secret}, 201, headers


@blueprint.get("/join-tokens")
@blueprint.input(schemas.ListQuery, location="query")
@blueprint.output(enrolment_schemas.JoinTokenList)
@blueprint.doc(summary="List join tokens, newest first")
def list_join_tokens(query_data: dict[str, Any]) -> dict[str, Any]:
    """List join tokens, those that were used or have expired for a week."""
    limit = query_data["limit"]
    before = read_number_cursor(query_data["cursor"])
    found = services().enrolment.page(before=before, limit=limit + 1)
    return page(found, limit, _body, lambda last: last.number)


@blueprint.delete("/join-tokens/<id>")
@blueprint.output({}, status_code=204)
@blueprint.doc(summary="Take a join token back")
def delete_join_token(id: str) -> tuple[str, int]:
    """It lets nobody in from now on; a node that came with it stays."""
    services().enrolment.remove(id, caller())
    return "", 204


@blueprint.post("/nodes/<name>/enrol")
@blueprint.input(enrolment_schemas.EnrolmentIn)
@blueprint.output(enrolment_schemas.EnrolmentOut)
@blueprint.doc(summary="Give a node a token of its own (a join token is needed)")
def enrol_node(name: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """The agent has made the token, and tells its hash; earlier tokens of the node let nobody in any more."""
    if node_schemas.NODE_NAME.fullmatch(name) is None:
        raise Invalid(f"{name!r} is no node name: 1 to 64 of A-Z a-z 0-9 . _ -")
    token = services().enrolment.enrol(name, json_data["sha256"], caller())
    return {"account": token.account, "token": token.id}


def _body(token: JoinToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "node": token.node,
        "account": token.account,
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "used_at": instant(token.used_at),
        "used_by": token.used_by,
    }
