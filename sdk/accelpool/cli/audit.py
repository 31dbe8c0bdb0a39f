"""`accelpool audit`: who did what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output

Record = dict[str, Any]


def audit(
    account: Annotated[str | None, typer.Option(metavar="ACCOUNT", help="What this account did.")] = None,
    object: Annotated[
        str | None, typer.Option(metavar="PATH", help="What was done to this, such as /leases/lse_...")
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="CALL", help="This alone, such as delete_lease.")
    ] = None,
    hours: Annotated[float | None, typer.Option(min=0, help="Since so many hours ago.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 100,
    url: Url = None,
    json: Json = False,
) -> None:
    """Show who did what, newest first, and who was refused."""
    since = None if hours is None else (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    given = {"account": account, "object": object, "action": action, "since": since, "limit": limit}
    query = {name: value for name, value in given.items() if value is not None}
    found = client(url).request("GET", "/audit", params=query).body["items"]
    output = Output(json)
    output.document({"audit": found})
    output.table(
        ["when", "account", "from", "did", "to", "outcome"], [_row(entry) for entry in found], "Nothing."
    )


def _row(entry: Record) -> tuple[object, ...]:
    times = f", {entry['count']} times" if entry["count"] > 1 else ""
    return (
        entry["at"],
        entry["account"],
        entry["address"],
        entry["action"],
        entry["object"],
        f"{entry['outcome']}{times}",
    )
