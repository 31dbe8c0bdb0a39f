"""The records of who else vouches for callers: rules, the people who came by them, and tokens used up."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from accelpool_broker.models.base import Base


class TrustRule(Base):
    """Which ID tokens are exchanged for tokens of ours, and whose.

    Attributes:
        name: What its admin calls it.
        issuer: The URL of who signs them, exactly.
        audience: Whom they have to be meant for.
        claims: What else they have to say: patterns, by the claims' names.
        priority: Rules of higher ones are tried first; of equal ones the older.
        account: Whose tokens are made: a service account; None for an account of each person's own.
        role: Of people: the role of their accounts.
        tenants: Of people who are members: in whose name they may ask.
        scopes: What the tokens may be used for; none for what is usual.
        lifetime_s: For how long they let in.
        client_id: Of people: as whom `accelpool login` asks the issuer; None if it does not.
        login_scope: Of people: what it asks the issuer to tell.
    """

    __tablename__ = "trust_rules"
    __table_args__ = (Index("trust_rules_by_issuer", "issuer"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(String(255))
    audience: Mapped[str] = mapped_column(String(255))
    claims: Mapped[dict[str, str]]
    priority: Mapped[int]
    account: Mapped[str | None] = mapped_column(ForeignKey("accounts.name"))
    role: Mapped[str | None] = mapped_column(String(16))
    tenants: Mapped[list[str]]
    scopes: Mapped[list[str]]
    lifetime_s: Mapped[float]
    client_id: Mapped[str | None] = mapped_column(String(255))
    login_scope: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[float]


class Identity(Base):
    """The account of a person whom an issuer vouches for, found again by what the issuer calls him."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"), unique=True)


class UsedIdToken(Base):
    """An ID token that was exchanged; it is kept as a hash until it has expired, and not taken again."""

    __tablename__ = "used_id_tokens"
    __table_args__ = (Index("used_id_tokens_by_end", "expires_at"),)

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[float]
