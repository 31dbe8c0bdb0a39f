"""What the broker remembers of tokens, so that no request has to ask the database who sends it.

    accounts or tokens change, here or at another broker ─▶ forget() ─▶ all are read anew
    a token that nobody knows, on a shared store ─▶ likewise, some times per second at most: news may be late

A token is found by the first digits of its hash, and compared with all of it in constant time. What a
stranger could learn from times is about a hash, which he cannot choose.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from accelpool_broker.clock import Clock
from accelpool_broker.models import Account, JoinToken, Role, Scope, Token
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.services.caller import effective
from accelpool_broker.services.new_tokens import hash_of
from accelpool_broker.services.rates import Rates
from accelpool_broker.store import Store
from accelpool_wire.errors import Unavailable

FOUND_BY = 16  # digits of the hash
READS_PER_S, READS_AT_ONCE_S = 5.0, 4.0  # so many seconds' worth at once
USE_NOTED_S = 300.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A token that was not revoked, or a join token, and what it stands for.

    Attributes:
        id: Its id.
        sha256: Its hash.
        account: Its account's name.
        role: Its account's role.
        tenants: Its account's tenants.
        scopes: What it may be used for.
        expires_at: Until when it lets in, None for ever.
        is_disabled: Whether its account is.
    """

    id: str
    sha256: str
    account: str
    role: Role
    tenants: tuple[str, ...]
    scopes: frozenset[Scope]
    expires_at: float | None
    is_disabled: bool


class Credentials:
    """The tokens of a store, in memory."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._reading = threading.Lock()
        self._is_stale = True
        self._known: Mapping[str, tuple[Credential, ...]] = {}
        self._accounts: frozenset[str] = frozenset()
        self._used: dict[str, float] = {}
        self._written_at = 0.0
        self._reads_for_strangers = Rates(READS_PER_S, burst_s=READS_AT_ONCE_S, clock=clock.elapsed)

    def find(self, token: str) -> Credential | None:
        """Return what a token stands for, None if nobody knows it.

        Raises:
            Unavailable: They have changed, and the database does not answer.
        """
        hash = hash_of(token)
        if self._is_stale:
            self._read()
        found = self._look_up(hash)
        if found is None and self._store.is_shared and not self._reads_for_strangers.take(""):
            self._read()
            found = self._look_up(hash)
        return found

    def has_account(self, name: str) -> bool:
        """Whether there is an account of this name, whatever became of it."""
        return name in self._accounts

    def forget(self) -> None:
        """Read all anew: accounts or tokens have changed."""
        self._is_stale = True
        try:
            self._read()
        except Unavailable as error:  # who calls next has to try again, and is not let in before
            log.warning("tokens are not read anew: %s", error)

    def note_use(self, credential: Credential, now: float) -> None:
        """Remember that a token was used."""
        self._used[credential.id] = now

    def write_use(self, tx: Transaction, now: float) -> None:
        """Note in the database when tokens were used, if that was not done lately."""
        if self._used and not 0 <= now - self._written_at < USE_NOTED_S:
            used, self._used = self._used, {}
            self._written_at = now
            tx.note_use(dict(used))  # a request under way may still add to it

    def _look_up(self, hash: str) -> Credential | None:
        found = None
        for credential in self._known.get(hash[:FOUND_BY], ()):
            if hmac.compare_digest(credential.sha256, hash):
                found = credential
        return found

    def _read(self) -> None:
        with self._reading:  # who reads last has the newest
            self._is_stale = False
            try:
                with self._store.read() as tx:
                    rows, joining, accounts = tx.tokens_and_accounts(), tx.join_tokens(), tx.accounts()
            except BaseException:
                self._is_stale = True
                raise
            known: dict[str, tuple[Credential, ...]] = {}
            found = [*(_credential(*row) for row in rows), *map(_of_join_token, joining)]
            for credential in found:
                key = credential.sha256[:FOUND_BY]
                known[key] = (*known.get(key, ()), credential)
            self._known = known
            self._accounts = frozenset(account.name for account in accounts)


def _credential(token: Token, account: Account) -> Credential:
    role = Role(account.role)
    return Credential(
        id=token.id,
        sha256=token.sha256,
        account=account.name,
        role=role,
        tenants=tuple(account.tenants),
        scopes=effective(role, token.scopes),
        expires_at=token.expires_at,
        is_disabled=account.is_disabled,
    )


def _of_join_token(token: JoinToken) -> Credential:
    return Credential(
        id=token.id,
        sha256=token.sha256,
        account=f"join:{token.id}",
        role=Role.NODE,
        tenants=(),
        scopes=frozenset({Scope.JOIN}),
        expires_at=token.expires_at,
        is_disabled=False,
    )
