"""`accelpool trust ...`: whose ID tokens are exchanged for tokens of the pool."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output

Record = dict[str, Any]

app: typer.Typer = typer.Typer(
    name="trust",
    help="Whose ID tokens let in: CI jobs, and people who log in elsewhere.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the rule and its tokens are called.")],
    issuer: Annotated[str, typer.Option(metavar="URL", help="Who signs the ID tokens.")],
    audience: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Whom they have to be meant for; with --client-id that one."),
    ] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=TEXT", help="What they have to claim; * is anything; repeatable."),
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="ACCOUNT", help="The service account that they let in as.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="Instead: each person gets an account: admin, operator, member.")
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option(metavar="TENANT", help="In whose name these members ask; repeatable.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCOPE", help="What the tokens may be used for; repeatable; without it what is usual."
        ),
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=1, help="For how long they let in.")] = None,
    client_id: Annotated[
        str | None, typer.Option(metavar="TEXT", help="As whom `accelpool login` asks the issuer.")
    ] = None,
    login_scope: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What it asks the issuer to tell.")
    ] = None,
    priority: Annotated[int, typer.Option(help="Rules of higher ones are tried first.")] = 0,
    url: Url = None,
    json: Json = False,
) -> None:
    """Trust an issuer's ID tokens: of a CI job (--account), or of people (--role)."""
    wanted = {
        "name": name,
        "issuer": issuer,
        "audience": audience,
        "claims": _claims(claim or []),
        "account": account,
        "role": role,
        "tenants": tenant or [],
        "scopes": scope or None,
        "lifetime_s": None if minutes is None else minutes * 60,
        "client_id": client_id,
        "priority": priority,
        **({} if login_scope is None else {"login_scope": login_scope}),
    }
    made = client(url).request("POST", "/trust-rules", json=wanted).body
    output = Output(json)
    output.document({"trust_rule": made})
    output.text(f"Trust rule {made['id']} lets in {_whom(made)}.")


@app.command("list")
def list_rules(url: Url = None, json: Json = False) -> None:
    """Show trust rules, newest first."""
    found = client(url).pages("/trust-rules")
    output = Output(json)
    output.document({"trust_rules": found})
    output.table(
        ["rule", "name", "issuer", "audience", "claims", "lets in", "priority"],
        [_row(rule) for rule in found],
        "No trust rules.",
    )


@app.command()
def remove(
    rule: Annotated[
        str, typer.Argument(metavar="RULE", help="The rule's id, as `accelpool trust list` shows it.")
    ],
    url: Url = None,
    json: Json = False,
) -> None:
    """Trust by a rule no more; the tokens that it has made let nobody in any more."""
    client(url).request("DELETE", f"/trust-rules/{quote(rule, safe='')}")
    output = Output(json)
    output.document({"trust_rule": {"id": rule}})
    output.text(f"Trust rule {rule} is gone, and its tokens are revoked.")


def _claims(given: list[str]) -> dict[str, str]:
    claims: dict[str, str] = {}
    for each in given:
        name, equals, pattern = each.partition("=")
        if not (name and equals and pattern) or name in claims:
            raise typer.BadParameter(
                f"a claim is NAME=TEXT, each name once, not {each}", param_hint="--claim"
            )
        claims[name] = pattern
    return claims


def _whom(rule: Record) -> str:
    if rule["account"]:
        return f"as {rule['account']}"
    tenants = f" of {', '.join(rule['tenants'])}" if rule["tenants"] else ""
    return f"each as {rule['role']}{tenants}"


def _row(rule: Record) -> tuple[object, ...]:
    claims = ", ".join(f"{name}={pattern}" for name, pattern in rule["claims"].items())
    return (
        rule["id"], rule["name"], rule["issuer"], rule["audience"], claims, _whom(rule), rule["priority"],
    )  # fmt: skip
