"""The store on SQLite: one file, or memory alone."""

from __future__ import annotations

import functools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from accelpool_broker.news import News
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.store.migrate import migrate
from accelpool_broker.store.transactions import transaction

BUSY_TIMEOUT_MS = 5000
POOL_SIZE = 8
WAIT_S = 30.0


class SqliteStore:
    """The store of one broker.

    Writers of this process take turns on a lock, which is cheaper than SQLite's own waiting; other processes
    are kept out by BEGIN IMMEDIATE.
    """

    is_shared = False

    def __init__(self, path: Path | None) -> None:
        self._engine = sqlite_engine(path)
        self._writer = threading.Lock()
        # In memory there is one connection, which readers and writers share.
        self._reader = self._writer if path is None else None
        self._immediate = self._engine.execution_options(immediate=True)
        if path is None:
            _load(self._engine, _newest_form())
        else:
            migrate(self._engine)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Return a transaction that only reads."""
        with self._reader or nullcontext(), transaction(self._engine) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Return a transaction that commits at the end of its block, or rolls back on any exception."""
        with self._writer, transaction(self._immediate) as tx:
            tx.begin_to_write()
            yield tx

    def subscribe(self, hear: Callable[[News], None]) -> None:
        """Do nothing: there is no other broker."""

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def sqlite_engine(path: Path | None) -> Engine:
    """Return connections to a file, or to memory alone."""
    if path is None:
        engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )  # fmt: skip
    else:
        engine = create_engine(
            f"sqlite:///{path}",
            pool_size=POOL_SIZE,  # more at once would only get in each other's way
            max_overflow=0,
            pool_timeout=WAIT_S,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


@functools.cache
def _newest_form() -> bytes:
    """Return an empty database's bytes: each in memory is new, but only the first has to be migrated."""
    engine = sqlite_engine(None)
    migrate(engine)
    connection = engine.raw_connection()
    try:
        return cast(sqlite3.Connection, connection.driver_connection).serialize()
    finally:
        connection.close()
        engine.dispose()


def _load(engine: Engine, database: bytes) -> None:
    connection = engine.raw_connection()
    try:
        cast(sqlite3.Connection, connection.driver_connection).deserialize(database)
    finally:
        connection.close()


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin says, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Any) -> None:
    is_immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_immediate else "BEGIN")
