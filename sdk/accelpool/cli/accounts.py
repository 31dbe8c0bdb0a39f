"""`accelpool account ...`: who may use the pool."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.tenants import note_unknown
from accelpool.rest import RestClient

Record = dict[str, Any]
AccountName = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's name, as `accelpool account list` shows it.")
]
Tenants = Annotated[
    list[str] | None,
    typer.Option("--tenant", metavar="TENANT", help="In whose name a member asks; repeatable."),
]

app: typer.Typer = typer.Typer(
    name="account", help="Who may use the pool.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command("list")
def list_accounts(url: Url = None, json: Json = False) -> None:
    """Show all accounts, those of nodes included."""
    found = client(url).pages("/accounts")
    output = Output(json)
    output.document({"accounts": found})
    output.table(
        ["account", "kind", "role", "tenants", "state", "since"], [_row(one) for one in found], "No accounts."
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Its name.")],
    role: Annotated[str, typer.Option(help="admin, operator or member.")] = "member",
    tenant: Tenants = None,
    service: Annotated[bool, typer.Option("--service", help="It is a program's, not a person's.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Make an account; `accelpool token create --account ACCOUNT` makes a token for it."""
    wanted = {
        "name": name,
        "kind": "service" if service else "user",
        "role": role,
        "tenants": tenant or [],
    }
    rest = client(url)
    made = rest.request("POST", "/accounts", json=wanted).body
    _show(made, json)
    _warn(rest, made)


@app.command()
def change(
    name: AccountName,
    role: Annotated[str | None, typer.Option(help="admin, operator or member.")] = None,
    tenant: Tenants = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Change what is given, and nothing else; it holds at once."""
    given = {"role": role, "tenants": tenant or None}
    _change(name, {key: value for key, value in given.items() if value is not None}, url, json)


@app.command()
def disable(name: AccountName, url: Url = None, json: Json = False) -> None:
    """Let none of an account's tokens in any more, and end its leases."""
    _change(name, {"disabled": True}, url, json)


@app.command()
def enable(name: AccountName, url: Url = None, json: Json = False) -> None:
    """Let a disabled account in again."""
    _change(name, {"disabled": False}, url, json)


def whoami(url: Url = None, json: Json = False) -> None:
    """Show whose token this is, and what it may be used for."""
    found = client(url).request("GET", "/whoami").body
    output = Output(json)
    output.document(found)
    tenants = f", tenants {', '.join(found['tenants'])}" if found["tenants"] else ""
    output.text(
        f"Account {found['account']}, role {found['role']}{tenants}.",
        f"Token {found['token']}, for {', '.join(found['scopes'])}.",
    )


def _change(name: str, wanted: Record, url: str | None, json: bool) -> None:
    rest = client(url)
    changed = rest.request("PATCH", f"/accounts/{quote(name, safe='')}", json=wanted).body
    _show(changed, json)
    if "tenants" in wanted:
        _warn(rest, changed)


def _show(account: Record, json: bool) -> None:
    output = Output(json)
    output.document({"account": account})
    tenants = f", tenants {', '.join(account['tenants'])}" if account["tenants"] else ""
    output.text(f"Account {account['name']} is {_state(account)}: role {account['role']}{tenants}.")


def _warn(rest: RestClient, account: Record) -> None:
    """Say what an account's tenants will not do for it."""
    output, name = Output(), account["name"]
    if account["role"] == "member" and not account["tenants"]:
        remedy = f"`accelpool account change {name} --tenant TENANT` gives it one"
        output.note(f"Account {name} may not ask for devices, as it has no tenant: {remedy}.")
    note_unknown(rest, account["tenants"])


def _state(account: Record) -> str:
    return "disabled" if account["disabled"] else "enabled"


def _row(account: Record) -> tuple[object, ...]:
    return (
        account["name"],
        account["kind"],
        account["role"],
        ", ".join(account["tenants"]),
        _state(account),
        account["created_at"],
    )
