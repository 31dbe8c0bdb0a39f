"""Trust rules: who else vouches for callers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables; no token so far was made by a rule."""
    op.create_table(
        "trust_rules",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("audience", sa.String(length=255), nullable=False),
        sa.Column("claims", sa.JSON(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=True),
        sa.Column("role", sa.String(length=16), nullable=True),
        sa.Column("tenants", sa.JSON(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("lifetime_s", sa.Double(), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=True),
        sa.Column("login_scope", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("trust_rules_by_issuer", "trust_rules", ["issuer"])
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=128), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.name"]),
        sa.PrimaryKeyConstraint("issuer", "subject"),
        sa.UniqueConstraint("account"),
    )
    op.create_table(
        "used_id_tokens",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("used_id_tokens_by_end", "used_id_tokens", ["expires_at"])
    op.add_column("tokens", sa.Column("rule", sa.String(length=32), nullable=True))


def downgrade() -> None:
    """Drop the tables. Accounts stay; tokens that a rule has made go, as nobody could end them all."""
    tokens = sa.table("tokens", sa.column("rule", sa.String()))
    op.execute(sa.delete(tokens).where(tokens.c.rule.is_not(None)))
    op.drop_column("tokens", "rule")
    op.drop_table("used_id_tokens")
    op.drop_table("identities")
    op.drop_table("trust_rules")
