"""`accelpool smi`: the pool's devices and who has them, in the manner of nvidia-smi."""

from __future__ import annotations

from accelpool.cli.access import client
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.overview import (
    Overview,
    Record,
    clock_time,
    holder_of,
    lent_cell,
    look,
    memory_cell,
    part_of,
)
from accelpool.cli.readings import reading

DEVICE_COLUMNS = ("device", "node", "name", "temp", "power", "memory", "util", "lent", "held by")
LEASE_COLUMNS = ("lease", "node", "device", "part", "held by", "client", "since")


def smi(url: Url = None, json: Json = False) -> None:
    """Show the pool's devices, what they measure and who has them: nvidia-smi for all machines."""
    seen = look(client(url))
    output = Output(json)
    output.document({"devices": seen.devices, "leases": seen.leases})
    output.text(seen.summary(), "")
    output.table(DEVICE_COLUMNS, [device_row(seen, device) for device in seen.devices], "No devices.")
    output.text("")
    rows = [row for lease in seen.active for row in _share_rows(lease)]
    output.table(LEASE_COLUMNS, rows, "No lease is active.")


def device_row(seen: Overview, device: Record) -> tuple[object, ...]:
    """Return a device in the order of the columns."""
    return (
        device["id"],
        device["node"],
        device["name"],
        reading(device, "temperature_c"),
        reading(device, "power_w"),
        memory_cell(device),
        reading(device, "utilization"),
        lent_cell(device),
        held_by(seen, device),
    )


def held_by(seen: Overview, device: Record) -> str:
    """Return who has a device; what keeps it from being had, else."""
    known = [holder_of(lease) for lease in seen.holders(device)]
    others = len(device.get("leases", ())) - len(known)
    told = [*dict.fromkeys(known), *([f"{others} that you may not see"] if others > 0 else [])]
    return ", ".join(told) or ("" if device["state"] in ("free", "leased") else str(device["state"]))


def _share_rows(lease: Record) -> list[tuple[object, ...]]:
    return [
        (
            lease["id"],
            share["node"],
            share["name"],
            part_of(share),
            holder_of(lease),
            lease.get("client"),
            clock_time(lease.get("granted_at")),
        )
        for share in lease.get("shares", ())
    ]
