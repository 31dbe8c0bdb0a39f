"""Events by their tenant: whose are few among many are found without reading the others'."""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the index."""
    op.create_index("events_by_tenant", "events", ["tenant", "number"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("events_by_tenant", "events")
