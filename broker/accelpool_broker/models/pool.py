"""The records of nodes and their devices, of leases, and of who has what."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, inspect
from sqlalchemy.orm import Mapped, mapped_column, relationship

from accelpool_broker.models.base import Base


class LeaseState(StrEnum):
    """The states of a lease; see `TRANSITIONS`."""

    QUEUED = "queued"
    ACTIVE = "active"
    RELEASED = "released"
    EXPIRED = "expired"
    REVOKED = "revoked"
    LOST = "lost"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


TRANSITIONS: dict[LeaseState, frozenset[LeaseState]] = {
    LeaseState.QUEUED: frozenset(
        {LeaseState.ACTIVE, LeaseState.WITHDRAWN, LeaseState.EXPIRED, LeaseState.REJECTED}
    ),
    LeaseState.ACTIVE: frozenset(
        {LeaseState.RELEASED, LeaseState.EXPIRED, LeaseState.REVOKED, LeaseState.LOST}
    ),
    **{
        ended: frozenset()
        for ended in LeaseState
        if ended not in (LeaseState.QUEUED, LeaseState.ACTIVE)
    },
}  # fmt: skip


class NodeState(StrEnum):
    """Whether a node's agent answers."""

    READY = "ready"
    LOST = "lost"


class Node(Base):
    """A machine with devices; its operator may close it to new leases, and say when old ones have to end.

    `certificate_sha256` tells the certificate of its data plane; it is empty for one without TLS. `readings`
    is what its devices measured last, by their names: here, since each report writes this row anyway.
    """

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int]
    certificate_sha256: Mapped[str] = mapped_column(String(64), default="")
    version: Mapped[str] = mapped_column(String(64))
    boot_id: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    last_seen_at: Mapped[float]
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    sequence: Mapped[int] = mapped_column(BigInteger, default=-1)
    labels: Mapped[dict[str, str]] = mapped_column(default=dict)
    taints: Mapped[list[str]] = mapped_column(default=list)
    is_cordoned: Mapped[bool] = mapped_column(default=False)
    drain_at: Mapped[float | None] = mapped_column(default=None)
    readings: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Device(Base):
    """A device of a node; `is_present` is False once its node no longer reports it.

    `hardware` is what of it is lent: NODE/PLACE if it has several faces, its own id if it is the only one.
    `loaded_sha256` is the SHA-256 of the binary that was loaded on it last, `loaded_at` when that was; both
    are None if nobody knows. What active leases have of its hardware the database keeps: it is only read.
    """

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("node_name", "name"), Index("devices_by_hardware", "hardware"))

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    node_name: Mapped[str] = mapped_column(ForeignKey("nodes.name"))
    name: Mapped[str] = mapped_column(String(255))
    environment: Mapped[str] = mapped_column(String(64))
    hardware: Mapped[str] = mapped_column(String(160), default=lambda it: it.get_current_parameters()["id"])
    kind: Mapped[str] = mapped_column(String(16))
    api: Mapped[str] = mapped_column(String(16))
    attributes: Mapped[dict[str, Any]]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    compute_units: Mapped[int] = mapped_column(BigInteger)
    fault: Mapped[str]
    is_present: Mapped[bool]
    epoch: Mapped[int] = mapped_column(BigInteger, default=0)
    loaded_sha256: Mapped[str | None] = mapped_column(String(64))
    loaded_at: Mapped[float | None]
    used_memory_bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    used_compute_ppm: Mapped[int] = mapped_column(server_default="0")

    node: Mapped[Node] = relationship(lazy="raise")


class Lease(Base):
    """A request for devices, and what became of it.

    Attributes:
        account: Who asked for it.
        alternatives: What would serve it, the best first: the fields of a demand that were given.
        alternative: Which of them it was granted, or is reserved for it, from 0.
        charged_at: Up to when its tenant was charged.
        starts_at: When it is to begin, None for as soon as possible.
        reserved: The shares that are reserved for it until then, as the fields of the scheduler's.
        ends_at: When it ends however often it is renewed.
        notice_why: Why it was told that it will end, "" if it was not; with the reason, and when.
        idle_since: Since when its devices have had too little to do, None if they have enough.
        idempotency_key: A hash of the key that its client gave, and of the account.
    """

    __tablename__ = "leases"
    __table_args__ = (
        Index("leases_by_state", "state", "number"),
        Index("leases_by_end", "ended_at"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    tenant: Mapped[str] = mapped_column(String(255))
    account: Mapped[str] = mapped_column(String(128), default="")
    priority: Mapped[int]
    is_preemptible: Mapped[bool]
    alternatives: Mapped[list[dict[str, Any]]]
    alternative: Mapped[int | None]
    is_backfill: Mapped[bool] = mapped_column(default=False)
    ttl_s: Mapped[float]
    max_duration_s: Mapped[float | None]
    ends_with_session: Mapped[bool]
    client: Mapped[str]
    created_at: Mapped[float]
    read_until: Mapped[float]
    withdraw_at: Mapped[float | None]
    granted_at: Mapped[float | None]
    charged_at: Mapped[float | None]
    expires_at: Mapped[float | None]
    starts_at: Mapped[float | None]
    reserved: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    ends_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    notice_why: Mapped[str] = mapped_column(String(16), default="")
    notice_reason: Mapped[str] = mapped_column(default="")
    revoke_at: Mapped[float | None]
    idle_since: Mapped[float | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    request_sha256: Mapped[str] = mapped_column(String(64))

    shares: Mapped[list[Share]] = relationship(lazy="raise", order_by="Share.number", cascade="all")

    @property
    def are_shares_loaded(self) -> bool:
        """Whether `shares` may be read: not every query fetches them."""
        return "shares" not in inspect(self).unloaded


class Share(Base):
    """The part of a device that a lease has, or had."""

    __tablename__ = "shares"
    __table_args__ = (
        Index("shares_by_device", "device_id", "is_active"),
        Index("shares_by_lease", "lease_id"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    lease_id: Mapped[str] = mapped_column(ForeignKey("leases.id", ondelete="CASCADE"))
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    compute_ppm: Mapped[int]
    epoch: Mapped[int] = mapped_column(BigInteger)
    is_active: Mapped[bool]

    device: Mapped[Device] = relationship(lazy="raise")


class Session(Base):
    """A live session, as its node's agent last reported it."""

    __tablename__ = "sessions"
    __table_args__ = (Index("sessions_by_lease", "lease_id"),)

    node_name: Mapped[str] = mapped_column(ForeignKey("nodes.name"), primary_key=True)
    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    lease_id: Mapped[str] = mapped_column(String(32))
