"""How often the agent looks at what its children have taken."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from accelpool_node.agent import watch
from accelpool_node.agent.watch import Bounds, Watch, pause_after
from accelpool_node.sandbox.usage import Usage

BOUNDS = Bounds(folder_bytes=100, folders_bytes=100, files=10, tasks=5)


class Child:
    """Can be killed."""

    pid = 4711

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def kill(self, _why: str) -> None:
        self.ended.set()


def test_a_crowd_is_seen_while_a_look_at_folders_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    is_over = threading.Event()

    def slow(_folder: Path, _most: int) -> Usage:
        is_over.wait(30)
        return Usage()

    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    monkeypatch.setattr(watch, "of_folder", slow)
    counts = iter([1, 1, 1])
    monkeypatch.setattr(watch, "tasks_of", lambda pids: Counter(dict.fromkeys(pids, next(counts, 6))))

    async def scenario() -> None:
        child, jail = Child(), SimpleNamespace(folder=Path("/f"), bounds_tasks=False)
        processes = SimpleNamespace(jails=lambda: {child: jail})
        watching = asyncio.create_task(Watch(cast("Any", processes), BOUNDS).run())
        try:
            await asyncio.wait_for(child.ended.wait(), 10)
        finally:
            is_over.set()
            watching.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize(("took_s", "pause_s"), [(0, 2), (0.1, 2), (0.5, 5), (1, 10), (7, 10)])
def test_long_looks_are_seldom_and_never_far_apart(took_s: float, pause_s: float) -> None:
    assert pause_after(took_s) == pause_s
