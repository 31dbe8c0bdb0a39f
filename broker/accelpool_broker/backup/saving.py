"""A broker's state, into a backup."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Connection, Engine, select

from accelpool_broker import state_dir
from accelpool_broker.backup.archive import Header, write
from accelpool_broker.models import SigningKey
from accelpool_broker.queries.errors import translated
from accelpool_broker.store.rows import one_moment, read_rows, revision_of
from accelpool_wire.errors import NotFound
from accelpool_wire.version import __version__


def save(engine: Engine, directory: Path, stream: BinaryIO, *, now: float, has_key: bool) -> int:
    """Write a backup of the database at one moment; brokers may run, and are not held up.

    Args:
        engine: The database.
        directory: The broker's state directory.
        stream: The file.
        now: Seconds since the Unix epoch.
        has_key: Whether the signing key, the tokens of the file and the webhooks' secrets are part of it.

    Returns:
        How many rows it has.

    Raises:
        NotFound: No broker has ever used the database.
        Unavailable: The database does not answer.
    """
    with translated(), one_moment(engine) as connection:
        revision = revision_of(connection)
        if revision is None:
            raise NotFound("the database has nothing in it that a broker has written")
        header = Header(
            made_at=now,
            version=__version__,
            revision=revision,
            signing_key=_signing_key(connection, directory) if has_key else None,
            tokens=_tokens(directory) if has_key else {},
        )
        return write(stream, header, read_rows(connection, has_secrets=has_key))


def _signing_key(connection: Connection, directory: Path) -> str | None:
    if connection.dialect.name == "postgresql":
        return connection.scalar(select(SigningKey.pem))
    file = directory / state_dir.SIGNING_KEY
    return file.read_text() if file.exists() else None


def _tokens(directory: Path) -> dict[str, str]:
    return state_dir.tokens(directory) if (directory / state_dir.TOKENS).exists() else {}
