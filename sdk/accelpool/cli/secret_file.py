"""Where a secret that was just made goes: to the standard output, or to a file for its owner alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from accelpool.cli.failures import CommandFailed
from accelpool_wire.private_file import PRIVATE_FILE

SecretFile = Annotated[
    Path | None,
    typer.Option("--file", metavar="FILE", help="Write it to a new file of mode 0600, and do not show it."),
]


def check_new(path: Path | None) -> None:
    """Refuse a file that is there already, before there is a secret to lose.

    Raises:
        CommandFailed: It is there, or its folder is not.
    """
    if path is not None and (path.exists() or not path.parent.is_dir()):
        raise CommandFailed(f"{path} is there already" if path.exists() else f"there is no {path.parent}")


def write(secret: str, path: Path) -> None:
    """Write a secret to a new file.

    Raises:
        CommandFailed: It cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
        with open(descriptor, "w", encoding="ascii") as stream:
            stream.write(secret + "\n")
    except OSError as error:
        lost = "nobody knows the secret: make another one"
        raise CommandFailed(f"{path} cannot be written: {error.strerror}; {lost}") from error
