"""The records of who is told of events at an address of his own, and which broker tells them."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from accelpool_broker.models.base import Base


class WebhookState(StrEnum):
    """Whether events are sent to a webhook."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Webhook(Base):
    """An address to which events of leases are sent.

    Attributes:
        account: Whose it is: it is told of what that account may see.
        kinds: Of which kinds of events.
        tenant: Of this tenant's leases alone, with those below it; None for all that the account may see.
        secret: What is signed with, as text that begins with `whsec_`; "" after a restore without it.
        state: One of `WebhookState`.
        reason: Why it is disabled, or what went wrong last; "" if nothing did.
        position: The number of the event up to which everything was told.
        attempts: How often in a row it has failed.
        failing_since: When the first of those was.
        next_try_at: When to try again.
        last_status: The HTTP status of the last answer, None if there was none.
    """

    __tablename__ = "webhooks"
    __table_args__ = (Index("webhooks_by_account", "account"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    account: Mapped[str] = mapped_column(ForeignKey("accounts.name"))
    url: Mapped[str] = mapped_column(String(2048))
    kinds: Mapped[list[str]]
    tenant: Mapped[str | None] = mapped_column(String(255))
    secret: Mapped[str] = mapped_column(String(128))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    position: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int]
    failing_since: Mapped[float | None]
    next_try_at: Mapped[float]
    last_status: Mapped[int | None]
    created_at: Mapped[float]


class WebhookClaim(Base):
    """Which broker sends to webhooks, and until when no other one does; one row, or none."""

    __tablename__ = "webhook_claims"

    name: Mapped[str] = mapped_column(String(16), primary_key=True)
    broker: Mapped[str] = mapped_column(String(32))
    until: Mapped[float]
