"""`accelpool explain`, `cordon`, `uncordon`, `drain`, `label`, `taint`, `tenants`, `tenant`: what operators do."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli.access import pool_credentials
from accelpool.cli.failures import CommandFailed
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.rest import RestClient

Record = dict[str, Any]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="The node's name, as `accelpool nodes` shows it.")]


def explain(
    lease: Annotated[str, typer.Argument(metavar="LEASE", help="The lease's id.")],
    url: Url = None,
    json: Json = False,
) -> None:
    """Say why a lease waits, device by device."""
    told = _client(url).request("GET", f"/leases/{quote(lease, safe='')}/explanation").body
    output = Output(json)
    output.document({"explanation": told})
    position = f" at position {told['position']}" if told["position"] else ""
    output.text(f"Lease {told['id']} is {told['state']}{position}: {told['reason'] or 'nothing to explain'}.")
    if told["state"] != "queued":
        return
    earliest = told["earliest_at"]
    output.text(
        f"At the earliest it is granted at {earliest}."
        if earliest
        else "When it can be granted nobody knows: leases that it waits for have no end of themselves."
    )
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


def cordon(node: NodeName, url: Url = None, json: Json = False) -> None:
    """Let a node take no new leases; those that it has go on."""
    _change_node(node, {"cordoned": True}, url, json)


def uncordon(node: NodeName, url: Url = None, json: Json = False) -> None:
    """Let a node take leases again, and end a drain."""
    _change_node(node, {"cordoned": False}, url, json)


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


def label(
    node: NodeName,
    labels: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE...", help="NAME= takes a label away.")
    ],
    url: Url = None,
    json: Json = False,
) -> None:
    """Label a node: expressions may ask for `device.labels.NAME`."""
    wrong = next((one for one in labels if not one.partition("=")[0] or "=" not in one), None)
    if wrong is not None:
        raise CommandFailed(f"{wrong!r} is no label: give NAME=VALUE, or NAME= to take one away")
    client = _client(url)
    kept = dict(client.request("GET", _node_path(node)).body["labels"])
    for one in labels:
        name, _, value = one.partition("=")
        kept[name] = value
    _change_node(node, {"labels": {name: value for name, value in kept.items() if value}}, url, json)


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


def tenants(url: Url = None, json: Json = False) -> None:
    """Show who is charged: weights, quotas, what was used."""
    found = _client(url).pages("/tenants")
    output = Output(json)
    output.document({"tenants": found})
    output.table(
        ["tenant", "weight", "active", "queued", "devices", "memory", "device-hours", "idle after"],
        [_tenant_row(tenant) for tenant in found],
        "No tenants: everybody is charged as `default`.",
    )


def tenant(
    name: Annotated[str, typer.Argument(metavar="TENANT", help="Its name; ORG/TEAM is below ORG.")],
    weight: Annotated[float, typer.Option(help="Its part of what tenants beside it want, too.")] = 1.0,
    devices: Annotated[float | None, typer.Option(help="Devices at once.")] = None,
    memory_bytes: Annotated[int | None, typer.Option(help="Device memory at once, in bytes.")] = None,
    device_hours: Annotated[float | None, typer.Option(help="Devices times hours, in all.")] = None,
    idle_after: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="End leases that idle for so long.")
    ] = None,
    max_priority: Annotated[int, typer.Option(help="The highest priority that it may ask for.")] = 0,
    reset: Annotated[bool, typer.Option("--reset", help="Count its device-hours from zero.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Make a tenant, or give it these rules and no others."""
    rules = {
        "weight": weight,
        "quota_devices": devices,
        "quota_memory_bytes": memory_bytes,
        "quota_device_hours": device_hours,
        "idle_after_s": idle_after,
        "max_priority": max_priority,
        "reset_device_hours": reset,
    }
    made = _client(url).request("PUT", f"/tenants/{quote(name)}", json=rules).body
    output = Output(json)
    output.document({"tenant": made})
    output.text(f"Tenant {made['name']} has these rules now.")


def _tenant_row(tenant: Record) -> tuple[object, ...]:
    def limit(value: object) -> object:
        return "no limit" if value is None else value

    return (
        tenant["name"],
        tenant["weight"],
        tenant["active_leases"],
        tenant["queued_leases"],
        limit(tenant["quota_devices"]),
        limit(tenant["quota_memory_bytes"]),
        f"{tenant['spent_device_hours']:.2f} of {limit(tenant['quota_device_hours'])}",
        "never" if tenant["idle_after_s"] is None else f"{tenant['idle_after_s']:g} s",
    )


def _change_node(node: str, change: Record, url: str | None, json: bool) -> None:
    changed = _client(url).request("PATCH", _node_path(node), json=change).body
    output = Output(json)
    output.document({"node": changed})
    state = "takes no new leases" if changed["cordoned"] else "takes new leases"
    drained = f"; its leases end by {changed['drain_at']}" if changed["drain_at"] else ""
    output.text(f"Node {changed['name']} {state}{drained}.")


def _node_path(node: str) -> str:
    return f"/nodes/{quote(node, safe='')}"


def _client(url: str | None) -> RestClient:
    found = pool_credentials(url)
    return RestClient(found.url, found.token)
