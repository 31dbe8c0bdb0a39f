"""What is loaded on a device, and leases of several chosen devices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("devices", sa.Column("loaded_sha256", sa.String(length=64), nullable=True))
    op.add_column("devices", sa.Column("loaded_at", sa.Double(), nullable=True))
    op.add_column("leases", sa.Column("devices", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("leases", "devices")
    op.drop_column("devices", "loaded_at")
    op.drop_column("devices", "loaded_sha256")
