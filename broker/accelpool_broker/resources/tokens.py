"""/tokens: what accounts show. Each is shown once, when it is made."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.resources import account_schemas
from accelpool_broker.resources.context import (
    caller,
    instant,
    page,
    read_number_cursor,
    seconds,
    services,
)
from accelpool_broker.services.tokens import SeenToken

blueprint = APIBlueprint("tokens", __name__, tag="Tokens")


@blueprint.post("/tokens")
@blueprint.input(account_schemas.TokenIn)
@blueprint.output(account_schemas.NewToken, status_code=201)
@blueprint.doc(summary="Make a token")
def post_token(json_data: dict[str, Any]) -> Any:
    """Make a token of one's own account, or with the scope `accounts` of another one."""
    made = services().tokens.create(
        json_data["name"],
        caller(),
        account=json_data["account"],
        scopes=json_data["scopes"],
        expires_at=seconds(json_data["expires_at"]),
    )
    return _made(made)


@blueprint.get("/tokens/<id>")
@blueprint.output(account_schemas.TokenOut)
@blueprint.doc(summary="Show a token's properties")
def get_token(id: str) -> dict[str, Any]:
    """Show what a token is for; the token itself nobody knows any more."""
    return _body(services().tokens.get(id, caller()))


@blueprint.get("/tokens")
@blueprint.input(account_schemas.TokenQuery, location="query")
@blueprint.output(account_schemas.TokenList)
@blueprint.doc(summary="List an account's tokens, newest first")
def list_tokens(query_data: dict[str, Any]) -> dict[str, Any]:
    """List the tokens of one's own account, or of another one; those that have ended for a week."""
    limit = query_data["limit"]
    found = services().tokens.page(
        caller(),
        account=query_data["account"],
        before=read_number_cursor(query_data["cursor"]),
        limit=limit + 1,
    )
    return page(found, limit, _body, lambda last: last.token.number)


@blueprint.post("/tokens/<id>/rotate")
@blueprint.input(account_schemas.RotationIn)
@blueprint.output(account_schemas.NewToken, status_code=201)
@blueprint.doc(summary="Replace a token by a new one")
def rotate_token(id: str, json_data: dict[str, Any]) -> Any:
    """Make a token with the same name and scopes; the old one goes on for `overlap_s`."""
    made = services().tokens.rotate(
        id, caller(), overlap_s=json_data["overlap_s"], expires_at=seconds(json_data["expires_at"])
    )
    return _made(made)


@blueprint.delete("/tokens/<id>")
@blueprint.output(account_schemas.TokenOut)
@blueprint.doc(summary="Revoke a token")
def delete_token(id: str) -> dict[str, Any]:
    """Idempotent: it lets nobody in from now on."""
    return _body(services().tokens.revoke(id, caller()))


def _made(seen: SeenToken) -> Any:
    headers = {"Location": f"/tokens/{seen.token.id}", "Cache-Control": "no-store"}
    return _body(seen) | {"token": seen.secret}, 201, headers


def _body(seen: SeenToken) -> dict[str, Any]:
    token = seen.token
    return {
        "id": token.id,
        "account": token.account,
        "name": token.name,
        "scopes": sorted(seen.scopes),
        "created_at": instant(token.created_at),
        "expires_at": instant(token.expires_at),
        "last_used_at": instant(token.last_used_at),
        "revoked_at": instant(token.revoked_at),
        "replaced_by": token.replaced_by,
        "rule": token.rule,
    }
