"""What a restored database must not allow twice.

Between a backup and its restore the pool went on. Nodes have heard of grants, and clients hold lease tokens,
of which the restored database knows nothing; what was used up since may be offered again.

    devices      epochs jump, beyond all that can have been granted since: what is granted from now on
                 outdates every lease token that the database does not know
    nodes        revisions jump, so that no agent takes old work for what it has been told already; without
                 the key that they know nodes have to register again, which ends their leases
    counters     jump likewise: no broker takes the database for one that it remembers
    events       numbers jump, so that who followed them misses none of those to come
    join tokens  that are not used end now: they may have been used since
    tokens       of users and services are revoked if that is asked for (`revoke_tokens`)
    webhooks     without a secret are disabled
    leases       that are open stay so, until their nodes or clients say otherwise; the time since the backup
                 is not charged
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, or_, select, text, update

from accelpool_broker.models import (
    Account,
    AccountKind,
    AuditEntry,
    Counter,
    Device,
    JoinToken,
    Lease,
    LeaseState,
    Node,
    PoolEvent,
    Token,
    Webhook,
    WebhookClaim,
    WebhookState,
)

JUMP = 1 << 32


def fence(connection: Connection, *, now: float, is_key_kept: bool) -> None:
    """Make a database that was just restored safe to be used."""
    connection.execute(update(Device).values(epoch=Device.epoch + JUMP))
    connection.execute(update(Node).values(revision=Node.revision + JUMP))
    if not is_key_kept:
        connection.execute(update(Node).values(boot_id=""))
    connection.execute(update(Counter).values(value=Counter.value + JUMP))
    connection.execute(
        update(JoinToken)
        .where(JoinToken.used_at.is_(None), JoinToken.expires_at > now)
        .values(expires_at=now)
    )
    connection.execute(update(Lease).where(Lease.state == LeaseState.ACTIVE).values(charged_at=now))
    connection.execute(
        update(Webhook)
        .where(Webhook.secret == "")
        .values(state=WebhookState.DISABLED, reason="it was restored without its secret: make another one")
    )
    connection.execute(delete(WebhookClaim))
    _jump_numbers_of_events(connection)
    entry = {"account": "", "token": "", "address": "", "action": "restore", "object": "/", "outcome": "done"}
    connection.execute(insert(AuditEntry).values(at=now, count=1, **entry))


def revoke_tokens(connection: Connection, *, now: float, but_named: str) -> int:
    """Revoke the tokens of users and services but those of a name, and return how many.

    Nodes keep theirs: each would have to be let in anew. What was made from an ID token has its rule's name,
    whatever that is, and is revoked.
    """
    are_nodes = select(Account.name).where(Account.kind == AccountKind.NODE)
    lets_in = (Token.revoked_at.is_(None), or_(Token.expires_at.is_(None), Token.expires_at > now))
    is_other = or_(Token.name != but_named, Token.rule.is_not(None))
    of_others = (is_other, Token.account.not_in(are_nodes))
    return connection.execute(update(Token).where(*lets_in, *of_others).values(revoked_at=now)).rowcount


def _jump_numbers_of_events(connection: Connection) -> None:
    number = connection.scalars(select(func.coalesce(func.max(PoolEvent.number), 0))).one() + JUMP
    if connection.dialect.name == "postgresql":
        sequence = text("SELECT setval(pg_get_serial_sequence('events', 'number'), :number)")
        connection.execute(sequence, {"number": number})
        return
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'events'"))
    sequence = text("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', :number)")
    connection.execute(sequence, {"number": number})
