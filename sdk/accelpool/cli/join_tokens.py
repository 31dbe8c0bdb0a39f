"""`accelpool node join-token ...`: what lets nodes in."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli import secret_file
from accelpool.cli.access import client
from accelpool.cli.completion import node_names
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.secret_file import SecretFile

Record = dict[str, Any]

app: typer.Typer = typer.Typer(
    name="join-token", help="What lets nodes in.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.command()
def create(
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="[NODE]",
            help="The node that it is for; without it any that is new.",
            autocompletion=node_names,
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="For how long it lets in.")] = 60.0,
    file: SecretFile = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Make a token with which one agent joins, once, and show it, once."""
    secret_file.check_new(file)
    wanted = {"node": node, "lifetime_s": minutes * 60}
    made = client(url).request("POST", "/join-tokens", json=wanted).body
    output = Output(json)
    if file is not None:
        secret_file.write(made.pop("token"), file)
    output.document({"join_token": made})
    whom = f"node {made['node']}" if made["node"] else "any new node"
    output.note(f"Join token {made['id']}, for {whom}, once, until {made['expires_at']}.")
    if file is None:
        output.text(made["token"])
    else:
        output.note(f"It is in {file}.")


@app.command("list")
def list_join_tokens(url: Url = None, json: Json = False) -> None:
    """Show join tokens, newest first; what they are themselves nobody knows."""
    found = client(url).pages("/join-tokens")
    output = Output(json)
    output.document({"join_tokens": found})
    output.table(
        ["join token", "for", "made by", "expires", "used by"],
        [
            (one["id"], one["node"] or "any", one["account"], one["expires_at"], one["used_by"])
            for one in found
        ],
        "No join tokens.",
    )


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The join token's id.")],
    url: Url = None,
    json: Json = False,
) -> None:
    """Let a join token let nobody in any more."""
    client(url).request("DELETE", f"/join-tokens/{quote(token, safe='')}")
    output = Output(json)
    output.document({"join_token": {"id": token}})
    output.text(f"Join token {token} lets nobody in any more.")
