"""`accelpool tenants`, `tenant`: who is charged, and by which rules.

The broker takes all rules of a tenant at once: those that are not named are read before, and given again,
on the condition that they are still so. If somebody else has changed them meanwhile, they are read again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

import typer

from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.overview import DEFAULT_TENANT
from accelpool.errors import AccelpoolError, NotFound, PreconditionFailed
from accelpool.rest import Answer, RestClient

Record = dict[str, Any]
COLUMNS = (
    "tenant",
    "weight",
    "active",
    "queued",
    "devices",
    "memory",
    "device-hours",
    "idle after",
    "priority",
)
LIMITS = ("quota_devices", "quota_memory_bytes", "quota_device_hours", "idle_after_s", "max_priority")
RULES = ("weight", *LIMITS)
NONE = "none"
TRIES = 5


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit that somebody named; None is that there is none any more."""

    value: float | None


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
        COLUMNS,
        [_tenant_row(tenant) for tenant in found],
        "None that this account may see. A pool without tenants charges everybody as `default`.",
    )


def _whole(text: str) -> Limit:
    return _limit(text, int)


def _number(text: str) -> Limit:
    return _limit(text, float)


def _limit(text: str, kind: type[int] | type[float]) -> Limit:
    try:
        return Limit(value=None if text == NONE else kind(text))
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise typer.BadParameter(f"{text!r} is neither {wanted} nor {NONE}") from None


def tenant(
    name: Annotated[str, typer.Argument(metavar="TENANT", help="Its name; ORG/TEAM is below ORG.")],
    weight: Annotated[
        float | None, typer.Option(help="Its part of what tenants beside it want, too; 1 at first.")
    ] = None,
    devices: Annotated[
        Limit | None, typer.Option(parser=_number, metavar="NUMBER|none", help="Devices at once.")
    ] = None,
    memory_bytes: Annotated[
        Limit | None,
        typer.Option(parser=_whole, metavar="BYTES|none", help="Device memory at once, in bytes."),
    ] = None,
    device_hours: Annotated[
        Limit | None,
        typer.Option(parser=_number, metavar="HOURS|none", help="Devices times hours, in all."),
    ] = None,
    idle_after: Annotated[
        Limit | None,
        typer.Option(parser=_number, metavar="SECONDS|none", help="End leases that idle for so long."),
    ] = None,
    max_priority: Annotated[
        Limit | None,
        typer.Option(
            parser=_whole,
            metavar="NUMBER|none",
            help="The highest priority that it, and those below it, may ask for; none: as those above say.",
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Count its device-hours, and of those below it, from zero.")
    ] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Show a tenant's rules, or change those that are named; one that is not there is made."""
    limits = dict(zip(LIMITS, (devices, memory_bytes, device_hours, idle_after, max_priority), strict=True))
    named: Record = {rule: limit.value for rule, limit in limits.items() if limit is not None}
    if weight is not None:
        named["weight"] = weight
    rest, output = client(url), Output(json)
    found = _found(rest, name)
    if found.body is None or named or reset:
        changed = change_rules(rest, name, found, {**named, "reset_device_hours": reset})
        output.text(f"Tenant {changed['name']} {'is new' if found.body is None else 'has these rules now'}.")
    else:
        changed = found.body
    output.document({"tenant": changed})
    output.table(COLUMNS, [_tenant_row(changed)], "")


def _path(name: str) -> str:
    return f"/tenants/{quote(name)}"


def _found(rest: RestClient, name: str) -> Answer:
    """Return what the broker says of a tenant; without a body if it is not there."""
    try:
        return rest.request("GET", _path(name))
    except NotFound:
        return Answer(body=None, retry_after_s=None)


def change_rules(rest: RestClient, name: str, found: Answer, named: Record, tries: int = TRIES) -> Record:
    """Return a tenant whose named rules are changed, and no others, whoever else changes it meanwhile.

    Args:
        rest: The broker.
        name: The tenant.
        found: How it was found; without a body if it was not there.
        named: Rules by name.
        tries: How often it may be changed by somebody else before that is told.

    Raises:
        PreconditionFailed: It was changed by others as often.
    """
    kept = {} if found.body is None else {rule: found.body[rule] for rule in RULES}
    still = {"If-None-Match": "*"} if found.body is None else {"If-Match": found.etag} if found.etag else {}
    try:
        changed: Record = rest.request("PUT", _path(name), json=kept | named, headers=still).body
    except PreconditionFailed:
        if tries == 1:
            raise
        return change_rules(rest, name, _found(rest, name), named, tries - 1)
    return changed


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
        "as above" if tenant["max_priority"] is None else tenant["max_priority"],
    )
