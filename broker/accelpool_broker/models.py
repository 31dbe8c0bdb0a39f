"""The broker's tables.

    tokens     who may call: SHA-256 of a bearer token, its scope
    signing_keys  the key that signs lease tokens, if several brokers may share the database: one row, or none
    nodes      machines with devices; `revision` counts the changes of what a node should run
    devices    devices of nodes; `epoch` counts their grants
    leases     requests and leases; `number` is the order of arrival
    shares     which lease has, or had, which device; at most one active share per device, by a unique index
    sessions   live sessions, as the agents last reported them

Instants are seconds since the Unix epoch, sizes bytes. This module imports nothing of ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


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


class Scope(StrEnum):
    """What a token may do: everything about leases, or speak for a node."""

    ADMIN = "admin"
    NODE = "node"


class NodeState(StrEnum):
    """Whether a node's agent answers."""

    READY = "ready"
    LOST = "lost"


class Base(DeclarativeBase):
    """The base of all tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}  # noqa: RUF012 - SQLAlchemy's own form


class Token(Base):
    """A bearer token, of which only the hash is kept."""

    __tablename__ = "tokens"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    scope: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[float]


class SigningKey(Base):
    """The private key that signs lease tokens, of all brokers that share the database."""

    __tablename__ = "signing_keys"

    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    pem: Mapped[str]
    created_at: Mapped[float]


class Node(Base):
    """A machine with devices."""

    __tablename__ = "nodes"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    port: Mapped[int]
    version: Mapped[str] = mapped_column(String(64))
    boot_id: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    last_seen_at: Mapped[float]
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    sequence: Mapped[int] = mapped_column(BigInteger, default=-1)


class Device(Base):
    """A device of a node; `is_present` is False once its node no longer reports it.

    `loaded_sha256` is the SHA-256 of the binary that was loaded on it last, `loaded_at` when that was; both
    are None if nobody knows.
    """

    __tablename__ = "devices"
    __table_args__ = (UniqueConstraint("node_name", "name"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    node_name: Mapped[str] = mapped_column(ForeignKey("nodes.name"))
    name: Mapped[str] = mapped_column(String(255))
    environment: Mapped[str] = mapped_column(String(64))
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

    node: Mapped[Node] = relationship(lazy="raise")


class Lease(Base):
    """A request for devices, and what became of it."""

    __tablename__ = "leases"
    __table_args__ = (
        Index("leases_by_state", "state", "number"),
        Index("leases_by_end", "ended_at"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    kind: Mapped[str] = mapped_column(String(16))
    count: Mapped[int]
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    device: Mapped[str | None]
    devices: Mapped[list[str]] = mapped_column(default=list)
    ttl_s: Mapped[float]
    ends_with_session: Mapped[bool]
    client: Mapped[str]
    created_at: Mapped[float]
    read_until: Mapped[float]
    withdraw_at: Mapped[float | None]
    granted_at: Mapped[float | None]
    expires_at: Mapped[float | None]
    ended_at: Mapped[float | None]
    idempotency_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    request_sha256: Mapped[str] = mapped_column(String(64))

    shares: Mapped[list[Share]] = relationship(lazy="raise", order_by="Share.number", cascade="all")


class Share(Base):
    """The part of a device that a lease has, or had."""

    __tablename__ = "shares"
    __table_args__ = (
        Index(
            "one_active_share_per_device",
            "device_id",
            unique=True,
            sqlite_where=text("is_active = 1"),
            postgresql_where=text("is_active"),
        ),
        Index("shares_by_lease", "lease_id"),
    )

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    lease_id: Mapped[str] = mapped_column(ForeignKey("leases.id", ondelete="CASCADE"))
    device_id: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    compute: Mapped[float]
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
