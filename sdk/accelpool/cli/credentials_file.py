"""Writing the credentials file without losing what it has of another pool."""

from __future__ import annotations

from pathlib import Path

from accelpool import credentials
from accelpool.cli.failures import CommandFailed
from accelpool.credentials import Credentials
from accelpool.errors import Unauthorized


def write_credentials(found: Credentials, path: Path) -> Path | None:
    """Write the credentials file; return where those of another pool went, if there were any.

    Raises:
        CommandFailed: The file cannot be written.
    """
    aside = path.with_name(path.name + ".previous")
    try:
        has_other = _is_of_another_pool(path, found.url)
        if has_other:
            path.replace(aside)
        credentials.save(found, path)
    except OSError as error:
        raise CommandFailed(f"the credentials cannot be written to {path}: {error.strerror}") from error
    return aside if has_other else None


def _is_of_another_pool(path: Path, url: str) -> bool:
    try:
        saved = credentials.load(path)
    except Unauthorized:
        return True  # not ours to judge, so not ours to overwrite
    return saved is not None and saved.url != url
