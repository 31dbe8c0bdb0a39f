"""Inputs that are kept: one file per target, an input a line, in base64 and in order."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def load(target: str) -> list[bytes]:
    """Return the inputs of a target."""
    file = FOLDER / f"{target}.txt"
    return [b64decode(line) for line in file.read_text().splitlines()] if file.exists() else []


def save(target: str, inputs: Iterable[bytes]) -> None:
    """Make these a target's inputs."""
    lines = sorted({b64encode(content).decode() for content in inputs}, key=lambda line: (len(line), line))
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))


def unpack(inputs: Iterable[bytes], folder: Path) -> None:
    """Write inputs as files, as fuzzers want them."""
    folder.mkdir(parents=True, exist_ok=True)
    for content in inputs:
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


def collect(folder: Path) -> list[bytes]:
    """Return the contents of a folder's files."""
    return [file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()]
