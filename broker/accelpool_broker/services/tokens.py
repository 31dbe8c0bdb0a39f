"""Bearer tokens of accounts: made, listed, rotated, revoked. Each is shown once, when it is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from accelpool_broker.models import Account, Role, Scope, Token
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.services import accounts
from accelpool_broker.services.access import FROM_FILE, check_name
from accelpool_broker.services.caller import EVERYTHING, SCOPES, Caller, effective
from accelpool_broker.services.new_tokens import issue_token
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Conflict, Forbidden, Invalid, NotFound, QuotaExceeded

MOST_PER_ACCOUNT = 256


@dataclass(frozen=True, kw_only=True)
class SeenToken:
    """A token as its account sees it.

    Attributes:
        token: The record.
        scopes: What it may be used for.
        secret: The token itself, "" but when it was just made.
    """

    token: Token
    scopes: frozenset[Scope]
    secret: str = ""


class Tokens:
    """The tokens of a pool: of one's own account, or of all for who has the scope `accounts`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(
        self,
        name: str,
        caller: Caller,
        *,
        account: str | None = None,
        scopes: Collection[str] | None = None,
        expires_at: float | None = None,
    ) -> SeenToken:
        """Return a new token.

        Args:
            name: What its owner calls it.
            caller: Who asks for it.
            account: Whose it is; None for the caller's own.
            scopes: What it may be used for; None for all that the caller may give.
            expires_at: Until when it lets in; None for ever.

        Raises:
            Forbidden: It would have scopes that its account, or the token that asks for it, has not.
            Invalid: It would have expired already, or the name is kept for the tokens file.
            NotFound: There is no such account that the caller may see.
            QuotaExceeded: The account has too many.
        """
        with self._pool.change() as change:
            owner = self._owner(change.tx, account or caller.account, caller)
            check_name(name)
            _check_expiry(expires_at, change.now)
            given = _given(owner, scopes, caller)
            made, secret = _make(change.tx, owner, name, given, change.now, expires_at)
            change.accounts = True
            change.note(caller, f"/tokens/{made.id}")
        return SeenToken(token=made, scopes=effective(Role(owner.role), given), secret=secret)

    def rotate(self, id: str, caller: Caller, *, overlap_s: float, expires_at: float | None) -> SeenToken:
        """Return a token that takes another's place, with its name and scopes.

        Args:
            id: The other's id.
            caller: Who asks for it.
            overlap_s: How long that one goes on to let in.
            expires_at: Until when the new one lets in; None for as long as the old one from its making on.

        Raises:
            Conflict: It was rotated before, or lets nobody in, or was made from an ID token.
            Forbidden: It has scopes that the token that asks for it has not.
            NotFound: There is no such token that the caller may see.
        """
        with self._pool.change() as change:
            old = self._found(change.tx, id, caller)
            owner = accounts.found(change.tx, old.account)
            _check_alive(old, change.now)
            _check_expiry(expires_at, change.now)
            _given(owner, old.scopes, caller)
            if expires_at is None and old.expires_at is not None:
                expires_at = change.now + old.expires_at - old.created_at
            name = old.name if old.name != FROM_FILE else "rotated"
            made, secret = _make(change.tx, owner, name, old.scopes, change.now, expires_at)
            until = change.now + overlap_s
            old.expires_at = until if old.expires_at is None else min(until, old.expires_at)
            old.replaced_by = made.id
            change.accounts = True
            change.note(caller, f"/tokens/{id}")
        return SeenToken(token=made, scopes=effective(Role(owner.role), made.scopes), secret=secret)

    def revoke(self, id: str, caller: Caller) -> SeenToken:
        """Let a token let nobody in from now on; one that was revoked stays as it is."""
        with self._pool.change() as change:
            token = self._found(change.tx, id, caller)
            if token.revoked_at is None:
                token.revoked_at = change.now
                change.accounts = True
                change.note(caller, f"/tokens/{id}")
            owner = accounts.found(change.tx, token.account)
        return _seen(token, owner)

    def get(self, id: str, caller: Caller) -> SeenToken:
        """Return a token that the caller may see."""
        with self._pool.store.read() as tx:
            token = self._found(tx, id, caller)
            return _seen(token, accounts.found(tx, token.account))

    def page(self, caller: Caller, *, account: str | None, before: int | None, limit: int) -> list[SeenToken]:
        """Return an account's tokens, by default the caller's own, newest first."""
        with self._pool.store.read() as tx:
            owner = self._owner(tx, account or caller.account, caller)
            return [
                _seen(token, owner) for token in tx.tokens(account=owner.name, before=before, limit=limit)
            ]

    def _owner(self, tx: Transaction, account: str, caller: Caller) -> Account:
        """Return an account whose tokens the caller may see."""
        if account != caller.account and Scope.ACCOUNTS not in caller.scopes:
            raise NotFound(f"there is no account {account}", instance=f"/accounts/{account}")
        return accounts.found(tx, account)

    def _found(self, tx: Transaction, id: str, caller: Caller) -> Token:
        token = tx.token(id)
        is_seen = token is not None and (token.account == caller.account or Scope.ACCOUNTS in caller.scopes)
        if token is None or not is_seen:
            raise NotFound(f"there is no token {id}", instance=f"/tokens/{id}")
        return token


def _seen(token: Token, owner: Account) -> SeenToken:
    return SeenToken(token=token, scopes=effective(Role(owner.role), token.scopes))


def _given(owner: Account, scopes: Collection[str] | None, caller: Caller) -> list[str]:
    """Return what a token is given, if the caller may give it."""
    role = Role(owner.role)
    is_free = Scope.ACCOUNTS in caller.scopes or caller.scopes == SCOPES[role]
    if scopes is None:
        scopes = [EVERYTHING] if is_free else sorted(caller.scopes)
    beyond = {EVERYTHING, *SCOPES[role]} if is_free else caller.scopes
    missing = sorted(set(scopes) - set(beyond))
    if missing:
        whose = f"account {owner.name}, of role {role}," if is_free else f"the token {caller.token}"
        raise Forbidden(f"{whose} has not the scope {missing[0]}, so it cannot give it to a token")
    return sorted(scopes)


def _make(
    tx: Transaction, owner: Account, name: str, scopes: list[str], now: float, expires_at: float | None
) -> tuple[Token, str]:
    if tx.token_count(owner.name) >= MOST_PER_ACCOUNT:
        raise QuotaExceeded(
            f"account {owner.name} has {MOST_PER_ACCOUNT} tokens: those that have ended count for a week"
        )
    return issue_token(tx, owner, name=name, scopes=scopes, now=now, expires_at=expires_at)


def _check_expiry(expires_at: float | None, now: float) -> None:
    if expires_at is not None and expires_at <= now:
        raise Invalid("expires_at is an instant to come")


def _check_alive(token: Token, now: float) -> None:
    where = f"/tokens/{token.id}"
    if token.rule is not None:
        raise Conflict(f"token {token.id} was made from an ID token: log in again instead", instance=where)
    if token.replaced_by is not None:
        raise Conflict(f"token {token.id} was rotated before, to {token.replaced_by}", instance=where)
    if token.revoked_at is not None:
        raise Conflict(f"token {token.id} was revoked: make another one", instance=where)
    if token.expires_at is not None and token.expires_at <= now:
        raise Conflict(f"token {token.id} has expired: make another one", instance=where)
