"""The flusher: what is gathered leaves soon, during bursts, after them, and without any."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from accelpool_wire import flusher as flusher_module
from accelpool_wire.errors import SessionLost
from accelpool_wire.flusher import Flusher

PATIENCE_S = 30.0


class Outbox:
    """Something that gathers, and says when it was flushed."""

    def __init__(self) -> None:
        self.unsent = 0
        self.flushed = threading.Event()
        self.is_lost = False

    def flush(self) -> None:
        self.unsent = 0
        self.flushed.set()
        if self.is_lost:
            raise SessionLost("gone")

    def has_unsent(self) -> bool:
        return self.unsent > 0

    def await_flush(self) -> bool:
        was_flushed = self.flushed.wait(PATIENCE_S)
        self.flushed.clear()
        return was_flushed


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def flusher(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flusher]:
    monkeypatch.setattr(flusher_module, "TICK_S", 0.0005)
    flusher = Flusher(outbox.flush, outbox.has_unsent)
    yield flusher
    flusher.stop()
    if flusher._thread:
        flusher._thread.join(PATIENCE_S)
        assert not flusher._thread.is_alive()


def await_calm(flusher: Flusher) -> None:
    """Return once a burst is over."""
    deadline = time.monotonic() + PATIENCE_S
    while flusher._is_armed:
        assert time.monotonic() < deadline
        os.sched_yield()


def test_nothing_runs_before_something_is_gathered(flusher: Flusher) -> None:
    assert flusher._thread is None


def test_what_is_gathered_is_flushed_in_every_burst(flusher: Flusher, outbox: Outbox) -> None:
    for _ in range(3):
        outbox.unsent = 1
        flusher.arm()
        flusher.arm()
        assert outbox.await_flush()
        await_calm(flusher)


def test_what_is_gathered_within_a_burst_needs_no_other_call(flusher: Flusher, outbox: Outbox) -> None:
    flusher.arm()
    for _ in range(5):
        outbox.unsent = 1
        assert outbox.await_flush()


def test_what_is_gathered_as_a_burst_ends_is_flushed(
    flusher: Flusher, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "CALM_TICKS", 0)
    outbox.unsent = 1
    flusher._is_armed = True
    flusher._watch_burst()
    assert (outbox.unsent, flusher._is_armed) == (0, False)


def test_what_is_gathered_without_a_word_is_flushed_when_idle(
    flusher: Flusher, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flusher_module, "IDLE_S", 0.001)
    flusher.arm()
    await_calm(flusher)
    outbox.unsent = 1
    assert outbox.await_flush()


def test_idle_thread_flushes_nothing(
    flusher: Flusher, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = threading.Semaphore(0)
    monkeypatch.setattr(flusher_module, "IDLE_S", 0.001)
    flusher.arm()
    await_calm(flusher)
    monkeypatch.setattr(flusher, "_has_unsent", lambda: looked.release())
    for _ in range(3):
        assert looked.acquire(timeout=PATIENCE_S)
    assert not outbox.flushed.is_set()


def test_end_of_the_session_does_not_end_the_thread(flusher: Flusher, outbox: Outbox) -> None:
    outbox.is_lost = True
    for _ in range(3):
        outbox.unsent = 1
        flusher.arm()
        assert outbox.await_flush()
