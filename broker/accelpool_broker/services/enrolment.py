"""Enrolment: how a node gets a credential of its own.

    operator ── join token: once, for one node or any new one ──▶ agent
    agent    ── join token, SHA-256 of a secret of its making ──▶ broker: that is the node's token now

The secret itself is not in the answer, and so an answer that was lost may be asked for again.
"""

from __future__ import annotations

from collections.abc import Sequence

from accelpool_broker.models import Account, AccountKind, JoinToken, Role, Token
from accelpool_broker.services.access import NODE_PREFIX
from accelpool_broker.services.caller import EVERYTHING, Caller
from accelpool_broker.services.changes import Change
from accelpool_broker.services.new_tokens import add_token, hash_of, new_id, new_join_token
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Conflict, Forbidden, NotFound, QuotaExceeded, Unauthorized

MOST_JOIN_TOKENS = 1024
ENROLLED = "enrolled"


class Enrolment:
    """Join tokens, and the nodes that come with them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(self, node: str | None, caller: Caller, *, lifetime_s: float) -> tuple[JoinToken, str]:
        """Return a new join token, and what it is itself.

        Args:
            node: The node that it is for; None for any that is not there yet.
            caller: Who asks for it.
            lifetime_s: For how long it lets in.

        Raises:
            QuotaExceeded: There are too many.
        """
        secret = new_join_token()
        with self._pool.change() as change:
            if len(change.tx.join_tokens(limit=MOST_JOIN_TOKENS)) == MOST_JOIN_TOKENS:
                raise QuotaExceeded(
                    f"there are {MOST_JOIN_TOKENS} join tokens: those that have expired count for a week"
                )
            made = JoinToken(
                id=new_id("jtk"),
                sha256=hash_of(secret),
                node=node,
                account=caller.account,
                created_at=change.now,
                expires_at=change.now + lifetime_s,
            )
            change.tx.add(made)
            change.accounts = True
            change.note(caller, f"/join-tokens/{made.id}")
        return made, secret

    def page(self, *, before: int | None, limit: int) -> Sequence[JoinToken]:
        """Return join tokens, newest first."""
        with self._pool.store.read() as tx:
            return tx.join_tokens(before=before, limit=limit)

    def remove(self, id: str, caller: Caller) -> None:
        """Let a join token let nobody in any more; a node that came with it stays."""
        with self._pool.change() as change:
            token = change.tx.join_token(id)
            if token is None:
                raise NotFound(f"there is no join token {id}", instance=f"/join-tokens/{id}")
            change.tx.remove(token)
            change.accounts = True
            change.note(caller, f"/join-tokens/{id}")

    def enrol(self, node: str, hash: str, caller: Caller) -> Token:
        """Return a node's new token, of which the agent has told the hash; its earlier ones are revoked.

        Args:
            node: The node's name.
            hash: The SHA-256 of the secret that the agent has made.
            caller: The join token.

        Raises:
            Conflict: The secret is known already.
            Forbidden: The join token was used, or is for another node; or it is for any and the node is there
                already; or the node's account is disabled.
            Unauthorized: The join token is gone.
        """
        with self._pool.change() as change:
            join = change.tx.join_token(caller.token)
            if join is None or join.expires_at <= change.now:
                raise Unauthorized(f"join token {caller.token} lets nobody in any more")
            known = change.tx.token_by_hash(hash)
            if join.used_by == node and known is not None and known.account == NODE_PREFIX + node:
                return known  # the answer was lost, and the agent asks again
            self._check(change, join, node)
            if known is not None:
                raise Conflict("this secret is known already: make another one", instance=f"/nodes/{node}")
            token = _replace_tokens(change, node, hash)
            join.used_at, join.used_by = change.now, node
            change.accounts = True
            change.note(caller, f"/nodes/{node}")
        return token

    def _check(self, change: Change, join: JoinToken, node: str) -> None:
        where = f"/nodes/{node}"
        if join.used_at is not None:
            raise Forbidden(f"join token {join.id} was used, by node {join.used_by}", instance=where)
        if join.node is not None and join.node != node:
            raise Forbidden(f"join token {join.id} is for node {join.node}, not {node}", instance=where)
        account = change.tx.account(NODE_PREFIX + node)
        if join.node is None and (account is not None or change.tx.node(node) is not None):
            raise Forbidden(
                f"node {node} is there already: that takes a join token for this very node", instance=where
            )
        if account is not None and account.is_disabled:
            raise Forbidden(f"account {account.name} is disabled", instance=where)


def _replace_tokens(change: Change, node: str, hash: str) -> Token:
    name = NODE_PREFIX + node
    if change.tx.account(name) is None:
        change.tx.add(
            Account(
                name=name,
                kind=AccountKind.NODE,
                role=Role.NODE,
                tenants=[],
                is_disabled=False,
                created_at=change.now,
            )
        )
        change.tx.flush()
    for token in change.tx.tokens(account=name):
        token.revoked_at = token.revoked_at or change.now
    return add_token(change.tx, hash, name, name=ENROLLED, scopes=[EVERYTHING], now=change.now)
