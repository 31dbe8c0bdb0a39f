"""What the broker answers, as typed records; members that are not named here are ignored."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from accelpool.notebook import table


def lease_path(id: str) -> str:
    """Return a lease's path at the broker."""
    return f"/leases/{quote(id, safe='')}"


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of the broker's records."""


class ShareRecord(Record, frozen=True, kw_only=True):
    """One device of a lease.

    Attributes:
        device: The device's id in the pool.
        name: Its name on its node, unique there within its environment.
        node: Its node's name.
        environment: The driver environment that it is seen in.
        memory_bytes: The memory share.
        compute: The compute share, 0 < compute <= 1.
    """

    device: str
    name: str
    node: str
    environment: str = ""
    kind: str = ""
    memory_bytes: int = 0
    compute: float = 1.0
    epoch: int = 0
    attributes: dict[str, Any] = {}
    readings: ReadingsRecord | None = None


class EndpointRecord(Record, frozen=True, kw_only=True):
    """Where a lease's devices of one node and environment are reached, and the token that opens them.

    With a `certificate_sha256` nobody but who has that certificate will do, nor anybody without TLS.
    """

    node: str
    environment: str = ""
    host: str
    port: int
    token: str
    certificate_sha256: str = ""

    def __repr__(self) -> str:
        return f"EndpointRecord({self.node!r}, {self.host}:{self.port})"


class NoticeRecord(Record, frozen=True, kw_only=True):
    """That a lease ends soon, against its holder's will.

    Attributes:
        why: "preempted", "idle", "drained" or "quota".
        reason: The same for people.
        revoke_at: When, in RFC 3339 form.
    """

    why: str
    reason: str
    revoke_at: str


class LeaseRecord(Record, frozen=True, kw_only=True):
    """A lease, as the broker sees it.

    Attributes:
        id: Its id.
        state: "queued", "active", "released", "expired", "revoked", "lost", "withdrawn" or "rejected".
        reason: Why it waits, or why it ended.
        position: Its place in the queue, from 1, while it is queued.
        ttl_s: How long it lasts from its last renewal.
        expires_at: When it ends unless it is renewed, in RFC 3339 form.
        starts_at, ends_at: When a reservation begins and ends, in RFC 3339 form, None if it is none.
        notice: That it ends soon, None if it does not.
    """

    id: str
    state: str
    reason: str | None = None
    position: int | None = None
    ttl_s: float = 60.0
    expires_at: str | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    notice: NoticeRecord | None = None
    shares: list[ShareRecord] = []
    endpoints: list[EndpointRecord] = []

    def _repr_html_(self) -> str:
        shares = [
            (share.name, share.node, f"{share.memory_bytes:,} bytes", f"{share.compute:.0%}")
            for share in self.shares
        ]
        until = f" until {self.expires_at}" if self.expires_at else ""
        return table(f"Lease {self.id}, {self.state}{until}", ("device", "node", "memory", "time"), shares)


class CapacityRecord(Record, frozen=True, kw_only=True):
    """What a device has."""

    memory_bytes: int = 0
    compute_units: int = 0


class ReadingsRecord(Record, frozen=True, kw_only=True):
    """What a device measured a few seconds ago, whoever uses it; None is what it does not tell.

    Attributes:
        utilization: The part of the last moment, of up to a second, in which kernels ran.
        memory_utilization: The part of it in which device memory was read or written.
        memory_used_bytes: Device memory in use, by all processes and by the driver.
        temperature_c: In degrees Celsius.
        power_w: What the board takes.
        clock_hz: Of its compute units.
    """

    utilization: float | None = None
    memory_utilization: float | None = None
    memory_used_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    clock_hz: int | None = None


class DeviceRecord(Record, frozen=True, kw_only=True):
    """A device of the pool.

    Attributes:
        id: Its id in the pool.
        name: Its name on its node.
        state: "free", "leased", "faulty" or "lost".
        attributes: What its node tells of it, by name.
        readings: What it measures, None if its node does not tell, or other tenants have it.
    """

    id: str
    name: str
    node: str
    environment: str = ""
    kind: str = ""
    api: str = ""
    capacity: CapacityRecord = CapacityRecord()
    state: str = "free"
    attributes: dict[str, Any] = {}
