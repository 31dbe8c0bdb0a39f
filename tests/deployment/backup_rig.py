"""`accelpool backup` and `accelpool restore`, in this process."""

from __future__ import annotations

from pathlib import Path

from accelpool_broker.backup import __main__ as backup


def run(what: str, file: Path, folder: Path, url: str | None, *options: str) -> int:
    """Save to a file, or restore out of one, and return the exit code."""
    place = ["--state-dir", str(folder), *(["--database-url", url] if url else [])]
    return backup.main([what, str(file), *place, *options])
