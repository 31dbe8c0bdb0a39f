"""Waiting for commands: what the watchdog is told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from accelpool_node.backends.base import Backend
from accelpool_node.worker import completion


class Waited:
    """A backend whose events are over when a test says so."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.over = {name: threading.Event() for name in ("first", "second", "behind")}

    def wait(self, event: str) -> int:
        self.begun.append(event)
        assert self.over[event].wait(10)
        return 0


def test_a_wait_that_has_no_thread_yet_is_not_under_way(
    monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., None]
) -> None:
    backend, now = Waited(), [0.0]
    monkeypatch.setattr(completion, "time", SimpleNamespace(monotonic=lambda: now[0]))
    waiting = completion.Completion(cast(Backend, backend), 1, lambda: True)
    waits: list[tuple[Any, completion.Then]] = [(name, lambda _: None) for name in backend.over]
    waiting.in_turn(waits[:2])
    waiting.in_turn(waits[2:])
    wait_until(lambda: backend.begun == ["first"])
    now[0] = 500.0
    backend.over["first"].set()
    wait_until(lambda: backend.begun == ["first", "second"])
    now[0] = 900.0
    oldest_s = waiting.oldest_s()
    for over in backend.over.values():
        over.set()
    assert oldest_s == 400.0
