"""The records of who may call, and of who did what."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from accelpool_broker.models.base import Base


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
