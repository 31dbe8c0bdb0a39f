"""The counter of changed devices counts all transactions that write."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

COUNTERS = sa.table("counters", sa.column("name", sa.String()))


def upgrade() -> None:
    """Give the counter its new name: a broker that does not count every write must not share the database."""
    _rename("devices", "writes")


def downgrade() -> None:
    """Give the counter its old name."""
    _rename("writes", "devices")


def _rename(old: str, new: str) -> None:
    op.execute(sa.update(COUNTERS).where(COUNTERS.c.name == old).values(name=new))
