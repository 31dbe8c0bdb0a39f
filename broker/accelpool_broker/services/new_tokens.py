"""Ids and secrets that are made here."""

from __future__ import annotations

import secrets

from accelpool_broker.models import AccountKind

PREFIXES = {AccountKind.USER: "apu", AccountKind.SERVICE: "aps", AccountKind.NODE: "apn"}
JOIN_PREFIX = "apj"
SECRET_BYTES = 32


def new_id(kind: str) -> str:
    """Return an id that nobody guesses, after what it is of, such as "tok"."""
    return f"{kind}_{secrets.token_urlsafe(12)}"


def new_token(kind: AccountKind) -> str:
    """Return a bearer token for an account of a kind; scanners for leaks know it by its beginning."""
    return f"{PREFIXES[kind]}_{secrets.token_urlsafe(SECRET_BYTES)}"


def new_join_token() -> str:
    """Return a join token."""
    return f"{JOIN_PREFIX}_{secrets.token_urlsafe(SECRET_BYTES)}"
