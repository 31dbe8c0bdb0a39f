"""What all tables have in common, and those that are about the database itself. Imports nothing of ours."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


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


class SigningKey(Base):
    """The private key that signs lease tokens, of all brokers that share the database."""

    __tablename__ = "signing_keys"

    purpose: Mapped[str] = mapped_column(String(16), primary_key=True)
    pem: Mapped[str]
    created_at: Mapped[float]
