"""`accelpool lease ...`: one lease: shown, prolonged, given another part of its devices."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from accelpool.cli.access import client
from accelpool.cli.completion import LeaseId
from accelpool.cli.events import event_line, past
from accelpool.cli.explain import explain
from accelpool.cli.lease_options import seconds
from accelpool.cli.lease_page import lines
from accelpool.cli.listings import leases, release
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.overview import clock_time, hide_tokens, part_of
from accelpool.demand import compute_of, memory_of
from accelpool.errors import Forbidden, Invalid, NotFound, Unauthorized
from accelpool.records import lease_path
from accelpool.rest import RestClient
from accelpool_wire.lease_token import decode

Record = dict[str, Any]
MOST_EVENTS = 100

app: typer.Typer = typer.Typer(
    name="lease", help="The leases, and what becomes of one.", no_args_is_help=True,
    pretty_exceptions_enable=False,
)  # fmt: skip
app.command("list")(leases)
app.command("ls", hidden=True)(leases)
app.command("release")(release)
app.command("explain")(explain)


@app.command()
def show(lease: LeaseId, url: Url = None, json: Json = False) -> None:
    """Show a lease: its state and why, what it has, who it is, what its tokens open and until when."""
    rest = client(url)
    found = rest.request("GET", lease_path(lease)).body
    tokens = [_token(endpoint) for endpoint in found.get("endpoints", ())]
    hide_tokens(found)
    sessions = _known(lambda: rest.pages(f"{lease_path(lease)}/sessions"))
    history = _known(lambda: past(rest, {"lease": lease}, None, MOST_EVENTS))
    output = Output(json)
    output.document({"lease": found, "tokens": tokens, "sessions": sessions, "events": history})
    output.text(*lines(found, tokens, sessions), *(["", "History"] if history else []))
    output.text(*(f"  {event_line(event)}" for event in history))


@app.command()
def extend(
    lease: LeaseId,
    ttl: Annotated[
        float, typer.Option(parser=seconds, metavar="SECONDS", help="How long it lasts, from now on.")
    ],
    url: Url = None,
    json: Json = False,
) -> None:
    """Let a lease last so many seconds from now on, whoever renews it or not."""
    found = _change(client(url), lease, {"ttl_s": ttl}, json)
    ends = found.get("ends_at")
    told = f"; it ends at {clock_time(ends)} in any case" if ends else ""
    Output(json).text(f"Lease {found['id']} lasts until {clock_time(found.get('expires_at'))}{told}.")


@app.command()
def resize(
    lease: LeaseId,
    memory: Annotated[str | None, typer.Option(help="Memory on each of its devices: 2GiB.")] = None,
    compute: Annotated[
        str | None, typer.Option(metavar="PART", help="The part of each device's time: 0.25, 25%.")
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Give a lease another part of its devices, if there is room beside the others; its sessions go on."""
    change = _part(memory, compute)
    if not change:
        raise typer.BadParameter("--memory or --compute is missing: what should it have?")
    found = _change(client(url), lease, change, json)
    output = Output(json)
    output.text(f"Lease {found['id']} has now")
    output.text(*(f"  {share['node']} {share['name']}: {part_of(share)}" for share in found["shares"]))


def _known(ask: Callable[[], list[Record]]) -> list[Record]:
    """Return what the broker tells; nothing if it is of a version that does not, or the token may not ask."""
    try:
        return ask()
    except (NotFound, Forbidden):
        return []


def _change(rest: RestClient, lease: str, change: Record, json: bool) -> Record:
    found: Record = rest.request("PATCH", lease_path(lease), json=change).body
    hide_tokens(found)
    Output(json).document({"lease": found})
    return found


def _part(memory: str | None, compute: str | None) -> Record:
    """Return what the broker is told of a part of a device; of memory it takes bytes alone here."""
    try:
        told = memory_of(memory)
        if "memory_fraction" in told:
            raise typer.BadParameter(f"--memory is an amount such as 2GiB here, not {memory!r}")
        return told | compute_of(compute)
    except Invalid as error:
        raise typer.BadParameter(error.detail) from error


def _token(endpoint: Record) -> Record:
    """Return until when a lease's token opens sessions, as its holder reads it: nobody verifies it here."""
    until = None
    with contextlib.suppress(Unauthorized):
        claims = decode(endpoint.get("token", ""), lambda *_: True)
        until = datetime.fromtimestamp(claims.expires_at, UTC).isoformat(timespec="milliseconds")
    return {"node": endpoint["node"], "environment": endpoint["environment"], "expires_at": until}
