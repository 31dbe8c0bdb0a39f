"""The broker's tables.

    counters   how often things changed, for those who remember them
    accounts   who may call: people, services, nodes; each with a role
    tokens     what an account shows: SHA-256 of a bearer token, its scopes, how long it lets in
    join_tokens  what lets a node in for the first time
    audit      who did what: rows are added, and go when they are old
    signing_keys  the key that signs lease tokens, if several brokers may share the database: one row, or none
    nodes      machines with devices; `revision` counts the changes of what a node should run
    devices    devices of nodes; those with the same `hardware` are lent together, `epoch` counts their grants
    leases     requests and leases; `number` is the order of arrival
    shares     which lease has, or had, which part of which device
    sessions   live sessions, as the agents last reported them
    tenants    who is charged: weight, quota, what was used

No hardware can be over-committed: triggers on `shares` keep `used_memory_bytes` and `used_compute_ppm` of
`devices`, of all faces of the hardware alike, and checks there hold them within what the device has.

Instants are seconds since the Unix epoch, sizes bytes, parts of a device millionths of it. This module
imports nothing of ours.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, inspect
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


class AccountKind(StrEnum):
    """What an account stands for."""

    USER = "user"
    SERVICE = "service"
    NODE = "node"


class Role(StrEnum):
    """What an account may do; `services/caller.py` has the scopes of each."""

    ADMIN = "admin"
    OPERATOR = "operator"
    MEMBER = "member"
    NODE = "node"


class Scope(StrEnum):
    """A part of what a role may do. One that changes things includes reading them."""

    LEASES_READ = "leases:read"
    LEASES = "leases"
    COMPUTE = "compute"
    NODES_READ = "nodes:read"
    NODES = "nodes"
    TENANTS_READ = "tenants:read"
    TENANTS = "tenants"
    TOKENS = "tokens"
    AUDIT_READ = "audit:read"
    METRICS = "metrics"
    ACCOUNTS = "accounts"
    NODE = "node"
    JOIN = "join"


class NodeState(StrEnum):
    """Whether a node's agent answers."""

    READY = "ready"
    LOST = "lost"


class Base(DeclarativeBase):
    """The base of all tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own form
        dict[str, Any]: JSON,
        dict[str, str]: JSON,
        list[str]: JSON,
        list[dict[str, Any]]: JSON,
    }


class Counter(Base):
    """A number that only grows; `writes` counts the transactions that wrote."""

    __tablename__ = "counters"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class Account(Base):
    """Who may call. It is never deleted: what it did is told by its name.

    Attributes:
        tenants: Of a member: in whose name it may ask, with those below them.
        is_disabled: Whether none of its tokens lets anybody in.
    """

    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    role: Mapped[str] = mapped_column(String(16))
    tenants: Mapped[list[str]] = mapped_column(default=list)
    is_disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]


class Token(Base):
    """A bearer token of an account, of which only the hash is kept.

    Attributes:
        scopes: What it may be used for, of what the role has; `["*"]` for all of that.
        expires_at: Until when it lets in, None for ever.
        last_used_at: When it was last used, to some minutes; None if it never was.
        replaced_by: The id of the token that it was rotated to.
        rule: The id of the trust rule by which it was made, None if somebody made it.
    """

    __tablename__ = "tokens"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    name: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]]
    created_at: Mapped[float]
    expires_at: Mapped[float | None]
    last_used_at: Mapped[float | None]
    revoked_at: Mapped[float | None]
    replaced_by: Mapped[str | None] = mapped_column(String(32))
    rule: Mapped[str | None] = mapped_column(String(32))


class JoinToken(Base):
    """A one-time token with which a node gets a credential of its own.

    Attributes:
        node: The node that it is for, None for any new one.
        account: Who made it.
        used_at: When it was used, None if it was not.
        used_by: The node that used it.
    """

    __tablename__ = "join_tokens"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    node: Mapped[str | None] = mapped_column(String(64))
    account: Mapped[str] = mapped_column(String(128))
    created_at: Mapped[float]
    expires_at: Mapped[float]
    used_at: Mapped[float | None]
    used_by: Mapped[str | None] = mapped_column(String(64))


class AuditEntry(Base):
    """What somebody did, or was refused. The database itself lets nobody change it.

    Attributes:
        account: Whose token it was, "" if nobody's.
        token: The token's id.
        address: Where it came from.
        action: The call's name, as in the API's description.
        object: The path of what it was done to.
        outcome: "done", or the problem with which it was refused.
        count: How often, of refusals.
    """

    __tablename__ = "audit"
    __table_args__ = (Index("audit_by_time", "at"),)

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[float]
    account: Mapped[str] = mapped_column(String(128))
    token: Mapped[str] = mapped_column(String(32))
    address: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(32))
    object: Mapped[str] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(32))
    count: Mapped[int]


class SigningKey(Base):
    """The private key that signs lease tokens, of all brokers that share the database."""

    __tablename__ = "signing_keys"

    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    pem: Mapped[str]
    created_at: Mapped[float]


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


class Tenant(Base):
    """Who is charged; the name of one below another starts with that one's, and a slash.

    Attributes:
        used_device_s: Decayed use as of `used_at`, without that of running leases.
        spent_device_s: What its quota of device-hours counts, without running leases.
    """

    __tablename__ = "tenants"

    name: Mapped[str] = mapped_column(String(255), primary_key=True)
    weight: Mapped[float] = mapped_column(default=1.0)
    max_priority: Mapped[int | None]
    quota_devices: Mapped[float | None]
    quota_memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    quota_device_hours: Mapped[float | None]
    idle_after_s: Mapped[float | None]
    used_device_s: Mapped[float] = mapped_column(default=0.0)
    spent_device_s: Mapped[float] = mapped_column(default=0.0)
    used_at: Mapped[float] = mapped_column(default=0.0)
    created_at: Mapped[float] = mapped_column(default=0.0)
