"""Private folders: one for each confined process, made before it starts and gone after it has ended.

Whoever wrote there may have meant to be in the way of who cleans up: with folders in folders beyond the
longest path, with modes that let nobody in. So everything is brought up to the top before it is removed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from accelpool_wire.private_file import PRIVATE_DIR

ROOT, SYSTEM = "root", ("proc", "sys")  # hwloc, which PoCL asks for the machine, opens a root folder first


def make(path: Path, user: int = 0) -> None:
    """Make a folder that is its user's alone.

    Raises:
        OSError: It is there, or cannot be made.
    """
    path.mkdir(mode=PRIVATE_DIR, parents=True)
    (path / ROOT).mkdir()
    for name in SYSTEM:
        (path / ROOT / name).symlink_to(f"/{name}")
    if user:
        os.chown(path, user, user)


def variables(path: Path) -> dict[str, str]:
    """Return what makes programs and drivers put their files into a folder."""
    return {
        "HOME": str(path),
        "TMPDIR": str(path),
        "XDG_CACHE_HOME": str(path),
        "POCL_CACHE_DIR": str(path / "pocl"),
        "CUDA_CACHE_PATH": str(path / "nv"),
        "HWLOC_FSROOT": str(path / ROOT),
        "HWLOC_THISSYSTEM": "1",
        "PYOPENCL_NO_CACHE": "1",  # of its Python: nobody else would find it, and a fork cannot write it
    }


def remove(path: Path) -> None:
    """Remove a folder and all that is in it, however deep; nobody may be at work there any more.

    Raises:
        OSError: Something cannot be removed.
    """
    names = (f"{secrets.token_hex(8)}-{number}" for number in itertools.count())
    with contextlib.suppress(FileNotFoundError):
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            waiting = _empty(top, top, names)
            while waiting:
                name = waiting.pop()
                os.chmod(name, PRIVATE_DIR, dir_fd=top)
                folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    waiting += _empty(folder, top, names)
                finally:
                    os.close(folder)
                os.rmdir(name, dir_fd=top)
        finally:
            os.close(top)
        path.rmdir()


def _empty(folder: int, top: int, names: Iterator[str]) -> list[str]:
    """Remove a folder's files, bring its folders up to the top, and return what they are called there."""
    raised = []
    for name in os.listdir(folder):
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=folder)
            continue
        new = next(names)
        os.chmod(name, PRIVATE_DIR, dir_fd=folder)
        os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        raised.append(new)
    return raised
