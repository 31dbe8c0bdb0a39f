"""Files that their owner alone may read, written all or nothing."""

from __future__ import annotations

import os
import tempfile
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
    descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with open(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
