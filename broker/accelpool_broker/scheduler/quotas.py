"""Limits of tenants: what a tenant, with all tenants below it, may have at once, and in all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accelpool_broker.scheduler.fairness import path
from accelpool_broker.scheduler.views import WHOLE, LeaseView, Quota, Share, TenantView

HOUR_S = 3600.0


@dataclass
class _Use:
    compute_ppm: int = 0
    memory_bytes: int = 0
    spent_device_s: float = 0.0

    def take(self, shares: Iterable[Share]) -> None:
        for share in shares:
            self.compute_ppm += share.compute_ppm
            self.memory_bytes += share.memory_bytes


class Quotas:
    """What tenants have, and what they may have; grants of the pass are added."""

    def __init__(self, tenants: Sequence[TenantView], leases: Iterable[LeaseView], *, now: float) -> None:
        self._quotas = {tenant.name: tenant.quota for tenant in tenants if tenant.quota != Quota()}
        self._use: dict[str, _Use] = {name: _Use() for name in self._quotas}
        if not self._quotas:
            return
        own = {tenant.name: _Use(spent_device_s=tenant.spent_device_s) for tenant in tenants}
        for lease in leases:
            use = own.setdefault(lease.tenant, _Use())
            use.take(lease.shares)
            compute_ppm = sum(share.compute_ppm for share in lease.shares)
            use.spent_device_s += compute_ppm / WHOLE * max(0.0, now - lease.charged_at)
        for name, use in own.items():
            for above in self._uses(name):
                above.compute_ppm += use.compute_ppm
                above.memory_bytes += use.memory_bytes
                above.spent_device_s += use.spent_device_s

    @property
    def has_hours(self) -> bool:
        """Whether any tenant has a quota of device-hours."""
        return any(quota.device_hours is not None for quota in self._quotas.values())

    def add(self, tenant: str, shares: Sequence[Share]) -> None:
        """Note that a tenant has these shares, too."""
        for use in self._uses(tenant):
            use.take(shares)

    def why_not(self, tenant: str, shares: Sequence[Share]) -> str:
        """Return which quota does not let a tenant have these shares now, "" if all do."""
        for name in path(tenant):
            quota = self._quotas.get(name)
            if quota is not None:
                reason = self._exceeded(name, quota, self._use[name], shares)
                if reason:
                    return reason
        return ""

    def is_spent(self, tenant: str) -> str:
        """Return which quota of device-hours is used up, "" if none is."""
        for name in path(tenant):
            quota = self._quotas.get(name)
            if quota is None or quota.device_hours is None:
                continue
            if self._use[name].spent_device_s >= quota.device_hours * HOUR_S:
                return f"tenant {name} has used up its quota of {quota.device_hours:g} device-hours"
        return ""

    def spent_times(self, now: float) -> list[float]:
        """Return when quotas of device-hours are used up if nothing changes."""
        return [
            now + (quota.device_hours * HOUR_S - use.spent_device_s) / (use.compute_ppm / WHOLE)
            for name, quota in self._quotas.items()
            if quota.device_hours is not None and (use := self._use[name]).compute_ppm
        ]

    def _uses(self, tenant: str) -> list[_Use]:
        return [self._use[name] for name in path(tenant) if name in self._use]

    def _exceeded(self, name: str, quota: Quota, use: _Use, shares: Sequence[Share]) -> str:
        who = f"tenant {name}"
        devices = (use.compute_ppm + sum(share.compute_ppm for share in shares)) / WHOLE
        if quota.devices is not None and devices > quota.devices + 1e-9:
            has = use.compute_ppm / WHOLE
            of_quota = f"{has:g} of its quota of {quota.devices:g} devices"
            return f"{who} has {of_quota}, {devices - has:g} more are wanted"
        memory = use.memory_bytes + sum(share.memory_bytes for share in shares)
        if quota.memory_bytes is not None and memory > quota.memory_bytes:
            wanted = memory - use.memory_bytes
            return (
                f"{who} has {use.memory_bytes} of its quota of {quota.memory_bytes} bytes of device memory, "
                f"{wanted} more are wanted"
            )
        return self.is_spent(name)
