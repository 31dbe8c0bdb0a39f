"""`accelpool explain`: why a lease waits."""

from __future__ import annotations

from typing import Any

from accelpool.cli.access import client
from accelpool.cli.completion import LeaseId
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.records import lease_path


def explain(
    lease: LeaseId,
    url: Url = None,
    json: Json = False,
) -> None:
    """Say why a lease waits, device by device."""
    told = client(url).request("GET", f"{lease_path(lease)}/explanation").body
    output = Output(json)
    output.document({"explanation": told})
    position = f" at position {told['position']}" if told["position"] else ""
    output.text(f"Lease {told['id']} is {told['state']}{position}: {told['reason'] or 'nothing to explain'}.")
    if told["state"] != "queued":
        return
    output.text(_when(told["position"], told["earliest_at"]), *_remedy(told["devices"]))
    output.table(
        ["device", "node", "name", "alternative", "why not", "leases"],
        [
            (
                one["device"], one["node"], one["name"], one["alternative"] + 1, one["verdict"],
                ", ".join(one["leases"]),
            )
            for one in told["devices"]
        ],
        "The pool has no devices.",
    )  # fmt: skip


def _remedy(devices: list[dict[str, Any]]) -> list[str]:
    """Return what would have to happen, as far as it is others' leases that are in the way."""
    in_the_way = dict.fromkeys(lease for device in devices for lease in device["leases"])
    return [f"It waits for enough of these to end: {', '.join(in_the_way)}."] if in_the_way else []


def _when(position: int | None, earliest: str | None) -> str:
    """Return when a lease is granted; one at no position is reserved for a time to come."""
    if earliest is None:
        return "When it can be granted nobody knows: leases that it waits for have no end of themselves."
    if position is None:
        return f"It begins at {earliest}; nobody has to wait for it until then."
    return f"At the earliest it is granted at {earliest}."
