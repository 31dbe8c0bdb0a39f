"""The timer: strikes at the next deadline, and goes on after a failure."""

from __future__ import annotations

import logging
import threading

import pytest

from accelpool_broker import timer as module
from accelpool_broker.clock import SystemClock
from accelpool_broker.timer import Timer
from accelpool_wire.errors import Unavailable


def test_it_strikes_at_the_earliest_deadline_and_then_when_told() -> None:
    clock, strikes, done = SystemClock(), [], threading.Event()

    def tick() -> float | None:
        strikes.append(clock.now())
        if len(strikes) < 3:
            return clock.now() + 0.01
        done.set()
        return None

    with Timer(clock=clock, tick=tick) as timer:
        timer.set(clock.now() + 1000)
        timer.set(clock.now())
        assert done.wait(5)
    assert len(strikes) == 3


@pytest.mark.parametrize("error", [Unavailable("the database is away"), ZeroDivisionError()])
def test_it_tries_again_after_a_failure(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    again = threading.Event()
    failures = [error]

    def tick() -> None:
        if failures:
            raise failures.pop()
        again.set()

    clock = SystemClock()
    with caplog.at_level(logging.WARNING), Timer(clock=clock, tick=tick) as timer:
        timer.set(clock.now())
        assert again.wait(5)
    assert "tries again" in caplog.text
