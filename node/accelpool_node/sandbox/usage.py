"""How much a confined process has taken of what no limit of the kernel's bounds as a whole: disk, processes.

Whoever is measured may be in the way: with folders in folders beyond the longest path, with modes that let
nobody look, with links. So links are not followed, and what cannot be looked at counts as too much.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 512  # of st_blocks, whatever the file system
SESSION, THREADS = 6 - 3, 20 - 3  # fields of /proc/PID/stat, counted after the command's name


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What is in a folder.

    Attributes:
        bytes: On disk.
        files: How many files and folders; one more than the most if there are more.
        trouble: Why not all of it could be looked at, or "".
    """

    bytes: int = 0
    files: int = 0
    trouble: str = ""


def of_folder(top: Path, most_files: int) -> Usage:
    """Return what is in a folder, which others may change meanwhile.

    Files that have no name any more, and are still open, are not seen.

    Args:
        top: The folder.
        most_files: After so many files there is no need to look on.
    """
    total, count, waiting = 0, 0, [str(top)]
    while waiting:
        try:
            sizes, folders = _look(waiting.pop(), most_files + 1 - count)
        except (FileNotFoundError, NotADirectoryError):
            continue  # gone by now
        except OSError as error:
            return Usage(bytes=total, files=count, trouble=error.strerror or str(error))
        total, count = total + sum(sizes), count + len(sizes)
        waiting += folders
        if count > most_files:
            break
    return Usage(bytes=total, files=count)


def _look(path: str, most: int) -> tuple[list[int], list[str]]:
    """Return the sizes of at most so many files and folders in a folder, and the folders' paths."""
    sizes, folders = list[int](), list[str]()
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if len(sizes) >= most:
                    break
                try:
                    sizes.append(entry.stat(follow_symlinks=False).st_blocks * BLOCK_BYTES)
                except FileNotFoundError:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(os.path.join(path, entry.name))
    finally:
        os.close(descriptor)
    return sizes, folders


def tasks_of(sessions: Iterable[int]) -> Counter[int]:
    """Return how many threads, of how ever many processes, there are in sessions, by their leaders' ids.

    A confined process leaves its session no more than its sandbox.

    Source: proc_pid_stat(5); setsid(2).
    """
    wanted, found = set(sessions), Counter[int]()
    for name in os.listdir("/proc") if wanted else ():
        if name.isdecimal():
            try:
                stat = Path("/proc", name, "stat").read_bytes()
            except OSError:
                continue  # it has ended
            fields = stat.rpartition(b")")[2].split()
            if int(fields[SESSION]) in wanted:
                found[int(fields[SESSION])] += int(fields[THREADS])
    return found
