"""The database's URL: which store it names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError

from accelpool_broker.store.protocol import Store
from accelpool_broker.store.sqlite import SqliteStore, sqlite_engine
from accelpool_wire.errors import AccelpoolError

DATABASE_URL = "ACCELPOOL_DATABASE_URL"
FORMS = "postgresql://USER:PASSWORD@HOST:PORT/NAME or sqlite:///PATH"
POSTGRES = "postgresql"
SQLITE = "sqlite"


class DatabaseUrlError(AccelpoolError):
    """The database's URL is of no form that the broker knows."""


def database_url(given: str | None, variables: Mapping[str, str]) -> str | None:
    """Return the URL that an option gives, else the process's environment; None if there is none."""
    return given or variables.get(DATABASE_URL) or None


def open_store(url: str | None, default: Path | None) -> Store:
    """Return the store that a URL names.

    Args:
        url: The URL, or None.
        default: The file of the SQLite database without a URL; None is in memory alone.

    Raises:
        DatabaseUrlError: The URL is of another form than those of `FORMS`.
        Unavailable: The database cannot be opened.
    """
    place = default if url is None else _parse(url)
    if isinstance(place, URL):
        from accelpool_broker.store.postgres import PostgresStore  # its driver is slow to load

        return PostgresStore(place)
    return SqliteStore(place)


def open_engine(url: str | None, default: Path) -> Engine:
    """Return connections to the database that a URL names, as it is: its tables are not touched.

    Args:
        url: The URL, or None.
        default: The file of the SQLite database without a URL.

    Raises:
        DatabaseUrlError: The URL is of another form than those of `FORMS`.
    """
    place = default if url is None else _parse(url)
    if isinstance(place, URL):
        from accelpool_broker.store.postgres import postgres_engine

        return postgres_engine(place)
    return sqlite_engine(place)


def _parse(url: str) -> URL | Path:
    """Return the PostgreSQL database that a URL names, with the driver's name, or the file for SQLite."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Without the URL and what is said of it: there may be a password in it.
        raise DatabaseUrlError(f"the database's URL is none, expected {FORMS}") from None
    if parsed.drivername == POSTGRES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != SQLITE:
        raise DatabaseUrlError(f"the database's URL begins with {parsed.drivername}://, expected {FORMS}")
    if not parsed.database:
        raise DatabaseUrlError(f"the database's URL names no file, expected {FORMS}")
    return Path(parsed.database)
