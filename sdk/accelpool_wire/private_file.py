"""Files that their owner alone may read, written all or nothing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

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
    with replacing(path, mode) as stream:
        stream.write(content)


@contextmanager
def replacing(path: Path, mode: int = PRIVATE_FILE) -> Iterator[BinaryIO]:
    """Give a stream whose content is the file's once the block has ended well; else the file is as it was.

    Args:
        path: The file.
        mode: Its permissions, from its first byte on.

    Raises:
        OSError: It cannot be written.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".new", dir=path.parent)
    try:
        with open(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)
            yield stream
            stream.flush()
            os.fsync(descriptor)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
