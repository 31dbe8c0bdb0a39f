"""What happened in the pool, and what tenants used hour by hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the tables; nothing is told of the time before."""
    op.create_table(
        "events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("lease", sa.String(length=32), nullable=True),
        sa.Column("tenant", sa.String(length=255), nullable=True),
        sa.Column("account", sa.String(length=128), nullable=True),
        sa.Column("node", sa.String(length=64), nullable=True),
        sa.Column("device", sa.String(length=32), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("until", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_lease", "events", ["lease", "number"])
    op.create_index("events_by_node", "events", ["node", "number"])
    op.create_table(
        "tenant_usage",
        sa.Column("tenant", sa.String(length=255), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("device_s", sa.Double(), nullable=False),
        sa.Column("byte_s", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "hour"),
    )
    op.create_index("tenant_usage_by_hour", "tenant_usage", ["hour"])


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("tenant_usage")
    op.drop_table("events")
