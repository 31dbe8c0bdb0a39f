"""Limits of tenants: what a tenant, with all tenants below it, may have at once, and in all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from accelpool_broker.scheduler.fairness import path
from accelpool_broker.scheduler.holds import Hold, hold_of, peak
from accelpool_broker.scheduler.views import FOREVER, WHOLE, LeaseView, Quota, Request, Share, TenantView

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
    """What tenants have, and what they may have; grants of the pass are added, and what is reserved."""

    def __init__(self, tenants: Sequence[TenantView], leases: Iterable[LeaseView], *, now: float) -> None:
        self._quotas = {tenant.name: tenant.quota for tenant in tenants if tenant.quota != Quota()}
        self._use: dict[str, _Use] = {name: _Use() for name in self._quotas}
        self._leases = tuple(leases) if self._quotas else ()
        self._granted: list[tuple[str, Hold]] = []
        self._reserved: dict[str, tuple[str, Hold]] = {}
        if not self._quotas:
            return
        own = {tenant.name: _Use(spent_device_s=tenant.spent_device_s) for tenant in tenants}
        for lease in self._leases:
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
    def are_any(self) -> bool:
        """Whether any tenant has a quota."""
        return bool(self._quotas)

    @property
    def has_hours(self) -> bool:
        """Whether any tenant has a quota of device-hours."""
        return any(quota.device_hours is not None for quota in self._quotas.values())

    def add(self, tenant: str, shares: Sequence[Share], ends_at: float = FOREVER) -> None:
        """Note that a tenant has these shares, too, until an instant."""
        for use in self._uses(tenant):
            use.take(shares)
        if self._quotas:
            self._granted.append((tenant, hold_of("", shares, ends_at=ends_at)))

    def reserve(self, request: Request) -> None:
        """Note that a tenant will have what is reserved for a request."""
        assert request.starts_at is not None
        assert request.ends_at is not None
        hold = hold_of(request.id, request.reserved, starts_at=request.starts_at, ends_at=request.ends_at)
        self._reserved[request.id] = (request.tenant, hold)

    def release(self, request: str) -> None:
        """Forget what is reserved for a request."""
        self._reserved.pop(request, None)

    def why_not(
        self, tenant: str, shares: Sequence[Share], starts_at: float = -FOREVER, ends_at: float = FOREVER
    ) -> str:
        """Return which quota does not let a tenant have these shares for a time, "" if all do.

        What is reserved counts while it is had: who leaves before it begins need not mind it.
        """
        for name in path(tenant):
            quota = self._quotas.get(name)
            if quota is not None:
                reason = self._exceeded(name, quota, self._use_within(name, starts_at, ends_at), shares)
                if reason:
                    return reason
        return ""

    def _use_within(self, name: str, starts_at: float, ends_at: float) -> _Use:
        """Return the most that a tenant has at once within a time, by the ends that its leases have."""
        use = self._use[name]
        is_reserving = any(name in path(tenant) for tenant, _ in self._reserved.values())
        if not is_reserving and starts_at == -FOREVER:
            return use
        memory_bytes, compute_ppm = peak(self._holds(name), starts_at, ends_at)
        return replace(use, memory_bytes=memory_bytes, compute_ppm=compute_ppm)

    def _holds(self, name: str) -> Iterator[Hold]:
        for lease in self._leases:
            if name in path(lease.tenant):
                ends_at = FOREVER if lease.ends_at is None else lease.ends_at
                yield hold_of(lease.id, lease.shares, ends_at=ends_at)
        for tenant, hold in (*self._granted, *self._reserved.values()):
            if name in path(tenant):
                yield hold

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
