"""Leases that begin later, and what is reserved for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns; no lease so far begins later."""
    op.add_column("leases", sa.Column("starts_at", sa.Double(), nullable=True))
    op.add_column("leases", sa.Column("reserved", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Drop the columns; requests that have not begun are forgotten: before their time nothing holds them."""
    leases = sa.table("leases", sa.column("state", sa.String()), sa.column("starts_at", sa.Double()))
    op.execute(sa.delete(leases).where(leases.c.state == "queued", leases.c.starts_at.is_not(None)))
    op.drop_column("leases", "reserved")
    op.drop_column("leases", "starts_at")
