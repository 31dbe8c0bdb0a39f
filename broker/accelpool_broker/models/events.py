"""The record of what happened in the pool: rows are added, and go when they are old."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from accelpool_broker.models.base import Base


class EventKind(StrEnum):
    """What happened, to what."""

    LEASE_QUEUED = "lease.queued"
    LEASE_ACTIVE = "lease.active"
    LEASE_RELEASED = "lease.released"
    LEASE_EXPIRED = "lease.expired"
    LEASE_REVOKED = "lease.revoked"
    LEASE_LOST = "lease.lost"
    LEASE_WITHDRAWN = "lease.withdrawn"
    LEASE_REJECTED = "lease.rejected"
    LEASE_NOTICE = "lease.notice"
    LEASE_NOTICE_WITHDRAWN = "lease.notice_withdrawn"
    LEASE_RESIZED = "lease.resized"
    NODE_READY = "node.ready"
    NODE_LOST = "node.lost"
    NODE_CORDONED = "node.cordoned"
    NODE_UNCORDONED = "node.uncordoned"
    NODE_DRAINING = "node.draining"
    DEVICE_WELL = "device.well"
    DEVICE_FAULTY = "device.faulty"
    DEVICE_GONE = "device.gone"


class PoolEvent(Base):
    """Something that happened to a lease, a node or a device.

    Attributes:
        number: Later events have higher ones, and are committed later.
        lease: The lease's id, None for an event of a node or a device; with whose it is.
        node: The node's name, with the device's id for an event of a device; None for a lease's.
        reason: Why, for people; "" if there is nothing to say.
        until: When what is announced will be done: when a lease ends, or a node is drained.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index("events_by_lease", "lease", "number"),
        Index("events_by_node", "node", "number"),
        Index("events_by_tenant", "tenant", "number"),
        {"sqlite_autoincrement": True},  # else numbers would be given again when all rows have gone
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[float]
    kind: Mapped[str] = mapped_column(String(32))
    lease: Mapped[str | None] = mapped_column(String(32))
    tenant: Mapped[str | None] = mapped_column(String(255))
    account: Mapped[str | None] = mapped_column(String(128))
    node: Mapped[str | None] = mapped_column(String(64))
    device: Mapped[str | None] = mapped_column(String(32))
    reason: Mapped[str]
    until: Mapped[float | None]
