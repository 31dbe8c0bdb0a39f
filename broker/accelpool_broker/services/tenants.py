"""Tenants: who is charged, with which weight, quota and rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from accelpool_broker.models import Lease, LeaseState, Tenant
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import TenantView
from accelpool_broker.scheduler.fairness import decayed, path
from accelpool_broker.scheduler.quotas import HOUR_S
from accelpool_broker.services import charges
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.changes import Change
from accelpool_broker.services.charges import HourOfUse
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Conflict, Forbidden, NotFound, PreconditionFailed

Condition = Callable[[str | None], bool]
"""Whether a request is to be carried out where the tag is this one; None where there is no tenant."""


@dataclass(frozen=True, kw_only=True)
class TenantRules:
    """What an operator says of a tenant; None for no limit.

    Attributes:
        weight: Its part of what tenants beside it want, too.
        max_priority: The highest priority that its requests may have, those of tenants below it included.
        quota_devices: Devices at once, parts counted as parts.
        quota_memory_bytes: Device memory at once.
        quota_device_hours: Devices times hours, since they were last set to zero.
        idle_after_s: How long its leases may idle before they are ended.
    """

    weight: float = 1.0
    max_priority: int | None = None
    quota_devices: float | None = None
    quota_memory_bytes: int | None = None
    quota_device_hours: float | None = None
    idle_after_s: float | None = None

    @classmethod
    def of(cls, tenant: Tenant) -> TenantRules:
        """Return a tenant's rules."""
        return cls(**{field.name: getattr(tenant, field.name) for field in fields(cls)})

    @property
    def tag(self) -> str:
        """What changes with them: the same for the same rules."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class SeenTenant:
    """A tenant, and what it has and has used now, without those below it."""

    tenant: Tenant
    used_device_s: float
    spent_device_s: float
    active_leases: int
    queued_leases: int

    @property
    def tag(self) -> str:
        """What changes with its rules, and not with its use."""
        return TenantRules.of(self.tenant).tag


class Tenants:
    """The tenants of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def put(
        self, name: str, rules: TenantRules, caller: Caller, *, condition: Condition, is_reset: bool
    ) -> SeenTenant:
        """Return the tenant, made or given these rules.

        Args:
            name: Its name.
            caller: Who says so.
            rules: What its operator says.
            condition: What it must be like before.
            is_reset: Whether its device-hours, and those of all below it, count from zero.

        Raises:
            PreconditionFailed: It is not so.
        """
        with self._pool.change() as change:
            tenant = change.tx.tenant(name)
            _check(name, tenant, condition)
            if tenant is None:
                tenant = charges.new_tenant(name, change.now)
                change.tx.add(tenant)
            for field, value in asdict(rules).items():
                setattr(tenant, field, value)
            change.tx.flush()
            if is_reset:
                self._reset(change, name)
            change.note(caller, f"/tenants/{name}")
            change.needs_scheduling = True
        return self.get(name, caller)

    def _reset(self, change: Change, name: str) -> None:
        """Count the device-hours of a tenant, to which those of all below it belong, from zero."""
        for lease in change.tx.leases(states=[LeaseState.ACTIVE]):
            if name in path(lease.tenant):
                charges.settle(change.tx, lease, change.now, self._pool.settings.policy.half_life_s)
        for tenant in change.tx.tenants():
            if name in path(tenant.name):
                tenant.spent_device_s = 0.0

    def get(self, name: str, caller: Caller) -> SeenTenant:
        """Return a tenant that the caller may see."""
        with self._pool.store.read() as tx:
            tenant = tx.tenant(name)
            if tenant is None or not caller.sees_tenant(name):
                raise NotFound(f"there is no tenant {name}", instance=f"/tenants/{name}")
            return self._see(tx, [tenant])[0]

    def usage(self, name: str, caller: Caller, *, since: float, until: float) -> list[HourOfUse]:
        """Return what a tenant's leases had, hour by hour; hours without any are left out.

        Args:
            name: The tenant's name; those below it do not count.
            caller: Who asks.
            since: From the hour on that this instant is in.
            until: Hours that begin before this instant.
        """
        since = since // HOUR_S * HOUR_S
        with self._pool.store.read() as tx:
            if not caller.sees_tenant(name):
                raise NotFound(f"there is no tenant {name}", instance=f"/tenants/{name}")
            hours = {row.hour: (row.device_s, row.byte_s) for row in tx.usage(name, since=since, until=until)}
            running = tx.leases(states=[LeaseState.ACTIVE], tenant=name)
        now = self._pool.clock.now()
        for row in (row for lease in running for row in charges.used_by_hour(lease, now)):
            device_s, byte_s = hours.get(row.hour, (0.0, 0.0))
            hours[row.hour] = (device_s + row.device_s, byte_s + row.byte_s)
        return [
            HourOfUse(hour=hour, device_s=device_s, byte_s=byte_s)
            for hour, (device_s, byte_s) in sorted(hours.items())
            if since <= hour < until
        ]

    def page(self, caller: Caller, *, after: str, limit: int) -> list[SeenTenant]:
        """Return those tenants that the caller may see, by name."""
        with self._pool.store.read() as tx:
            return self._see(tx, tx.tenants(within=caller.sees_only, after=after, limit=limit))

    def remove(self, name: str, caller: Caller, *, condition: Condition) -> None:
        """Forget the rules and use of a tenant that is as the condition says.

        Raises:
            Conflict: It has leases.
            NotFound: There is none.
            PreconditionFailed: It is not so.
        """
        with self._pool.change() as change:
            tenant = change.tx.tenant(name)
            if tenant is None:
                raise NotFound(f"there is no tenant {name}", instance=f"/tenants/{name}")
            if change.tx.leases(states=[LeaseState.ACTIVE, LeaseState.QUEUED], tenant=name, limit=1):
                raise Conflict(f"tenant {name} has leases: end them first", instance=f"/tenants/{name}")
            _check(name, tenant, condition)
            change.tx.remove(tenant)
            change.note(caller, f"/tenants/{name}")
            change.needs_scheduling = True

    def _see(self, tx: Transaction, tenants: Sequence[Tenant]) -> list[SeenTenant]:
        now = self._pool.clock.now()
        half_life_s = self._pool.settings.policy.half_life_s
        open_leases: dict[str, list[Lease]] = {}
        for lease in tx.leases(states=[LeaseState.ACTIVE, LeaseState.QUEUED]):
            open_leases.setdefault(lease.tenant, []).append(lease)
        seen = []
        for tenant in tenants:
            leases = open_leases.get(tenant.name, [])
            owed = [charges.owed(lease, now, half_life_s) for lease in leases]
            used = decayed(tenant.used_device_s, now - tenant.used_at, half_life_s)
            seen.append(
                SeenTenant(
                    tenant=tenant,
                    used_device_s=used + sum(part.used_device_s for part in owed),
                    spent_device_s=tenant.spent_device_s + sum(part.spent_device_s for part in owed),
                    active_leases=sum(lease.state == LeaseState.ACTIVE for lease in leases),
                    queued_leases=sum(lease.state == LeaseState.QUEUED for lease in leases),
                )
            )
        return seen


def _check(name: str, tenant: Tenant | None, condition: Condition) -> None:
    """Refuse to change a tenant that is not as the request says."""
    if condition(None if tenant is None else TenantRules.of(tenant).tag):
        return
    now = "there is none" if tenant is None else "it is there, with the rules that GET tells"
    raise PreconditionFailed(
        f"tenant {name} is not as the request says that it must be: {now}. Read it again",
        instance=f"/tenants/{name}",
    )


def check_priority(tenants: Mapping[str, TenantView], name: str, priority: int) -> None:
    """Refuse a priority that a tenant, or one above it, may not have.

    Raises:
        Forbidden: It is higher than the highest allowed.
    """
    known = [tenants[above] for above in path(name) if above in tenants]
    highest = min((found.max_priority for found in known if found.max_priority is not None), default=0)
    if priority > highest:
        raise Forbidden(f"tenant {name} may ask for priorities up to {highest}, not {priority}")
