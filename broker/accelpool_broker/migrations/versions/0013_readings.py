"""What devices measure, as their nodes told it last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column; no node so far has told anything."""
    op.add_column("nodes", sa.Column("readings", sa.JSON, nullable=False, server_default="{}"))


def downgrade() -> None:
    """Drop the column; the next report tells it again."""
    op.drop_column("nodes", "readings")
