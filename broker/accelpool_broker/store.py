"""The broker's memory: the one module, with `store_queries`, that knows SQL.

A `Store` gives transactions. `write()` transactions exclude each other and are all or nothing; `read()` ones
see one moment of the database. Failures of the database itself become `Unavailable`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from accelpool_broker.store_queries import Transaction
from accelpool_wire.errors import Conflict, Unavailable

BUSY_TIMEOUT_MS = 5000
POOL_SIZE = 16


class Store(Protocol):
    """Where the pool's state is kept."""

    def read(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that only reads."""
        ...

    def write(self) -> AbstractContextManager[Transaction]:
        """Return a transaction that commits at the end of its block, or rolls back on any exception."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...


class SqliteStore:
    """The store on SQLite: one file, or memory alone.

    Writers of this process take turns on a lock, which is cheaper than SQLite's own waiting; other processes
    are kept out by BEGIN IMMEDIATE.
    """

    def __init__(self, path: Path | None) -> None:
        self._engine = _engine(path)
        self._writer = threading.Lock()
        # In memory there is one connection, which readers and writers share.
        self._reader = self._writer if path is None else None
        self._immediate = self._engine.execution_options(immediate=True)
        migrate(self._engine)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Return a transaction that only reads."""
        if self._reader is not None:
            with self._reader, self._transaction(self._engine) as transaction:
                yield transaction
        else:
            with self._transaction(self._engine) as transaction:
                yield transaction

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Return a transaction that commits at the end of its block, or rolls back on any exception."""
        with self._writer, self._transaction(self._immediate) as transaction:
            yield transaction

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Transaction]:
        try:
            with Session(engine, expire_on_commit=False) as session, session.begin():
                yield Transaction(session)
        except IntegrityError as error:
            raise Conflict(f"the database refused the change: {error.orig}") from error
        except OperationalError as error:
            raise Unavailable(f"the broker's database does not answer: {error.orig}") from error


def _engine(path: Path | None) -> Engine:
    if path is None:
        engine = create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )  # fmt: skip
    else:
        engine = create_engine(
            f"sqlite:///{path}",
            pool_size=POOL_SIZE,
            max_overflow=-1,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000},
        )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _configure(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin where _begin says, not where the driver guesses
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: Any) -> None:
    is_immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_immediate else "BEGIN")


def migrate(engine: Engine) -> None:
    """Bring the database's tables to the newest form.

    Raises:
        Unavailable: The database cannot be opened or changed.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DatabaseError as error:
        raise Unavailable(f"the broker's database cannot be opened: {error.orig}") from error
