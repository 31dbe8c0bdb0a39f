"""The queries of the store behind `/metrics`: sums, and columns instead of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import func, select

from accelpool_broker.models import Device, Lease, LeaseState, Node, Session, Share
from accelpool_broker.queries.session import Database


class DeviceUse(NamedTuple):
    """A device, and what leases have of its hardware."""

    node: str
    node_state: str
    name: str
    hardware: str
    kind: str
    api: str
    fault: str
    memory_bytes: int
    used_memory_bytes: int
    used_compute_ppm: int


@dataclass(frozen=True, kw_only=True)
class OpenLeases:
    """Queued or active leases of one tenant that are alike.

    Attributes:
        is_reserved: Whether they have a time to begin.
        oldest_at: When the first of them was asked for.
    """

    tenant: str
    state: LeaseState
    is_reserved: bool
    count: int
    oldest_at: float


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What an active lease has, and since when its tenant was not charged for it."""

    tenant: str
    charged_at: float
    compute_ppm: int
    memory_bytes: int


class MetricsQueries:
    """What can be asked of the pool as a whole within one transaction."""

    _database: Database

    def device_use(self) -> list[DeviceUse]:
        """Return all devices that their nodes report, without their attributes."""
        rows = self._database.execute(
            select(
                Device.node_name,
                Node.state,
                Device.name,
                Device.hardware,
                Device.kind,
                Device.api,
                Device.fault,
                Device.memory_bytes,
                Device.used_memory_bytes,
                Device.used_compute_ppm,
            )
            .join(Device.node)
            .where(Device.is_present)
            .order_by(Device.number)
        )
        return [DeviceUse._make(row) for row in rows]

    def session_counts(self) -> dict[str, int]:
        """Return how many sessions run, by node."""
        rows = self._database.execute(select(Session.node_name, func.count()).group_by(Session.node_name))
        return dict(iter(rows))

    def lease_counts(self) -> list[OpenLeases]:
        """Return how many leases are queued, reserved or active, by tenant."""
        is_reserved = Lease.starts_at.is_not(None)
        rows = self._database.execute(
            select(Lease.tenant, Lease.state, is_reserved, func.count(), func.min(Lease.created_at))
            .where(Lease.state.in_((LeaseState.QUEUED, LeaseState.ACTIVE)))
            .group_by(Lease.tenant, Lease.state, is_reserved)
        )
        return [
            OpenLeases(
                tenant=tenant,
                state=LeaseState(state),
                is_reserved=bool(is_reserved),
                count=count,
                oldest_at=oldest_at,
            )
            for tenant, state, is_reserved, count, oldest_at in rows
        ]

    def holdings(self) -> list[Holding]:
        """Return what each active lease has."""
        rows = self._database.execute(
            select(Lease.tenant, Lease.charged_at, func.sum(Share.compute_ppm), func.sum(Share.memory_bytes))
            .join(Lease.shares)
            .where(Lease.state == LeaseState.ACTIVE, Share.is_active)
            .group_by(Lease.number, Lease.tenant, Lease.charged_at)
        )
        return [
            Holding(
                tenant=tenant,
                charged_at=charged_at or 0.0,
                compute_ppm=int(compute_ppm),
                memory_bytes=int(memory_bytes),
            )
            for tenant, charged_at, compute_ppm, memory_bytes in rows
        ]
