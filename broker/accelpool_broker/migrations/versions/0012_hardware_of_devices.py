"""Hardware of devices: what is had of one face is taken of all faces of its hardware."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

# The devices of which a share is taken, row being NEW or OLD: of all faces, or as it was before.
OF_FACES = "hardware = (SELECT hardware FROM devices WHERE id = {row}.device_id)"
OF_ITSELF = "id = {row}.device_id"
ADD = (
    "UPDATE devices SET used_memory_bytes = used_memory_bytes {sign} {row}.memory_bytes,"
    " used_compute_ppm = used_compute_ppm {sign} {row}.compute_ppm WHERE {which};"
)
COUNT = (
    "UPDATE devices SET"
    " used_memory_bytes = (SELECT coalesce(sum(shares.memory_bytes), 0) FROM shares"
    " JOIN devices AS faces ON faces.id = shares.device_id"
    " WHERE shares.is_active AND faces.hardware = devices.hardware),"
    " used_compute_ppm = (SELECT coalesce(sum(shares.compute_ppm), 0) FROM shares"
    " JOIN devices AS faces ON faces.id = shares.device_id"
    " WHERE shares.is_active AND faces.hardware = devices.hardware)"
    " WHERE hardware ="
)
FACES_ON_SQLITE = (
    f"CREATE TRIGGER devices_face_added AFTER INSERT ON devices BEGIN {COUNT} NEW.hardware; END",
    "CREATE TRIGGER devices_face_changed AFTER UPDATE OF hardware ON devices"
    f" BEGIN {COUNT} OLD.hardware; {COUNT} NEW.hardware; END",
)
FACES_ON_POSTGRESQL = (
    "CREATE FUNCTION count_faces() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    f" IF TG_OP = 'UPDATE' THEN {COUNT} OLD.hardware; END IF;"
    f" {COUNT} NEW.hardware;"
    " RETURN NULL; END $$",
    "CREATE TRIGGER faces_counted AFTER INSERT OR UPDATE OF hardware ON devices"
    " FOR EACH ROW EXECUTE FUNCTION count_faces()",
)


def upgrade() -> None:
    """Add the column, and let the triggers count by it: each device so far is the only face of its own."""
    op.add_column("devices", sa.Column("hardware", sa.String(length=160), nullable=False, server_default=""))
    op.execute("UPDATE devices SET hardware = id")
    op.create_index("devices_by_hardware", "devices", ["hardware"])
    _count_shares(OF_FACES)
    for statement in FACES_ON_SQLITE if _is_sqlite() else FACES_ON_POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    """Count for each device what is had of itself alone, and forget which are the same hardware."""
    op.execute("UPDATE devices SET hardware = id")
    _count_shares(OF_ITSELF)
    if _is_sqlite():
        op.execute("DROP TRIGGER devices_face_added")
        op.execute("DROP TRIGGER devices_face_changed")
    else:
        op.execute("DROP TRIGGER faces_counted ON devices")
        op.execute("DROP FUNCTION count_faces")
    op.drop_index("devices_by_hardware", table_name="devices")
    op.drop_column("devices", "hardware")


def _count_shares(which: str) -> None:
    """Have the triggers on shares count them for these devices."""
    take = ADD.format(sign="+", row="NEW", which=which.format(row="NEW"))
    give = ADD.format(sign="-", row="OLD", which=which.format(row="OLD"))
    if not _is_sqlite():
        op.execute(
            "CREATE OR REPLACE FUNCTION count_shares() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF TG_OP <> 'INSERT' AND OLD.is_active THEN {give} END IF;"
            f" IF TG_OP <> 'DELETE' AND NEW.is_active THEN {take} END IF;"
            " RETURN NULL; END $$"
        )
        return
    for name, event, condition, done in (
        ("shares_taken", "INSERT", "NEW.is_active", take),
        ("shares_given", "DELETE", "OLD.is_active", give),
        ("shares_changed_give", "UPDATE", "OLD.is_active AND NOT NEW.is_active", give),
        ("shares_changed_take", "UPDATE", "NEW.is_active AND NOT OLD.is_active", take),
        ("shares_changed_both", "UPDATE", "NEW.is_active AND OLD.is_active", f"{give} {take}"),
    ):
        op.execute(f"DROP TRIGGER {name}")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON shares WHEN {condition} BEGIN {done} END")


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
