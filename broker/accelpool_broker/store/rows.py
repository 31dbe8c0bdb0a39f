"""All rows of a database, whatever its tables: out of it at one moment, and into an empty one.

Tables are read as the database itself describes them, so a database of an earlier version has its rows read,
too, and one kind of database takes what the other had.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, Table

from accelpool_broker.store.migrate import config
from accelpool_wire.errors import Conflict, Invalid

Row = tuple[str, dict[str, Any]]

SIGNING_KEYS = "signing_keys"
NOT_ROWS = ("alembic_version", SIGNING_KEYS)  # what a backup tells by other means
COUNTED = ("used_memory_bytes", "used_compute_ppm")  # of devices: triggers count the shares again
SECRETS = {"webhooks": {"secret": ""}}  # what whoever has a backup could sign with
AT_ONCE = 500
ALSO: dict[type, tuple[type, ...]] = {float: (float, int)}  # what JSON has for a kind besides itself
MOST = 1 << 63


@contextmanager
def one_moment(engine: Engine) -> Iterator[Connection]:
    """Give a connection that sees one moment of the database, however long it reads."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
        yield connection


@contextmanager
def alone(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose changes are all made at the end of the block, or none, without a broker near.

    Raises:
        Conflict: Brokers have the database open.
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            from accelpool_broker.store.postgres import ALONE, APPLICATION

            for statement in (*ALONE, "SET LOCAL statement_timeout = 0"):
                connection.exec_driver_sql(statement)
            brokers = connection.scalar(
                sa.text(
                    "SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE application_name = :name"
                    " AND datname = current_database() AND pid <> pg_backend_pid()"
                ),
                {"name": APPLICATION},
            )
            if brokers:
                raise Conflict(f"brokers have the database open, by {brokers} connections: stop them first")
        yield connection


def revision_of(connection: Connection) -> str | None:
    """Return the version of the database's tables; None if it has none of ours."""
    return MigrationContext.configure(connection).get_current_revision()


def read_rows(connection: Connection, *, has_secrets: bool = True) -> Iterator[Row]:
    """Return all rows with their tables' names, those first that others refer to.

    Args:
        connection: On the database.
        has_secrets: Whether what webhooks are signed with is told, not left empty.
    """
    for table in _tables(connection):
        skipped = COUNTED if table.name == "devices" else ()
        columns = [column for column in table.columns if column.name not in skipped]
        query = sa.select(*columns).order_by(*table.primary_key.columns)
        for row in connection.execution_options(yield_per=AT_ONCE).execute(query).mappings():
            blank = {} if has_secrets else SECRETS.get(table.name, {})
            yield str(table.name), {str(name): value for name, value in row.items()} | blank


def write_rows(connection: Connection, revision: str, rows: Iterable[Row]) -> int:
    """Make the tables of a version in an empty database, fill them, and bring them to the newest form.

    Returns:
        How many rows there were.

    Raises:
        Invalid: The version is not known here, or a row is of a table that it does not have.
    """
    try:
        command.upgrade(config(connection), revision)
    except CommandError as error:
        raise Invalid(f"version {revision} of the database is not known here: {error}") from error
    tables = {table.name: table for table in _tables(connection)}
    for table in reversed(tables.values()):
        connection.execute(sa.delete(table))  # migrations begin some with a row
    count = 0
    for name, of_table in groupby(rows, key=lambda row: row[0]):
        if name not in tables:
            raise Invalid(f"version {revision} of the database has no table {name}")
        while batch := [_read(tables[name], row) for _, row in islice(of_table, AT_ONCE)]:
            connection.execute(sa.insert(tables[name]), batch)
            count += len(batch)
    if connection.dialect.name == "postgresql":
        for table in tables.values():
            _number_on(connection, table)
    command.upgrade(config(connection), "head")
    return count


def is_empty(connection: Connection) -> bool:
    """Whether there is no table in the database."""
    return not sa.inspect(connection).get_table_names()


def empty(connection: Connection) -> None:
    """Remove the broker's tables with all that is in them.

    Raises:
        Conflict: They are none of a broker, or of a newer version than this.
    """
    if revision_of(connection) is None:
        raise Conflict("the database has tables, and not a broker's: give an empty one")
    for table in reversed(_tables(connection, but=NOT_ROWS[:1])):
        connection.execute(sa.delete(table))
    try:
        command.downgrade(config(connection), "base")
    except CommandError as error:
        raise Conflict(f"the database is of a newer version than this: {error}") from error
    connection.exec_driver_sql("DROP TABLE alembic_version")


def _tables(connection: Connection, but: tuple[str, ...] = NOT_ROWS) -> list[Table]:
    found = MetaData()
    found.reflect(connection, only=lambda name, _: name not in but)
    for table in found.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, sa.JSON) and column.nullable:
                column.type = sa.JSON(none_as_null=True)
    return found.sorted_tables


def _read(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as its table takes it: bytes are text in a backup.

    Raises:
        Invalid: A column is not there, or its value is of another kind.
    """
    if unknown := row.keys() - table.columns.keys():
        raise Invalid(f"table {table.name} has no column {', '.join(sorted(unknown))}")
    return {name: _value(table.columns[name], value) for name, value in row.items()}


def _value(column: sa.Column[Any], value: Any) -> Any:
    """Return a value as its column takes it: of its kind, which SQLite itself does not ask for."""
    if value is None or isinstance(column.type, sa.JSON):
        return value
    kind = column.type.python_type
    try:
        if kind is bytes:
            return base64.b64decode(value, validate=True)
        if type(value) not in ALSO.get(kind, (kind,)) or (kind is int and not -MOST <= value < MOST):
            raise TypeError(f"{type(value).__name__}, expected {kind.__name__} of at most 64 bits")
        return float(value) if kind is float else value
    except (ValueError, TypeError, OverflowError) as error:
        raise Invalid(f"{column.table.name}.{column.name} is not what it should be: {error}") from error


def _number_on(connection: Connection, table: Table) -> None:
    """Have a table of PostgreSQL count on from its highest number: rows came with theirs."""
    for column in table.primary_key.columns:
        sequence = connection.scalar(
            sa.text("SELECT pg_get_serial_sequence(:table, :column)"),
            {"table": table.name, "column": column.name},
        )
        highest = sequence and connection.scalar(sa.select(sa.func.max(column)))
        if highest is not None:
            connection.execute(
                sa.text("SELECT setval(:sequence, :highest)"), {"sequence": sequence, "highest": highest}
            )
