"""GET /login and POST /token-exchange: how who has an account elsewhere comes by a token of ours."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import request

from accelpool_broker.resources import trust_schemas
from accelpool_broker.resources.context import instant, services

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name

blueprint = APIBlueprint("login", __name__, tag="Login")


@blueprint.get("/login")
@blueprint.output(trust_schemas.LoginOut)
@blueprint.doc(summary="Show at which issuers people log in")
def get_login() -> dict[str, Any]:
    """Show issuers and as which client to ask them; `accelpool login` takes the first."""
    return {
        "methods": [
            {"issuer": method.issuer, "client_id": method.client_id, "scope": method.scope}
            for method in services().exchange.methods()
        ]
    }


@blueprint.post("/token-exchange")
@blueprint.input(trust_schemas.TokenExchangeIn, location="form")
@blueprint.output(trust_schemas.TokenExchangeOut)
@blueprint.doc(summary="Exchange an ID token for a token")
def exchange_token(form_data: dict[str, Any]) -> Any:
    """Give a token to who shows an ID token that a trust rule fits, once (RFC 8693)."""
    made = services().exchange.exchange(
        form_data["subject_token"], address=request.remote_addr or "", action="exchange_token"
    )
    body = {
        "access_token": made.secret,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": int(made.lifetime_s),
        "scope": " ".join(sorted(made.scopes)),
        "id": made.token.id,
        "account": made.token.account,
        "expires_at": instant(made.token.expires_at),
    }
    return body, 200, {"Cache-Control": "no-store", "Pragma": "no-cache"}
