"""`accelpool webhook ...`: who is told of events of leases at an address of his own."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli import secret_file
from accelpool.cli.access import client
from accelpool.cli.completion import WebhookId
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.overview import clock_time
from accelpool.cli.secret_file import SecretFile

Record = dict[str, Any]

app: typer.Typer = typer.Typer(
    name="webhook",
    help="Who is told of leases, at an address of his own.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command()
def add(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Where to send: an https URL that the broker reaches.")
    ],
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="Of these kinds: lease.lost, or lease.active,lease.released."),
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="Of the leases of this one, and those below it.")
    ] = None,
    file: SecretFile = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Have events of leases sent to an address, from now on, and show once what they are signed with."""
    secret_file.check_new(file)
    wanted = {"url": address, "kind": kind, "tenant": tenant}
    made = client(url).request("POST", "/webhooks", json=wanted).body
    output = Output(json)
    if file is not None:
        secret_file.write(made.pop("secret"), file)
    output.document({"webhook": made})
    output.note(f"Webhook {made['id']} is told of {', '.join(made['kinds'])}.")
    if file is None:
        output.note("Its messages are signed with this secret, which is never shown again:")
        output.text(made["secret"])
    else:
        output.note(f"The secret that its messages are signed with is in {file}.")


@app.command("list")
def list_webhooks(url: Url = None, json: Json = False) -> None:
    """Show the account's webhooks, newest first; operators and admins see all."""
    found = client(url).pages("/webhooks")
    output = Output(json)
    output.document({"webhooks": found})
    output.table(
        ["webhook", "account", "address", "tenant", "state", "failing since", "why"],
        [_row(hook) for hook in found],
        "No webhooks.",
    )


@app.command()
def show(webhook: WebhookId, url: Url = None, json: Json = False) -> None:
    """Show a webhook, and how it does."""
    found = client(url).request("GET", _path(webhook)).body
    output = Output(json)
    output.document({"webhook": found})
    output.text(f"{_told(found)}.", *(f"  {name:14}{told}" for name, told in _fields(found) if told))


@app.command()
def disable(webhook: WebhookId, url: Url = None, json: Json = False) -> None:
    """Send a webhook nothing until it is enabled again."""
    _change(webhook, "disabled", url, json)


@app.command()
def enable(webhook: WebhookId, url: Url = None, json: Json = False) -> None:
    """Send to a webhook again, from where it was on."""
    _change(webhook, "active", url, json)


@app.command()
def remove(webhook: WebhookId, url: Url = None, json: Json = False) -> None:
    """Send nothing to a webhook any more."""
    client(url).request("DELETE", _path(webhook))
    output = Output(json)
    output.document({"webhook": {"id": webhook}})
    output.text(f"Webhook {webhook} is gone.")


def _change(webhook: str, state: str, url: str | None, json: bool) -> None:
    changed = client(url).request("PATCH", _path(webhook), json={"state": state}).body
    output = Output(json)
    output.document({"webhook": changed})
    output.text(f"{_told(changed)}.")


def _told(hook: Record) -> str:
    why = f": {hook['reason']}" if hook["reason"] else ""
    return f"Webhook {hook['id']} is {hook['state']}{why}"


def _fields(hook: Record) -> tuple[tuple[str, object], ...]:
    return (
        ("address", hook["url"]),
        ("account", hook["account"]),
        ("tenant", hook["tenant"] or "all that the account may see"),
        ("kinds", ", ".join(hook["kinds"])),
        ("since", clock_time(hook["created_at"])),
        ("failing since", clock_time(hook["failing_since"])),
        ("last answer", hook["last_status"]),
    )


def _row(hook: Record) -> tuple[object, ...]:
    return (
        hook["id"],
        hook["account"],
        hook["url"],
        hook["tenant"],
        hook["state"],
        clock_time(hook["failing_since"]),
        hook["reason"],
    )


def _path(webhook: str) -> str:
    return f"/webhooks/{quote(webhook, safe='')}"
