"""`accelpool node cordon`, `uncordon`, `drain`, `label`, `taint`, `join-token`: what operators do."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli import join_tokens
from accelpool.cli.access import client
from accelpool.cli.completion import NodeName
from accelpool.cli.failures import CommandFailed
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.services import NodeCommands

Record = dict[str, Any]

app: typer.Typer = typer.Typer(
    name="node",
    cls=NodeCommands,
    help="Run an agent in the foreground, `accelpool node --broker URL`; or do what operators do.",
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(join_tokens.app)


@app.command()
def cordon(node: NodeName, url: Url = None, json: Json = False) -> None:
    """Let a node take no new leases; those that it has go on."""
    _change_node(node, {"cordoned": True}, url, json)


@app.command()
def uncordon(node: NodeName, url: Url = None, json: Json = False) -> None:
    """Let a node take leases again, and end a drain."""
    _change_node(node, {"cordoned": False}, url, json)


@app.command()
def drain(
    node: NodeName,
    within: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Tell leases to end within so many seconds, then revoke them."),
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Empty a node: it takes no new leases, and those that it has end by themselves, or within a time."""
    _change_node(node, {"cordoned": True} if within is None else {"drain_within_s": within}, url, json)


@app.command()
def label(
    node: NodeName,
    labels: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="NAME= takes a label away.")],
    url: Url = None,
    json: Json = False,
) -> None:
    """Label a node: expressions may ask for `device.labels.NAME`."""
    wrong = next((one for one in labels if not one.partition("=")[0] or "=" not in one), None)
    if wrong is not None:
        raise CommandFailed(f"{wrong!r} is no label: give NAME=VALUE, or NAME= to take one away")
    kept = dict(client(url).request("GET", _node_path(node)).body["labels"])
    for one in labels:
        name, _, value = one.partition("=")
        kept[name] = value
    _change_node(node, {"labels": {name: value for name, value in kept.items() if value}}, url, json)


@app.command()
def taint(
    node: NodeName,
    taints: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TAINT]...", help="All that the node has from now on; none without any."),
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Taint a node: only requests that tolerate all its taints get its devices."""
    _change_node(node, {"taints": taints or []}, url, json)


def _change_node(node: str, change: Record, url: str | None, json: bool) -> None:
    changed = client(url).request("PATCH", _node_path(node), json=change).body
    output = Output(json)
    output.document({"node": changed})
    state = "takes no new leases" if changed["cordoned"] else "takes new leases"
    drained = f"; its leases end by {changed['drain_at']}" if changed["drain_at"] else ""
    taints = ", ".join(changed["taints"])
    tainted = f"; only requests that tolerate {taints} get its devices" if taints else ""
    output.text(f"Node {changed['name']} {state}{drained}{tainted}.")


def _node_path(node: str) -> str:
    return f"/nodes/{quote(node, safe='')}"
