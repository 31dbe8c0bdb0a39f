"""/accounts: who may call."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from accelpool_broker.models import Account, AccountKind, Role
from accelpool_broker.resources import account_schemas, schemas
from accelpool_broker.resources.context import (
    caller,
    instant,
    page,
    read_cursor,
    services,
)
from accelpool_broker.services.accounts import AccountChange

blueprint = APIBlueprint("accounts", __name__, tag="Accounts")


@blueprint.post("/accounts")
@blueprint.input(account_schemas.AccountIn)
@blueprint.output(account_schemas.AccountOut, status_code=201)
@blueprint.doc(summary="Make an account")
def post_account(json_data: dict[str, Any]) -> Any:
    """Make an account; it has no token yet."""
    made = services().accounts.create(
        json_data["name"],
        AccountKind(json_data["kind"]),
        Role(json_data["role"]),
        json_data["tenants"],
        caller(),
    )
    return _body(made), 201, {"Location": f"/accounts/{made.name}"}


@blueprint.get("/accounts/<name>")
@blueprint.output(account_schemas.AccountOut)
@blueprint.doc(summary="Show an account")
def get_account(name: str) -> dict[str, Any]:
    """Show an account."""
    return _body(services().accounts.get(name))


@blueprint.get("/accounts")
@blueprint.input(schemas.ListQuery, location="query")
@blueprint.output(account_schemas.AccountList)
@blueprint.doc(summary="List accounts, by name")
def list_accounts(query_data: dict[str, Any]) -> dict[str, Any]:
    """List accounts, those of nodes included."""
    limit = query_data["limit"]
    after = read_cursor(query_data["cursor"]) or ""
    found = services().accounts.page(after=after, limit=limit + 1)
    return page(found, limit, _body, lambda last: last.name)


@blueprint.patch("/accounts/<name>")
@blueprint.input(account_schemas.AccountPatch)
@blueprint.output(account_schemas.AccountOut)
@blueprint.doc(summary="Change or disable an account")
def patch_account(name: str, json_data: dict[str, Any]) -> dict[str, Any]:
    """Change what is given, and nothing else. It holds at once; nobody changes his own account."""
    role, tenants = json_data.get("role"), json_data.get("tenants")
    wanted = AccountChange(
        role=None if role is None else Role(role),
        tenants=None if tenants is None else tuple(tenants),
        is_disabled=json_data.get("disabled"),
    )
    return _body(services().accounts.change(name, wanted, caller()))


def _body(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "kind": account.kind,
        "role": account.role,
        "tenants": account.tenants,
        "disabled": account.is_disabled,
        "created_at": instant(account.created_at),
    }
