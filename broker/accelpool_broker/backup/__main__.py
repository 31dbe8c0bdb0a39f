"""`python -m accelpool_broker.backup save FILE` and `restore FILE`.

`accelpool backup` and `accelpool restore` become this.
FILE is `-` for the standard output, or the standard input. Exit codes: 0 done, 1 not (the last line of stderr
says why), 2 the options are not of the right form.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import Engine

from accelpool_broker import state_dir
from accelpool_broker.backup.archive import Archive
from accelpool_broker.backup.restoring import restore
from accelpool_broker.backup.saving import save
from accelpool_broker.store import DATABASE_URL, database_url, open_engine
from accelpool_wire.errors import AccelpoolError, Invalid, NotFound
from accelpool_wire.private_file import replacing

STREAM = Path("-")
BROKER_RUNS = "stop it, and all others of its pool, and restore then"
TOKENS_COME_BACK = (
    "tokens that were revoked since then let in again: if any was, restore with --revoke-tokens (and --force)"
    " before a broker starts"
)
COMES_BACK = (
    "accounts that were disabled since then, trust rules and webhooks that were removed are back: the runbook"
    " (Restoring a backup) says what to do"
)


def main(arguments: list[str] | None = None) -> int:
    """Save or restore, and return the exit code."""
    given = _parse(arguments)
    try:
        told = _save(given) if given.do == "save" else _restore(given)
    except (AccelpoolError, OSError) as error:
        sys.stderr.write(f"accelpool {given.called}: {error}\n")
        return 1
    sys.stderr.write(f"{told}\n")
    return 0


def _save(given: argparse.Namespace) -> str:
    with _opened(given) as engine:
        if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
            raise NotFound(f"there is no database {engine.url.database}")
        with _written(given.file) as stream:
            has_key = not given.without_key
            rows = save(engine, given.state_dir, stream, now=time.time(), has_key=has_key)
    return f"saved {rows} rows" + ("; whoever has the file has the pool's key and tokens" if has_key else "")


def _restore(given: argparse.Namespace) -> str:
    with (
        state_dir.locked(given.state_dir, BROKER_RUNS),
        _read(given.file) as stream,
        _opened(given) as engine,
    ):
        archive = Archive(stream)
        done = restore(
            engine,
            given.state_dir,
            archive,
            now=time.time(),
            is_forced=given.force,
            revokes=given.revoke_tokens,
        )
    made_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(archive.header.made_at))
    told = f"restored {done.rows} rows as they were at {made_at}"
    if given.revoke_tokens:
        return f"{told}, and revoked the tokens of users and services ({done.revoked})\n{COMES_BACK}"
    return f"{told}\n{TOKENS_COME_BACK}\n{COMES_BACK}"


@contextmanager
def _opened(given: argparse.Namespace) -> Iterator[Engine]:
    engine = open_engine(database_url(given.database_url, os.environ), given.state_dir / state_dir.DATABASE)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _written(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write, for its owner alone, which is there once the block has ended well."""
    if path == STREAM:
        if sys.stdout.isatty():
            raise Invalid("a backup is no text: send it to a file or a program")
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = path.resolve()
    if path.exists() and not path.is_file():  # a device or a pipe would be gone: another file takes its place
        raise Invalid(f"{path} is no file: - writes to the standard output")
    with replacing(path) as stream:
        yield stream


@contextmanager
def _read(path: Path) -> Iterator[BinaryIO]:
    if path == STREAM:
        yield sys.stdin.buffer
        return
    with path.open("rb") as stream:
        yield stream


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m accelpool_broker.backup", description="Backups of a broker."
    )
    commands = parser.add_subparsers(dest="do", required=True)
    saving = commands.add_parser(
        "save", help="write all that makes the pool to a file, while brokers run or not"
    )
    saving.add_argument(
        "--without-key",
        action="store_true",
        help="leave out the signing key and the first admin's token: nodes register again after a restore",
    )
    saving.set_defaults(called="backup")
    restoring = commands.add_parser("restore", help="fill an empty database from such a file")
    restoring.add_argument("--force", action="store_true", help="replace what is there")
    restoring.add_argument(
        "--revoke-tokens",
        action="store_true",
        help="revoke the tokens of users and services, but that of tokens.json: some were revoked since",
    )
    restoring.set_defaults(called="restore")
    for command in (saving, restoring):
        command.add_argument("file", type=Path, metavar="FILE", help="the backup; - for a pipe")
        command.add_argument("--state-dir", type=Path, required=True, help="the broker's state directory")
        command.add_argument(
            "--database-url", metavar="URL", help=f"the broker's, if it has one (default: ${DATABASE_URL})"
        )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    os.umask(0o077)  # what SQLite writes is private, too
    sys.exit(main())
