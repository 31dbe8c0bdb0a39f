"""`accelpool events`: what happened in the pool, and what happens."""

from __future__ import annotations

import json as json_module
import sys
from typing import Annotated, Any

import typer

from accelpool.cli.access import client
from accelpool.cli.completion import lease_ids, node_names
from accelpool.cli.failures import one_line
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.overview import clock_time
from accelpool.event_stream import PATH, follow
from accelpool.rest import RestClient

Record = dict[str, Any]
COLUMNS = ("when", "what", "lease", "node", "device", "by", "why")
PAGE = 100


def events(
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as they happen, until Ctrl-C.")
    ] = False,
    lease: Annotated[
        str | None, typer.Option(metavar="LEASE", help="Of this lease.", autocompletion=lease_ids)
    ] = None,
    node: Annotated[
        str | None,
        typer.Option(metavar="NODE", help="Of this node and its devices.", autocompletion=node_names),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="Of these kinds: lease.lost, or lease,node.lost.")
    ] = None,
    after: Annotated[
        int | None, typer.Option(metavar="NUMBER", min=0, help="Those after this one: its `number` in JSON.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, of those that were.")] = 100,
    url: Url = None,
    json: Json = False,
) -> None:
    """Show what happened to leases, nodes and devices, newest last; with --follow what happens, too."""
    rest = client(url)
    wanted: dict[str, str | int | float] = {
        name: value for name, value in (("lease", lease), ("node", node), ("kind", kind)) if value is not None
    }
    output = Output(json)
    if following:
        for event in follow(rest, wanted, after, lambda why: output.note(f"accelpool: {one_line(why)}")):
            _tell(output, event)
        return
    found = past(rest, wanted, after, limit)
    output.document({"events": found})
    output.table(COLUMNS, [_row(event) for event in found], "Nothing happened.")


def past(
    rest: RestClient, wanted: dict[str, str | int | float], after: int | None, limit: int
) -> list[Record]:
    """Return what happened, oldest first: after a number, or the newest.

    Args:
        rest: The way to the broker.
        wanted: Which events.
        after: After which number; None for the newest ones.
        limit: How many at most.
    """
    found: list[Record] = []
    query = {**wanted, **({} if after is None else {"after": after})}
    while len(found) < limit:
        page = rest.request("GET", PATH, params={**query, "limit": min(PAGE, limit - len(found))}).body
        found += page["items"]
        if not page.get("next_cursor"):
            break
        query["cursor"] = page["next_cursor"]
    return found if after is not None else found[::-1]


def event_line(event: Record) -> str:
    """Return an event in a line."""
    when, what, *rest = _row(event)
    return "  ".join([str(when), f"{what:<15}", *(str(cell) for cell in rest if cell)])


def _tell(output: Output, event: Record) -> None:
    """Tell of an event as it happens: one line, of JSON where that is wanted."""
    if not output.is_json:
        output.text(event_line(event))
        return
    sys.stdout.write(json_module.dumps(event) + "\n")
    sys.stdout.flush()


def _row(event: Record) -> tuple[object, ...]:
    until = f" until {clock_time(event['until'])}" if event.get("until") else ""
    return (
        clock_time(event["at"]),
        event["kind"],
        event["lease"],
        event["node"],
        event["device"],
        event["account"],
        f"{event['reason']}{until}",
    )
