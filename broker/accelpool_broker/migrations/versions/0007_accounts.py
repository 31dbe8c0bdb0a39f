"""Accounts, and tokens that belong to them; a lease keeps its account."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

ADMIN, NODES = "admin", "nodes"
OF_SCOPE = {"admin": ADMIN, "node": NODES}
FROM_FILE = "tokens.json"

OLD_TOKENS = sa.table(
    "tokens",
    sa.column("sha256", sa.String()),
    sa.column("scope", sa.String()),
    sa.column("created_at", sa.Double()),
)
ACCOUNTS = sa.table(
    "accounts",
    sa.column("name", sa.String()),
    sa.column("kind", sa.String()),
    sa.column("role", sa.String()),
    sa.column("tenants", sa.JSON()),
    sa.column("is_disabled", sa.Boolean()),
    sa.column("created_at", sa.Double()),
)
TOKENS = sa.table(
    "tokens",
    sa.column("id", sa.String()),
    sa.column("sha256", sa.String()),
    sa.column("account", sa.String()),
    sa.column("name", sa.String()),
    sa.column("scopes", sa.JSON()),
    sa.column("created_at", sa.Double()),
    sa.column("expires_at", sa.Double()),
    sa.column("revoked_at", sa.Double()),
)
LEASES = sa.table("leases", sa.column("number", sa.Integer()), sa.column("idempotency_key", sa.String()))


def upgrade() -> None:
    """Give each token an account: the one that was everybody's is the first admin's now."""
    bind = op.get_bind()
    old = [dict(row) for row in bind.execute(sa.select(OLD_TOKENS)).mappings()]
    op.drop_table("tokens")
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("tenants", sa.JSON(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tokens",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("replaced_by", sa.String(length=32), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    _convert_tokens(bind, old)
    op.add_column("leases", sa.Column("account", sa.String(length=128), nullable=False, server_default=ADMIN))
    for row in bind.execute(sa.select(LEASES).where(LEASES.c.idempotency_key.is_not(None))).all():
        _set_key(bind, row.number, scoped_key(ADMIN, row.idempotency_key))


def _convert_tokens(bind: sa.Connection, old: list[dict[str, Any]]) -> None:
    for scope, account in OF_SCOPE.items():
        tokens = [row for row in old if row["scope"] == scope]
        if not tokens:
            continue
        created_at = min(row["created_at"] for row in tokens)
        bind.execute(
            sa.insert(ACCOUNTS).values(
                name=account,
                kind="user" if scope == "admin" else "node",
                role=scope,
                tenants=[],
                is_disabled=False,
                created_at=created_at,
            )
        )
        for row in tokens:
            bind.execute(
                sa.insert(TOKENS).values(
                    id=f"tok_{secrets.token_urlsafe(12)}",
                    sha256=row["sha256"],
                    account=account,
                    name=FROM_FILE,
                    scopes=["*"],
                    created_at=row["created_at"],
                )
            )


def scoped_key(account: str, key: str) -> str:
    """Return the hash under which an account's idempotency key is kept; a copy of `services.leases`'."""
    return hashlib.sha256(f"{account}\n{key}".encode()).hexdigest()


def _set_key(bind: sa.Connection, number: int, key: str | None) -> None:
    bind.execute(sa.update(LEASES).where(LEASES.c.number == number).values(idempotency_key=key))


def downgrade() -> None:
    """Keep the tokens of admins that let anybody in, and the nodes'; keys of requests are forgotten."""
    bind = op.get_bind()
    joined = sa.select(TOKENS, ACCOUNTS.c.role).join(ACCOUNTS, ACCOUNTS.c.name == TOKENS.c.account)
    kept = [
        dict(row)
        for row in bind.execute(
            joined.where(
                ACCOUNTS.c.role.in_(list(OF_SCOPE)),
                ~ACCOUNTS.c.is_disabled,
                TOKENS.c.revoked_at.is_(None),
                TOKENS.c.expires_at.is_(None),
            )
        ).mappings()
        if row["scopes"] == ["*"]
    ]
    op.drop_table("tokens")
    op.drop_table("accounts")
    op.create_table(
        "tokens",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    for row in kept:
        bind.execute(
            sa.insert(OLD_TOKENS).values(
                sha256=row["sha256"], scope=row["role"], created_at=row["created_at"]
            )
        )
    op.drop_column("leases", "account")
    bind.execute(sa.update(LEASES).values(idempotency_key=None))
