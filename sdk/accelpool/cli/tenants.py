"""`accelpool tenants`, `tenant`: who is charged, and by which rules."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.overview import DEFAULT_TENANT
from accelpool.errors import AccelpoolError
from accelpool.rest import RestClient

Record = dict[str, Any]


def note_unknown(rest: RestClient, names: Iterable[str]) -> None:
    """Say which of these tenants the pool does not have yet, as far as the token lets one see."""
    with contextlib.suppress(AccelpoolError):
        known = {DEFAULT_TENANT, *(tenant["name"] for tenant in rest.pages("/tenants"))}
        for name in (name for name in names if name not in known):
            made = f"`accelpool tenant {name}` makes it, with rules of its own"
            Output().note(f"There is no tenant {name} yet: {made}. Is it spelt right?")


def tenants(url: Url = None, json: Json = False) -> None:
    """Show who is charged: weights, quotas, what was used."""
    found = client(url).pages("/tenants")
    output = Output(json)
    output.document({"tenants": found})
    output.table(
        ["tenant", "weight", "active", "queued", "devices", "memory", "device-hours", "idle after"],
        [_tenant_row(tenant) for tenant in found],
        "None that this account may see. A pool without tenants charges everybody as `default`.",
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
    max_priority: Annotated[
        int | None, typer.Option(help="The highest priority that it, and those below it, may ask for.")
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Count its device-hours, and of those below it, from zero.")
    ] = False,
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
    made = client(url).request("PUT", f"/tenants/{quote(name)}", json=rules).body
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
