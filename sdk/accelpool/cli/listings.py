"""`accelpool devices`, `leases`, `nodes`, `kernels`, `release`: what there is, and giving a lease back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from accelpool.cli import kept_lease
from accelpool.cli.access import client, pool
from accelpool.cli.completion import lease_ids
from accelpool.cli.failures import CommandFailed, NoPool
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output, human_bytes, pieces_of, plural, shortened
from accelpool.cli.overview import hide_tokens
from accelpool.cli.readings import reading_cells
from accelpool.cli.settings import CliSettings
from accelpool.errors import Unauthorized
from accelpool.records import lease_path
from accelpool_kernels import KernelLibraryError, entry, names, source
from accelpool_kernels.description import OPENCL

Record = dict[str, Any]
LONGEST_FAULT = 60
DEVICE_COLUMNS = ("device", "node", "kind", "api", "name", "memory", "units", "state", "leases or fault")
READING_COLUMNS = ("load", "memory used", "temperature", "power", "clock")
PARTIAL = "partial"  # a sandbox that lacks something


def devices(
    url: Url = None,
    json: Json = False,
    wide: Annotated[bool, typer.Option("--wide", help="Show what they measure, too.")] = False,
) -> None:
    """Show the pool's devices, and what of them is free."""
    with pool(url) as broker:
        found = broker.devices()
    output = Output(json)
    output.document({"devices": found})
    output.table(
        [*DEVICE_COLUMNS, *(READING_COLUMNS if wide else ())],
        [(*_device_row(device), *(reading_cells(device) if wide else ())) for device in found],
        "The pool has no devices: start an agent with `accelpool node`, or ask `accelpool doctor` why.",
    )
    if not json and any(len(device.get("fault") or "") > LONGEST_FAULT for device in found):
        output.note("... is where a fault was cut short: `accelpool devices --json` has all of it.")
    pieces = pieces_of(found)
    if not json and pieces < len(found):
        told = plural(pieces, "piece")
        output.note(f"These are {told} of hardware: what two APIs show is lent once, by either.")


def leases(
    url: Url = None,
    json: Json = False,
    all: Annotated[bool, typer.Option("--all", help="Show those that have ended, too.")] = False,
) -> None:
    """Show the pool's leases, newest first: those queued and active."""
    with pool(url) as broker:
        found = broker.leases()
    listed = [lease for lease in found if all or lease["state"] in ("queued", "active")]
    for lease in listed:
        hide_tokens(lease)
    output = Output(json)
    output.document({"leases": listed})
    output.table(
        ["lease", "state", "kind", "devices", "client", "since", "why"],
        [_lease_row(lease) for lease in listed],
        "No leases.",
    )


def nodes(url: Url = None, json: Json = False) -> None:
    """Show the pool's nodes."""
    with pool(url) as broker:
        found = broker.nodes()
        sandboxes = _sandboxes(broker.devices())
    for node in found:
        node["sandbox"] = sandboxes.get(node["name"], [])
    output = Output(json)
    output.document({"nodes": found})
    output.table(
        ["node", "state", "address", "devices", "sandbox", "version", "labels and taints", "last seen"],
        [_node_row(node) for node in found],
        "The pool has no nodes: start an agent with `accelpool node`.",
    )
    if not json and any(one.get("level") == PARTIAL for node in found for one in node["sandbox"]):
        where = "`accelpool nodes --json` says why, `accelpool doctor` on the node what mends it"
        output.note(f"{PARTIAL}: {where}.")


def kernels(
    name: Annotated[str | None, typer.Argument(metavar="KERNEL", help="A kernel, to see its source.")] = None,
    api: Annotated[
        str, typer.Option(metavar="API", help="The source's: opencl for OpenCL C, cuda for CUDA C++.")
    ] = OPENCL,
    json: Json = False,
) -> None:
    """Show the kernel library, or one kernel's source; needs no pool."""
    output = Output(json)
    if name is None:
        listed = [entry(each) for each in names()]
        output.document({"kernels": [kernel.describe() for kernel in listed]})
        output.table(
            ["kernel", "arguments", "what it computes"],
            [(one.name, ", ".join(a.name for a in one.parameters), one.summary) for one in listed],
            "The library is empty.",
        )
        return
    try:
        found, code = entry(name), source(name, api)
    except KernelLibraryError as error:
        raise CommandFailed(str(error)) from error
    output.document({"kernel": {**found.describe(), "code": code}})
    output.text(code.rstrip("\n"))


