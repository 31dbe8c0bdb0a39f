"""The store on PostgreSQL, which any number of brokers share."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import URL, Engine, create_engine

from accelpool_broker.news import NOTHING, News, encode
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.store.listener import CHANNEL, Listener
from accelpool_broker.store.migrate import migrate
from accelpool_broker.store.transactions import transaction
from accelpool_wire.errors import Unavailable

APPLICATION = "accelpool broker"
POOL_SIZE = 16
WAIT_S = 5.0  # for the turn to write
CONNECTION_WAIT_S = 15.0
MIGRATING = 0x61_63_63_65_6C_70_6F_6F  # the advisory lock of who changes the tables: "accelpoo"

SESSION = {
    "lock_timeout": "5s",
    "statement_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",  # a broker that hangs must not keep the others from writing
}
# A server whose machine is gone without a word is given up after about 15 s.
LINK = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
# First in a transaction that changes the tables themselves: others may be about it, and it may take long.
ALONE = (
    "SET LOCAL lock_timeout = '60s'",
    "SET LOCAL statement_timeout = '600s'",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
    f"SELECT pg_advisory_xact_lock({MIGRATING})",
)


class PostgresStore:
    """The store of several brokers.

    Writers exclude each other over all brokers by the row that counts them, whose lock falls with its
    connection. They read what is committed, so that who waited for the lock sees what the one before it has
    written: a snapshot would be taken before the wait. Readers have a snapshot and no lock.

    Args:
        url: The database, with the driver's name.

    Raises:
        Unavailable: The database cannot be opened.
    """

    is_shared = True

    def __init__(self, url: URL) -> None:
        self._engine = postgres_engine(url)
        self._writers = self._engine.execution_options(isolation_level="READ COMMITTED")
        self._readers = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._turn = threading.Lock()
        self._name = secrets.token_urlsafe(9)
        self._listener: Listener | None = None
        migrate(self._engine, *ALONE)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Return a transaction that only reads."""
        with transaction(self._readers) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Return a transaction that commits at the end of its block, or rolls back on any exception."""
        with self._in_turn(), transaction(self._writers) as tx:
            tx.begin_to_write()
            yield tx
            if tx.news != NOTHING:
                tx.notify(CHANNEL, encode(tx.news, self._name))

    def subscribe(self, hear: Callable[[News], None]) -> None:
        """Call back in another thread, until the store is closed, with what other brokers publish."""
        assert self._listener is None, "one subscriber is enough"
        self._listener = Listener(self._connect, hear, but_from=self._name)
        self._listener.start()

    def close(self) -> None:
        """Let go of the database."""
        if self._listener is not None:
            self._listener.stop()
        self._engine.dispose()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let this process's writers wait here: so one connection of it waits for the lock, at most."""
        if not self._turn.acquire(timeout=WAIT_S):
            raise Unavailable("the broker's database is slow: others wait to write")
        try:
            yield
        finally:
            self._turn.release()

    def _connect(self) -> psycopg.Connection[Any]:
        _, arguments = self._engine.dialect.create_connect_args(self._engine.url)
        return psycopg.connect(**{**arguments, **_connect_args(self._engine.url), "autocommit": True})


def postgres_engine(url: URL) -> Engine:
    """Return connections to a server, given with the driver's name."""
    return create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=CONNECTION_WAIT_S,
        pool_pre_ping=True,
        connect_args=_connect_args(url),
    )


def _connect_args(url: URL) -> dict[str, Any]:
    """Return the driver's arguments; what the URL says of the same goes first."""
    options = " ".join(f"-c {name}={value}" for name, value in SESSION.items())
    own = {"application_name": APPLICATION, **LINK}
    made: dict[str, Any] = {name: value for name, value in own.items() if name not in url.query}
    return {**made, "options": f"{options} {url.query.get('options', '')}".strip()}
