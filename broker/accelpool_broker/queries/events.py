"""The queries of the store about what happened in the pool, and what tenants used of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, delete, false, func, insert, or_, select, text, union_all

from accelpool_broker.models import PoolEvent, TenantUsage
from accelpool_broker.queries.session import Database
from accelpool_broker.tenant_paths import is_within

FEW = 10_000
MOST_APART = 100  # tenants whose events are looked for one by one; who sees more soon meets one of his
ADD_EVENTS = insert(PoolEvent)
ADD_USAGE = text(
    "INSERT INTO tenant_usage (tenant, hour, device_s, byte_s) VALUES (:tenant, :hour, :device_s, :byte_s)"
    " ON CONFLICT (tenant, hour) DO UPDATE SET"
    " device_s = tenant_usage.device_s + excluded.device_s, byte_s = tenant_usage.byte_s + excluded.byte_s"
)


class EventQueries:
    """What can be asked of events and of use within one transaction."""

    _database: Database

    def add_events(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Add events, in this order; each has the columns but its number."""
        if events:
            self._database.connection().execute(ADD_EVENTS, events)

    def events(
        self,
        *,
        of_leases: bool,
        of_nodes: bool,
        within: Collection[str] | None = None,
        kinds: Collection[str] | None = None,
        lease: str | None = None,
        node: str | None = None,
        before: int | None = None,
        after: int | None = None,
        limit: int | None = None,
    ) -> Sequence[PoolEvent]:
        """Return events: those after a number, oldest first, or else newest first.

        Args:
            of_leases: Whether those of leases are wanted.
            of_nodes: Whether those of nodes and devices are.
            within: Of leases: of these tenants alone, with those below them.
            kinds: Of one of these kinds.
            lease: Of this lease.
            node: Of this node, or of its devices.
            before: With a lower number.
            after: With a higher number.
            limit: How many at most.
        """
        order = PoolEvent.number.desc() if after is None else PoolEvent.number.asc()
        wanted = _wanted(kinds, lease, node, before, after)
        seen = _may_be_seen(of_leases, of_nodes, within)
        if within is not None and lease is None and node is None and self._is_far(after):
            parts = self._apart(of_leases, of_nodes, within)
            each = (
                select(PoolEvent.number).where(part, *wanted).order_by(order).limit(limit) for part in parts
            )
            found = union_all(*(select(one.subquery().c.number) for one in each)).subquery().c.number
            first = found.desc() if after is None else found.asc()
            seen = PoolEvent.number.in_(select(found).order_by(first).limit(limit))
        query = select(PoolEvent).where(seen, *wanted).order_by(order).limit(limit)
        return self._database.scalars(query).all()

    def _is_far(self, after: int | None) -> bool:
        """Whether more events may have to be looked through than a few, which are in the cache."""
        return after is None or self.event_numbers()[1] - after > FEW

    def _apart(self, of_leases: bool, of_nodes: bool, within: Collection[str]) -> list[ColumnElement[bool]]:
        """Return conditions of which an event meets one at most, each of which an index finds in order."""
        tenants = self._tenants_of_events(within) if of_leases else []
        if len(tenants) > MOST_APART:
            return [_may_be_seen(of_leases, of_nodes, within)]
        parts: list[ColumnElement[bool]] = [PoolEvent.tenant == tenant for tenant in tenants]
        if of_nodes:
            parts.append(PoolEvent.lease.is_(None))
        return parts or [false()]

    def _tenants_of_events(self, within: Collection[str]) -> Sequence[str]:
        """Return the tenants that have events, by a look into the index for each that there is."""
        found = select(func.min(PoolEvent.tenant).label("tenant")).cte("tenants", recursive=True)
        following = select(func.min(PoolEvent.tenant)).where(PoolEvent.tenant > found.c.tenant)
        found = found.union_all(select(following.scalar_subquery()).where(found.c.tenant.is_not(None)))
        query = select(found.c.tenant).where(is_within(found.c.tenant, within))
        return self._database.scalars(query.limit(MOST_APART + 1)).all()

    def event_numbers(self) -> tuple[int, int]:
        """Return the numbers of the oldest event that is kept and of the newest; zeros if there are none."""
        oldest = self._database.scalars(select(func.min(PoolEvent.number))).one()
        newest = self._database.scalars(select(func.max(PoolEvent.number))).one()
        return oldest or 0, newest or 0

    def prune_events(self, *, before: float, keep_most: int) -> None:
        """Forget events from before an instant, and of the others all but so many; never the newest.

        So it is known up to which number there were any.
        """
        is_young = select(PoolEvent.number).where(PoolEvent.at >= before)
        first_young = self._database.scalars(is_young.order_by(PoolEvent.number).limit(1)).one_or_none()
        _, newest = self.event_numbers()
        first_kept = max(newest if first_young is None else first_young, newest - keep_most + 1)
        self._database.execute(delete(PoolEvent).where(PoolEvent.number < first_kept))

    def add_usage(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add to what tenants used; each row has all columns of `TenantUsage`."""
        if rows:
            self._database.execute(ADD_USAGE, rows)

    def usage(self, tenant: str, *, since: float, until: float) -> Sequence[TenantUsage]:
        """Return what a tenant was charged for, by hours that begin from `since` on and before `until`."""
        query = select(TenantUsage).where(TenantUsage.tenant == tenant, TenantUsage.hour >= since)
        return self._database.scalars(query.where(TenantUsage.hour < until).order_by(TenantUsage.hour)).all()

    def prune_usage(self, *, before: float) -> None:
        """Forget hours that began before an instant."""
        self._database.execute(delete(TenantUsage).where(TenantUsage.hour < before))


def _wanted(
    kinds: Collection[str] | None,
    lease: str | None,
    node: str | None,
    before: int | None,
    after: int | None,
) -> list[ColumnElement[bool]]:
    equal = {PoolEvent.lease: lease, PoolEvent.node: node}
    wanted = [column == value for column, value in equal.items() if value is not None]
    if kinds is not None:
        wanted.append(PoolEvent.kind.in_(list(kinds)))
    if before is not None:
        wanted.append(PoolEvent.number < before)
    if after is not None:
        wanted.append(PoolEvent.number > after)
    return wanted


def _may_be_seen(of_leases: bool, of_nodes: bool, within: Collection[str] | None) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = []
    if of_leases:
        is_lease = PoolEvent.lease.is_not(None)
        parts.append(is_lease if within is None else is_within(PoolEvent.tenant, within))
    if of_nodes:
        parts.append(PoolEvent.lease.is_(None))
    return or_(*parts)