def release(
    lease: Annotated[
        str | None,
        typer.Argument(
            metavar="LEASE",
            help="The lease's id, as `accelpool leases` shows it; without it this shell's.",
            autocompletion=lease_ids,
        ),
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """End a lease: an active one is given back, a queued one withdrawn."""
    id, is_by_keeper = (lease, False) if lease else _end_own()
    output = Output(json)
    try:
        answer = client(url).request("DELETE", lease_path(id)).body
    except (Unauthorized, NoPool):  # the keeper's token may be the only one, as in a CI job
        if not is_by_keeper:
            raise
        output.document({"lease": {"id": id, "state": None, "reason": "its keeper has given it back"}})
        output.text(f"Lease {id} is given back.")
        return
    output.document({"lease": {"id": answer["id"], "state": answer["state"], "reason": answer.get("reason")}})
    output.text(f"Lease {answer['id']} is {answer['state']}.")


def _end_own() -> tuple[str, bool]:
    """End the lease of the calling shell; return its id, and whether its keeper was there to give it back."""
    path = CliSettings.from_environment().lease_file
    if path is None:
        raise typer.BadParameter("LEASE is missing, and this shell has no lease of its own")
    return kept_lease.end_by_file(path)


def _device_row(device: Record) -> tuple[object, ...]:
    capacity = device.get("capacity", {})
    return (
        device["id"],
        device["node"],
        device["kind"],
        device.get("api", ""),
        device["name"],
        human_bytes(capacity.get("memory_bytes", 0)),
        capacity.get("compute_units", 0),
        device["state"],
        shortened(device.get("fault") or "", LONGEST_FAULT) or ", ".join(device.get("leases", ())),
    )


def _lease_row(lease: Record) -> tuple[object, ...]:
    shares = ", ".join(f"{share['node']}: {share['name']}{_part(share)}" for share in lease.get("shares", ()))
    position = f"position {lease['position']}: " if lease.get("position") else ""
    return (
        lease["id"],
        _lease_state(lease),
        _wanted(lease),
        shares,
        lease.get("client"),
        lease.get("granted_at") or lease.get("created_at"),
        f"{position}{(lease.get('notice') or {}).get('reason') or lease.get('reason') or ''}",
    )


def _lease_state(lease: Record) -> str:
    """Return a lease's state; one that has devices from a time to come on is reserved."""
    return "reserved" if lease["state"] == "queued" and lease.get("reserved") else str(lease["state"])


def _part(share: Record) -> str:
    compute = share.get("compute", 1.0)
    return "" if compute >= 1 else f" ({compute:.0%})"


def _wanted(lease: Record) -> str:
    """Return what kind of device was asked for, or may be had."""
    kinds = dict.fromkeys(demand.get("kind", "any") for demand in lease.get("alternatives", ()))
    return " or ".join(kinds)


def _node_row(node: Record) -> tuple[object, ...]:
    address = node.get("address", {})
    return (
        node["name"],
        _node_state(node),
        f"{address.get('host')}:{address.get('port')}",
        node.get("device_count"),
        " and ".join(dict.fromkeys(_sandbox(one) for one in node["sandbox"])),
        node.get("version"),
        ", ".join([*(f"{k}={v}" for k, v in node.get("labels", {}).items()), *node.get("taints", ())]),
        node.get("last_seen_at"),
    )


def _sandboxes(devices: Sequence[Record]) -> dict[str, list[Record]]:
    """Return by node what confines the workers of its devices, each kind once."""
    found: dict[str, list[Record]] = {}
    for device in devices:
        sandbox = device.get("attributes", {}).get("sandbox")
        kinds = found.setdefault(device["node"], [])
        if sandbox and sandbox not in kinds:
            kinds.append(sandbox)
    return found


def _sandbox(sandbox: Record) -> str:
    """Return what a sandbox consists of, in a few words; `missing` is a list of "what: why"."""
    lacks = [str(one).partition(":")[0] for one in sandbox.get("missing", ())]
    level = str(sandbox.get("level"))
    return f"{level} (without {', '.join(lacks)})" if lacks and level != "off" else level


def _node_state(node: Record) -> str:
    if node.get("drain_at"):
        return f"{node['state']}, drained by {node['drain_at']}"
    return f"{node['state']}, cordoned" if node.get("cordoned") else node["state"]
