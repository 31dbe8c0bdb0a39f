"""Ids and secrets that are made here, and the records of tokens."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection

from accelpool_broker.models import Account, AccountKind, Token
from accelpool_broker.queries.transaction import Transaction

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


def hash_of(token: str) -> str:
    """Return the hash under which a token, or a join token, is kept: its SHA-256 in hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def add_token(
    tx: Transaction,
    hash: str,
    account: str,
    *,
    name: str,
    scopes: Collection[str],
    now: float,
    expires_at: float | None = None,
    rule: str | None = None,
) -> Token:
    """Add the record of a token, and return it.

    Args:
        tx: To what.
        hash: The token's.
        account: Whose it is.
        name: What it is called.
        scopes: What it may be used for.
        now: When it is made.
        expires_at: Until when it lets in; None for ever.
        rule: The id of the trust rule by which it is made, None if there is none.
    """
    made = Token(
        id=new_id("tok"),
        sha256=hash,
        account=account,
        name=name,
        scopes=list(scopes),
        created_at=now,
        expires_at=expires_at,
        rule=rule,
    )
    tx.add(made)
    return made


def issue_token(
    tx: Transaction,
    owner: Account,
    *,
    name: str,
    scopes: Collection[str],
    now: float,
    expires_at: float | None,
    rule: str | None = None,
) -> tuple[Token, str]:
    """Make a token of an account; return its record, which is in the database, and the token itself."""
    secret = new_token(AccountKind(owner.kind))
    made = add_token(
        tx, hash_of(secret), owner.name, name=name, scopes=scopes, now=now, expires_at=expires_at, rule=rule
    )
    tx.flush()
    return made, secret
