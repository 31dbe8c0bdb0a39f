"""`accelpool token ...`: tokens of one's own account, and for admins of others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli import secret_file
from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.secret_file import SecretFile

Record = dict[str, Any]
TokenId = Annotated[
    str, typer.Argument(metavar="TOKEN", help="The token's id, as `accelpool token list` shows it.")
]
Account = Annotated[
    str | None, typer.Option(metavar="ACCOUNT", help="Another account than one's own; for admins.")
]


def _check_days(days: float | None) -> float | None:
    """Refuse a token that would let nobody in."""
    if days is not None and not days > 0:
        raise typer.BadParameter(f"it is more than 0, not {days:g}")
    return days


Days = Annotated[float | None, typer.Option("--days", callback=_check_days, help="For how long it lets in.")]

app: typer.Typer = typer.Typer(
    name="token", help="Tokens of accounts.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command("list")
def list_tokens(account: Account = None, url: Url = None, json: Json = False) -> None:
    """Show an account's tokens, newest first; what they are themselves nobody knows."""
    found = client(url).pages("/tokens", {} if account is None else {"account": account})
    output = Output(json)
    output.document({"tokens": found})
    output.table(
        ["token", "name", "scopes", "made", "expires", "last used", "state"],
        [_row(token) for token in found],
        "No tokens.",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called in lists.")],
    account: Account = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(metavar="SCOPE", help="What it may be used for; repeatable; without it, all."),
    ] = None,
    days: Days = None,
    file: SecretFile = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Make a token, and show it, once."""
    secret_file.check_new(file)
    wanted = {"name": name, "account": account, "scopes": scope or None, "expires_at": _instant(days)}
    _show(client(url).request("POST", "/tokens", json=wanted).body, file, json)


@app.command()
def rotate(
    token: TokenId,
    overlap: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="For how long the old one goes on to let in.")
    ] = 300.0,
    days: Days = None,
    file: SecretFile = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Make a token that takes another's place, and show it, once."""
    secret_file.check_new(file)
    wanted = {"overlap_s": overlap, "expires_at": _instant(days)}
    _show(client(url).request("POST", f"{_path(token)}/rotate", json=wanted).body, file, json)


@app.command()
def revoke(token: TokenId, url: Url = None, json: Json = False) -> None:
    """Let a token let nobody in any more."""
    revoked = client(url).request("DELETE", _path(token)).body
    output = Output(json)
    output.document({"token": revoked})
    output.text(f"Token {revoked['id']} of account {revoked['account']} is revoked.")


def _show(made: Record, file: Path | None, json: bool) -> None:
    output = Output(json)
    if file is not None:
        secret_file.write(made.pop("token"), file)
    output.document({"token": made})
    output.note(f"Token {made['id']} of account {made['account']}, for {', '.join(made['scopes'])}.")
    if file is None:
        output.note("It is shown here, and never again:")
        output.text(made["token"])
    else:
        output.note(f"It is in {file}.")


def _instant(days: float | None) -> str | None:
    return None if days is None else (datetime.now(UTC) + timedelta(days=days)).isoformat()


def _row(token: Record) -> tuple[object, ...]:
    return (
        token["id"],
        token["name"],
        ", ".join(token["scopes"]),
        token["created_at"],
        token["expires_at"] or "never",
        token["last_used_at"],
        _state(token),
    )


def _state(token: Record) -> str:
    if token["revoked_at"]:
        return "revoked"
    return f"rotated to {token['replaced_by']}" if token["replaced_by"] else "good"


def _path(token: str) -> str:
    return f"/tokens/{quote(token, safe='')}"
