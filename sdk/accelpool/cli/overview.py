"""What a pool looks like at one moment: its devices, and the leases that are active or queued."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from accelpool.cli.output import human_bytes, plural
from accelpool.rest import RestClient

Record = dict[str, Any]
WHOLE = 1.0
DEFAULT_TENANT = "default"  # the broker's, where nobody made tenants


@dataclass(frozen=True, kw_only=True)
class Overview:
    """A pool at one moment.

    Attributes:
        url: The broker's.
        devices: As the broker lists them.
        leases: Those that are active and those that are queued, each newest first, without their tokens.
    """

    url: str
    devices: Sequence[Record]
    leases: Sequence[Record]

    @property
    def active(self) -> list[Record]:
        """The leases that have devices."""
        return [lease for lease in self.leases if lease["state"] == "active"]

    @property
    def queued(self) -> list[Record]:
        """The leases that wait, the first of the queue first; reservations, which have no place, last."""
        waiting = [lease for lease in self.leases if lease["state"] == "queued"]
        return sorted(waiting, key=lambda lease: lease.get("position") or len(self.leases) + 1)

    def holders(self, device: Record) -> list[Record]:
        """Return the leases that have a part of a device, as far as the caller may see them."""
        ids = set(device.get("leases", ()))
        return [lease for lease in self.active if lease["id"] in ids]

    def summary(self) -> str:
        """Return the whole in one line."""
        free = sum(device["state"] == "free" for device in self.devices)
        return (
            f"{urlsplit(self.url).netloc}: {plural(len(self.devices), 'device')}, {free} free; "
            f"{plural(len(self.active), 'lease')} active, {len(self.queued)} queued"
        )


def look(rest: RestClient) -> Overview:
    """Return the pool as it is now.

    Raises:
        ProblemError, TransportError: As `RestClient.request` does.
    """
    found = [lease for state in ("active", "queued") for lease in rest.pages("/leases", {"state": state})]
    for lease in found:
        hide_tokens(lease)
    return Overview(url=rest.url, devices=rest.pages("/devices"), leases=found)


def hide_tokens(lease: Record) -> None:
    """Take a lease's tokens out: they open the devices, nothing for a terminal or a log."""
    for endpoint in lease.get("endpoints", ()):
        endpoint.pop("token", None)


def memory_cell(device: Record) -> str:
    """Return how much of a device's memory is in use and how much there is: "5.0 GiB / 80.0 GiB"."""
    used = (device.get("readings") or {}).get("memory_used_bytes")
    total = human_bytes(device.get("capacity", {}).get("memory_bytes", 0))
    return f"{'-' if used is None else human_bytes(used)} / {total}"


def lent_cell(device: Record) -> str:
    """Return how much of a device's time is lent, "" if nothing or if nobody tells."""
    free = device.get("free", {}).get("compute")
    return "" if free is None or free >= WHOLE else f"{WHOLE - free:.0%}"


def holder_of(lease: Mapping[str, Any]) -> str:
    """Return who has a lease: its account, and in whose name if that is another's."""
    account, tenant = lease.get("account") or "", lease.get("tenant") or ""
    is_own = not account or tenant in ("", DEFAULT_TENANT, account)
    return str(account or tenant) if is_own else f"{account} for {tenant}"


def part_of(share: Mapping[str, Any]) -> str:
    """Return which part of its device a share is: "25%, 2.0 GiB"."""
    return f"{share.get('compute', WHOLE):.0%}, {human_bytes(share.get('memory_bytes', 0))}"


def clock_time(instant: str | None) -> str:
    """Return an instant as people here read it, to the second; "" for none."""
    with contextlib.suppress(ValueError, TypeError):
        return datetime.fromisoformat(str(instant)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return ""
