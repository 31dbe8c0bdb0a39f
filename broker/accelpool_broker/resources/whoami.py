"""GET /whoami: who one is here."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.resources import account_schemas
from accelpool_broker.resources.context import caller

blueprint = APIBlueprint("whoami", __name__, tag="Whoami")


@blueprint.get("/whoami")
@blueprint.output(account_schemas.Whoami)
@blueprint.doc(summary="Show whose token this is")
def get_whoami() -> dict[str, Any]:
    """Show the account of the token that the request has, and what it may be used for."""
    who = caller()
    return {
        "account": who.account,
        "role": who.role,
        "tenants": list(who.tenants),
        "token": who.token,
        "scopes": sorted(who.scopes),
    }
