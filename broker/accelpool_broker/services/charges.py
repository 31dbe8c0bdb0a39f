"""Charging tenants for what their leases had.

A running lease is charged when it ends, or changes its size: until then the scheduler counts it as it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from accelpool_broker.models import Lease, Tenant
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.scheduler.fairness import charge, decayed
from accelpool_broker.scheduler.quotas import HOUR_S


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What a running lease was not charged for yet: decayed, and as it counts for a quota; device-seconds."""

    used_device_s: float = 0.0
    spent_device_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class HourOfUse:
    """What was had in an hour, or a part of it.

    Attributes:
        hour: The hour's beginning, in seconds since the Unix epoch.
        device_s: Devices times seconds, parts of devices counted as parts.
        byte_s: Device memory times seconds.
    """

    hour: int
    device_s: float
    byte_s: float


def owed(lease: Lease, now: float, half_life_s: float) -> Owed:
    """Return what a lease's tenant owes for it now."""
    if lease.charged_at is None:
        return Owed()
    elapsed_s = max(0.0, now - lease.charged_at)
    active = [share for share in lease.shares if share.is_active]
    compute_ppm = sum(share.compute_ppm for share in active)
    size = sum(
        max(share.compute_ppm / WHOLE, share.memory_bytes / (share.device.memory_bytes or 1))
        for share in active
    )
    return Owed(
        used_device_s=charge(size, elapsed_s, half_life_s),
        spent_device_s=spent_device_s(compute_ppm, lease.charged_at, now),
    )


def spent_device_s(compute_ppm: int, charged_at: float, now: float) -> float:
    """Return the device-seconds of so many millionths of devices since they were last charged."""
    return compute_ppm / WHOLE * max(0.0, now - charged_at)


def used_by_hour(lease: Lease, now: float) -> Iterator[HourOfUse]:
    """Yield what a lease had since it was last charged, hour by hour."""
    active = [share for share in lease.shares if share.is_active]
    devices = sum(share.compute_ppm for share in active) / WHOLE
    memory_bytes = sum(share.memory_bytes for share in active)
    for hour, elapsed_s in () if lease.charged_at is None else by_hour(lease.charged_at, now):
        yield HourOfUse(hour=hour, device_s=devices * elapsed_s, byte_s=memory_bytes * elapsed_s)


def by_hour(since: float, until: float) -> Iterator[tuple[int, float]]:
    """Yield the hours that a time is in, by their beginnings, each with how many seconds of it are."""
    begin = since
    while begin < until:
        hour = int(begin // HOUR_S * HOUR_S)
        end = min(until, hour + HOUR_S)
        yield hour, end - begin
        begin = end


def settle(tx: Transaction, lease: Lease, now: float, half_life_s: float) -> None:
    """Charge a lease's tenant for the time since it was last charged."""
    if lease.charged_at is None:
        return
    due = owed(lease, now, half_life_s)
    tx.add_usage([{"tenant": lease.tenant, **asdict(had)} for had in used_by_hour(lease, now)])
    tenant = tx.tenant(lease.tenant)
    lease.charged_at = now
    if tenant is None:
        tenant = new_tenant(lease.tenant, now)
        tx.add(tenant)
    used = decayed(tenant.used_device_s, now - tenant.used_at, half_life_s)
    tenant.used_device_s = used + due.used_device_s
    tenant.spent_device_s += due.spent_device_s
    tenant.used_at = now


def new_tenant(name: str, now: float) -> Tenant:
    """Return a tenant without rules that has used nothing."""
    return Tenant(
        name=name,
        weight=1.0,
        used_device_s=0.0,
        spent_device_s=0.0,
        used_at=now,
        created_at=now,
    )
