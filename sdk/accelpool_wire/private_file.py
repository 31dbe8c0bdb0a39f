"""Files that their owner alone may read, written all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE_FILE, PRIVATE_DIR = 0o600, 0o700


def replace_file(path: Path, content: bytes, mode: int = PRIVATE_FILE) -> None:
    """Write a file in one step: whoever looks finds the old content or the new one, also after a crash.

    Args:
        path: The file.
        content: All of it.
        mode: Its permissions, from its first byte on.

    Raises:
        OSError: It cannot be written.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)  # an earlier process of this number left it
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
