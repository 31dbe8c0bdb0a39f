"""Charging tenants for what their leases had.

A running lease is charged when it ends, or changes its size: until then the scheduler counts it as it runs.
"""

from __future__ import annotations

from accelpool_broker.models import Lease, Tenant
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.scheduler.fairness import charge, decayed
from accelpool_broker.store_queries import Transaction


def settle(tx: Transaction, lease: Lease, now: float, half_life_s: float) -> None:
    """Charge a lease's tenant for the time since it was last charged."""
    if lease.charged_at is None:
        return
    elapsed_s = max(0.0, now - lease.charged_at)
    lease.charged_at = now
    compute = sum(share.compute_ppm for share in lease.shares if share.is_active) / WHOLE
    size = sum(
        max(share.compute_ppm / WHOLE, share.memory_bytes / (share.device.memory_bytes or 1))
        for share in lease.shares
        if share.is_active
    )
    tenant = tx.tenant(lease.tenant)
    if tenant is None:
        tenant = Tenant(name=lease.tenant, created_at=now, used_device_s=0.0, spent_device_s=0.0, used_at=now)
        tx.add(tenant)
    used = decayed(tenant.used_device_s, now - tenant.used_at, half_life_s)
    tenant.used_device_s = used + charge(size, elapsed_s, half_life_s)
    tenant.spent_device_s += compute * elapsed_s
    tenant.used_at = now
