"""What tenants have, wait for, may have and have used, in numbers.

Clients may make tenants up below their own, so only so many have series of their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import Metric

from accelpool_broker.models import LeaseState, Tenant
from accelpool_broker.queries.metrics import Holding, OpenLeases
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.scheduler.fairness import path
from accelpool_broker.scheduler.quotas import HOUR_S
from accelpool_broker.services.charges import spent_device_s
from accelpool_broker.services.families import counter, gauge

MOST_TENANTS = 500
OTHERS = "(others)"  # no tenant can have this name
RESERVED = "reserved"

# A counter that is read as less than this part of what was told began anew. A change under way takes back
# a second or so of what is leased, which is half of it all only for a tenant that has just begun. One that
# began anew and is past half by the next reading stands still until it has caught up: it tells too little.
ANEW_BELOW = 0.5

STATES = (LeaseState.QUEUED, RESERVED, LeaseState.ACTIVE)


@dataclass(kw_only=True)
class _Use:
    """What a tenant has now, and what it has used in all."""

    devices: float = 0.0
    memory_bytes: int = 0
    device_s: float = 0.0

    def add(self, other: _Use) -> None:
        self.devices += other.devices
        self.memory_bytes += other.memory_bytes
        self.device_s += other.device_s


class TenantMetrics:
    """Tells of tenants; remembers what it told of them last, so that counters do not go back by a little."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def collect(
        self,
        tenants: Sequence[Tenant],
        leases: Iterable[OpenLeases],
        holdings: Iterable[Holding],
        now: float,
    ) -> Iterator[Metric]:
        """Yield the metrics of tenants."""
        use = _use_of(tenants, holdings, now)
        names = _names(tenants, [*use, *(one.tenant for one in leases)])
        yield _of_leases(leases, names)
        shown: defaultdict[str, _Use] = defaultdict(_Use)
        for tenant, own in use.items():
            shown[names[tenant]].add(own)
        yield from _of_grants(shown)
        yield self._of_use(shown)
        yield _of_quotas([one for one in tenants if names[one.name] != OTHERS], use)

    def _of_use(self, shown: Mapping[str, _Use]) -> Metric:
        """Return the device-seconds, which fall when they are set to zero.

        By no less: a change under way when they were read may charge a lease up to an earlier instant, and
        Prometheus would take a counter that falls by a little for one that began anew.
        """
        self._told = {
            tenant: _not_back(self._told.get(tenant, 0.0), use.device_s) for tenant, use in shown.items()
        }
        return counter(
            "accelpool_tenant_device_seconds",
            "Devices times seconds that a tenant has had, running leases included; parts count as parts.",
            ("tenant",),
            {(tenant,): device_s for tenant, device_s in self._told.items()},
        )


def _not_back(told: float, now: float) -> float:
    """Return what a counter is that was `told`, and is read as less now by a little, or as it began anew."""
    return max(told, now) if now > told * ANEW_BELOW else now


def _use_of(tenants: Iterable[Tenant], holdings: Iterable[Holding], now: float) -> dict[str, _Use]:
    """Return what each tenant has and has used, without those below it."""
    use = {tenant.name: _Use(device_s=tenant.spent_device_s) for tenant in tenants}
    for held in holdings:
        spent_s = spent_device_s(held.compute_ppm, held.charged_at, now)
        part = _Use(devices=held.compute_ppm / WHOLE, memory_bytes=held.memory_bytes, device_s=spent_s)
        use.setdefault(held.tenant, _Use()).add(part)
    return use


def _names(tenants: Iterable[Tenant], others: Iterable[str]) -> dict[str, str]:
    """Return by tenant what it is called here: the oldest have their names."""
    known = [tenant.name for tenant in sorted(tenants, key=lambda one: (one.created_at, one.name))]
    ordered = dict.fromkeys([*known, *sorted(others)])
    return {name: name if place < MOST_TENANTS else OTHERS for place, name in enumerate(ordered)}


def _of_leases(leases: Iterable[OpenLeases], names: Mapping[str, str]) -> Metric:
    counts: Counter[tuple[str, str]] = Counter()
    for one in leases:
        is_reserved = one.is_reserved and one.state == LeaseState.QUEUED
        counts[names[one.tenant], RESERVED if is_reserved else one.state] += one.count
    return gauge(
        "accelpool_leases",
        "Leases that wait in the queue, are reserved for later, or are active.",
        ("tenant", "state"),
        {
            (tenant, state): counts[tenant, state]
            for tenant in sorted(set(names.values()))
            for state in STATES
        },
    )


def _of_grants(shown: Mapping[str, _Use]) -> Iterator[Metric]:
    yield gauge(
        "accelpool_tenant_devices_granted",
        "Devices that a tenant has, without those below it; parts count as parts.",
        ("tenant",),
        {(tenant,): use.devices for tenant, use in shown.items()},
    )
    yield gauge(
        "accelpool_tenant_memory_granted_bytes",
        "Device memory that a tenant has, without those below it.",
        ("tenant",),
        {(tenant,): use.memory_bytes for tenant, use in shown.items()},
    )


def _of_quotas(tenants: Iterable[Tenant], use: Mapping[str, _Use]) -> Metric:
    """Return how much of their quotas tenants have used, with all tenants below them."""
    total: defaultdict[str, _Use] = defaultdict(_Use)
    for name, own in use.items():
        for above in path(name):
            total[above].add(own)
    return gauge(
        "accelpool_tenant_quota_used_ratio",
        "How much of a quota a tenant has used, with all tenants below it.",
        ("tenant", "quota"),
        {
            (tenant.name, quota): used / limit if limit else 1.0
            for tenant in tenants
            for quota, used, limit in _quotas(tenant, total[tenant.name])
            if limit is not None
        },
    )


def _quotas(tenant: Tenant, has: _Use) -> Iterator[tuple[str, float, float | None]]:
    """Yield of each quota its name, what is used of it, and the limit."""
    yield "devices", has.devices, tenant.quota_devices
    yield "memory", has.memory_bytes, tenant.quota_memory_bytes
    yield "device-hours", has.device_s / HOUR_S, tenant.quota_device_hours
