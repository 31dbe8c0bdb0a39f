"""A broker's state, out of a backup."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, insert

from accelpool_broker import state_dir
from accelpool_broker.backup.archive import Archive, Header
from accelpool_broker.models import SigningKey
from accelpool_broker.queries.errors import translated
from accelpool_broker.services.access import FROM_FILE
from accelpool_broker.services.signing import PURPOSE
from accelpool_broker.store.fence import fence, revoke_tokens
from accelpool_broker.store.rows import alone, empty, is_empty, write_rows
from accelpool_wire.errors import Conflict, Invalid
from accelpool_wire.private_file import replace_file


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What a restore did.

    Attributes:
        rows: How many it has written.
        revoked: How many tokens it has revoked.
    """

    rows: int
    revoked: int


def restore(
    engine: Engine, directory: Path, archive: Archive, *, now: float, is_forced: bool, revokes: bool
) -> Restored:
    """Fill an empty database from a backup, all or nothing, and make it safe to go on with.

    Args:
        engine: The database.
        directory: The state directory of a broker that does not run.
        archive: The backup.
        now: Seconds since the Unix epoch.
        is_forced: Whether what is there already is replaced.
        revokes: Whether the tokens of users and services let in no more, but the first admin's of the file:
            some may have been revoked since the backup.

    Raises:
        Conflict: The database is not empty, brokers have it open, or the directory has another key or token.
        Invalid: The backup cannot be used.
        StateDirError: Its signing key is none.
        Unavailable: The database does not answer.
    """
    _check(archive.header)
    with translated(), alone(engine) as connection:
        if not is_empty(connection):
            if not is_forced:
                raise Conflict("the database is not empty: --force replaces what is in it")
            empty(connection)
        count = write_rows(connection, archive.header.revision, archive.rows())
        is_key_kept = _keep_key(connection, directory, archive.header.signing_key, is_forced)
        if archive.header.tokens:
            tokens = json.dumps(archive.header.tokens, indent=2) + "\n"
            _keep(directory / state_dir.TOKENS, tokens, is_forced)
        fence(connection, now=now, is_key_kept=is_key_kept)
        revoked = revoke_tokens(connection, now=now, but_named=FROM_FILE) if revokes else 0
    return Restored(rows=count, revoked=revoked)


def _check(header: Header) -> None:
    """Check what would keep a broker from starting.

    Raises:
        Invalid: The tokens are not those of a broker's file.
        StateDirError: The key is none.
    """
    if header.signing_key is not None:
        state_dir.read_pem(header.signing_key.encode(), "the backup's signing key")
    if header.tokens and not {"user"} <= header.tokens.keys() <= {"user", "node"}:
        raise Invalid('the backup\'s tokens are not of the form {"user": "..."}')


def _keep_key(connection: Connection, directory: Path, pem: str | None, is_forced: bool) -> bool:
    """Put the key where the broker looks for it; whether it will have the one that nodes know."""
    if connection.dialect.name == "postgresql":
        if pem is not None:
            row = {"purpose": PURPOSE, "pem": pem, "created_at": 0.0}
            connection.execute(insert(SigningKey).values(row))
        return pem is not None
    file = directory / state_dir.SIGNING_KEY
    if pem is not None:
        _keep(file, pem, is_forced)
    return file.exists()


def _keep(file: Path, content: str, is_forced: bool) -> None:
    if file.exists() and file.read_text() != content and not is_forced:
        raise Conflict(f"{file} is there and differs from the backup's: --force replaces it")
    replace_file(file, content.encode())
