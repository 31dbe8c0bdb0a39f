"""The certificate by which a node's data plane is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; no node so far has said that it does TLS."""
    op.add_column("nodes", sa.Column("certificate_sha256", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    """Drop the column; nodes that do TLS refuse clients that come without."""
    op.drop_column("nodes", "certificate_sha256")
