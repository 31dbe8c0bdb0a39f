"""Parts of devices that cannot be over-committed, alternatives, tenants, notices, cordons and drains."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

WHOLE = 1_000_000

CHECKED = (
    "ALTER TABLE devices ADD COLUMN used_memory_bytes BIGINT NOT NULL DEFAULT 0"
    " CHECK (used_memory_bytes >= 0 AND used_memory_bytes <= memory_bytes)",
    "ALTER TABLE devices ADD COLUMN used_compute_ppm INTEGER NOT NULL DEFAULT 0"
    f" CHECK (used_compute_ppm >= 0 AND used_compute_ppm <= {WHOLE})",
)
USED = (
    "UPDATE devices SET"
    " used_memory_bytes = (SELECT coalesce(sum(memory_bytes), 0) FROM shares"
    " WHERE device_id = devices.id AND is_active),"
    " used_compute_ppm = (SELECT coalesce(sum(compute_ppm), 0) FROM shares"
    " WHERE device_id = devices.id AND is_active)"
)
TAKE = (
    "UPDATE devices SET used_memory_bytes = used_memory_bytes + NEW.memory_bytes,"
    " used_compute_ppm = used_compute_ppm + NEW.compute_ppm WHERE id = NEW.device_id;"
)
GIVE = (
    "UPDATE devices SET used_memory_bytes = used_memory_bytes - OLD.memory_bytes,"
    " used_compute_ppm = used_compute_ppm - OLD.compute_ppm WHERE id = OLD.device_id;"
)
SQLITE_TRIGGERS = (
    f"CREATE TRIGGER shares_taken AFTER INSERT ON shares WHEN NEW.is_active BEGIN {TAKE} END",
    f"CREATE TRIGGER shares_given AFTER DELETE ON shares WHEN OLD.is_active BEGIN {GIVE} END",
    "CREATE TRIGGER shares_changed_give AFTER UPDATE ON shares WHEN OLD.is_active AND NOT NEW.is_active"
    f" BEGIN {GIVE} END",
    "CREATE TRIGGER shares_changed_take AFTER UPDATE ON shares WHEN NEW.is_active AND NOT OLD.is_active"
    f" BEGIN {TAKE} END",
    "CREATE TRIGGER shares_changed_both AFTER UPDATE ON shares WHEN NEW.is_active AND OLD.is_active"
    f" BEGIN {GIVE} {TAKE} END",
)
POSTGRESQL_TRIGGERS = (
    "CREATE FUNCTION count_shares() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" IF TG_OP <> 'INSERT' AND OLD.is_active THEN {GIVE} END IF;"
    f" IF TG_OP <> 'DELETE' AND NEW.is_active THEN {TAKE} END IF;"
    " RETURN NULL; END $$",
    "CREATE TRIGGER shares_counted AFTER INSERT OR UPDATE OR DELETE ON shares"
    " FOR EACH ROW EXECUTE FUNCTION count_shares()",
)


def _new_of_nodes() -> list[sa.Column[Any]]:
    return [
        sa.Column("labels", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("taints", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("is_cordoned", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("drain_at", sa.Double(), nullable=True),
    ]


def _new_of_leases() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant", sa.String(length=255), nullable=False, server_default="default"),
        sa.Column("priority", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("is_preemptible", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("alternatives", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("alternative", sa.Integer(), nullable=True),
        sa.Column("is_backfill", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("max_duration_s", sa.Double(), nullable=True),
        sa.Column("charged_at", sa.Double(), nullable=True),
        sa.Column("ends_at", sa.Double(), nullable=True),
        sa.Column("notice_why", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("notice_reason", sa.String(), nullable=False, server_default=""),
        sa.Column("revoke_at", sa.Double(), nullable=True),
        sa.Column("idle_since", sa.Double(), nullable=True),
    ]


def _old_of_leases() -> list[sa.Column[Any]]:
    return [
        sa.Column("kind", sa.String(length=16), nullable=False, server_default="any"),
        sa.Column("count", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("devices", sa.JSON(), nullable=False, server_default="[]"),
    ]


def upgrade() -> None:
    """Add tables, columns, checks and triggers; say in the new terms what old leases asked for."""
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("max_priority", sa.Integer(), nullable=True),
        sa.Column("quota_devices", sa.Double(), nullable=True),
        sa.Column("quota_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("quota_device_hours", sa.Double(), nullable=True),
        sa.Column("idle_after_s", sa.Double(), nullable=True),
        sa.Column("used_device_s", sa.Double(), nullable=False),
        sa.Column("spent_device_s", sa.Double(), nullable=False),
        sa.Column("used_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute("INSERT INTO counters (name, value) VALUES ('devices', 0)")
    for column in _new_of_nodes():
        op.add_column("nodes", column)
    for column in _new_of_leases():
        op.add_column("leases", column)
    _convert_leases()
    for column in _old_of_leases():
        op.drop_column("leases", column.name)
    op.drop_index("one_active_share_per_device", table_name="shares")
    op.create_index("shares_by_device", "shares", ["device_id", "is_active"])
    op.add_column("shares", sa.Column("compute_ppm", sa.Integer(), nullable=False, server_default=str(WHOLE)))
    op.drop_column("shares", "compute")
    for statement in CHECKED:
        op.execute(statement)
    op.execute(USED)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in SQLITE_TRIGGERS if is_sqlite else POSTGRESQL_TRIGGERS:
        op.execute(statement)


def _convert_leases() -> None:
    leases = sa.table(
        "leases",
        *(sa.column(column.name, column.type) for column in _old_of_leases()),
        sa.column("number", sa.Integer()),
        sa.column("alternatives", sa.JSON()),
        sa.column("charged_at", sa.Double()),
        sa.column("granted_at", sa.Double()),
    )
    bind = op.get_bind()
    for row in bind.execute(sa.select(leases)).mappings().all():
        demand = {
            "kind": row["kind"],
            "count": row["count"],
            "device": row["device"],
            "devices": row["devices"] if isinstance(row["devices"], list) else json.loads(row["devices"]),
            **(
                {}
                if row["memory_bytes"] is None
                else {"memory_bytes": row["memory_bytes"], "is_exclusive": True}
            ),
        }
        bind.execute(
            sa.update(leases)
            .where(leases.c.number == row["number"])
            .values(alternatives=[demand], charged_at=row["granted_at"])
        )


def downgrade() -> None:
    """Drop what was added; leases of parts of devices are forgotten."""
    if op.get_bind().dialect.name == "sqlite":
        for statement in SQLITE_TRIGGERS:
            op.execute(f"DROP TRIGGER {statement.split()[2]}")
    else:
        op.execute("DROP TRIGGER shares_counted ON shares")
        op.execute("DROP FUNCTION count_shares")
    shares = sa.table("shares", sa.column("compute_ppm", sa.Integer()))
    op.execute(sa.delete(shares).where(shares.c.compute_ppm < WHOLE))
    op.drop_column("devices", "used_memory_bytes")
    op.drop_column("devices", "used_compute_ppm")
    op.add_column("shares", sa.Column("compute", sa.Double(), nullable=False, server_default="1"))
    op.drop_column("shares", "compute_ppm")
    op.drop_index("shares_by_device", table_name="shares")
    op.create_index(
        "one_active_share_per_device",
        "shares",
        ["device_id"],
        unique=True,
        sqlite_where=sa.text("is_active = 1"),
        postgresql_where=sa.text("is_active"),
    )
    for column in _old_of_leases():
        op.add_column("leases", column)
    for column in _new_of_leases():
        op.drop_column("leases", column.name)
    for column in _new_of_nodes():
        op.drop_column("nodes", column.name)
    op.drop_table("counters")
    op.drop_table("tenants")
