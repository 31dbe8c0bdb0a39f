"""Looks now and then at what children have taken that no limit of theirs bounds, and ends who has too much.

The kernel bounds each file of a child, and not all its files together. So there is a look every few seconds:
a child can have more for so long, and no longer. Processes are counted by themselves: folders full of files
take long to look at, and nobody's processes wait for that.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from accelpool_node.agent.background import call_in_thread
from accelpool_node.agent.processes import Child, Processes
from accelpool_node.sandbox.limits import MAX_PROCESSES
from accelpool_node.sandbox.usage import Usage, of_folder, tasks_of

log = logging.getLogger(__name__)

EVERY_S = 2.0
IDLE_PER_LOOK = 10  # looks that are short take at most about a tenth of a core
MAX_PAUSE_S = 10.0
PART_OF_ONE = 4  # of the disk that all may take, each may take so large a part
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much children may take.

    Attributes:
        folder_bytes: In the folder of each.
        folders_bytes: In all their folders together.
        files: Files and folders in the folder of each.
        tasks: Processes and threads of each, where the kernel does not bound them.
    """

    folder_bytes: int
    folders_bytes: int
    files: int = 1 << 17
    tasks: int = MAX_PROCESSES


def bounds_of(disk_bytes: int) -> Bounds:
    """Return the bounds under which children take so much disk together, and none of them most of it."""
    return Bounds(folder_bytes=disk_bytes // PART_OF_ONE, folders_bytes=disk_bytes)


class Watch:
    """Keeps an agent's children within bounds.

    Args:
        processes: The children.
        bounds: Theirs.
    """

    def __init__(self, processes: Processes, bounds: Bounds) -> None:
        self._processes = processes
        self._bounds = bounds

    async def run(self) -> None:
        """Look until cancelled."""
        await asyncio.gather(_repeat(self._look_at_tasks), _repeat(self._look_at_folders))

    async def _look_at_tasks(self) -> None:
        counted = {
            child.pid: child for child, jail in self._processes.jails().items() if not jail.bounds_tasks
        }
        tasks, most = await call_in_thread(lambda: tasks_of(counted)), self._bounds.tasks
        for pid, child in counted.items():
            if tasks[pid] > most:
                _kill(child, f"it has {tasks[pid]} processes and threads, and {most} are the most")

    async def _look_at_folders(self) -> None:
        jails = self._processes.jails()
        folders = await call_in_thread(
            lambda: {child: of_folder(jail.folder, self._bounds.files) for child, jail in jails.items()}
        )
        for child, why in excessive(folders, self._bounds).items():
            _kill(child, why)


async def _repeat(look: Callable[[], Awaitable[None]]) -> None:
    while True:
        began = time.monotonic()
        await look()
        await asyncio.sleep(pause_after(time.monotonic() - began))


def pause_after(took_s: float) -> float:
    """Return how many seconds to wait after a look that took so many."""
    return min(MAX_PAUSE_S, max(EVERY_S, IDLE_PER_LOOK * took_s))


def _kill(child: Child, why: str) -> None:
    log.warning("process %d is killed: %s", child.pid, why)
    child.kill(why)


def excessive(usages: Mapping[Child, Usage], bounds: Bounds) -> dict[Child, str]:
    """Return who has taken too much, and of what; no child's share is another's excuse."""
    found: dict[Child, str] = {}
    left = sum(usage.bytes for usage in usages.values())
    for child, usage in sorted(usages.items(), key=lambda item: -item[1].bytes):
        why = _excess(usage, bounds)
        if not why and left > bounds.folders_bytes:
            most = _mib(bounds.folders_bytes)
            why = f"all folders together hold {_mib(left)}, {most} are the most, and its own is the largest"
        if why:
            found[child] = why
            left -= usage.bytes
    return found


def _excess(usage: Usage, bounds: Bounds) -> str:
    if usage.trouble:
        return f"its folder cannot be looked at: {usage.trouble}"
    if usage.files > bounds.files:
        return f"its folder holds more than {bounds.files} files"
    if usage.bytes > bounds.folder_bytes:
        return f"its folder holds {_mib(usage.bytes)}, and {_mib(bounds.folder_bytes)} are the most"
    return ""


def _mib(size: int) -> str:
    return f"{size / MIB:.3g} MiB"
