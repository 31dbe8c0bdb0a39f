"""The key that signs lease tokens, for brokers that share the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make its table."""
    op.create_table(
        "signing_keys",
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("pem", sa.String(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("purpose"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("signing_keys")
