"""What an agent makes of a monitor that does not do as it should."""

from __future__ import annotations

import asyncio
import logging

import pytest

from accelpool_node.agent import monitor as m
from accelpool_node.monitor import ABSENT

from .stub_rig import run, stubs

LOOK = b'{"gpus": [{"uuid": "GPU-1", "place": "0000:19:03", "readings": {"power_w": 70.5}}]}'
DEVICES = {"a": {"hardware": "0000:19:03"}}


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(m, "MODULE", "accelpool_stub")
    with stubs(tmp_path, monkeypatch) as bench:
        yield bench


class Time:
    now = 0.0


def trouble_of(bench, caplog, behave, limit_s=10.0):
    """Return what a monitor that so behaves is told to be in the log, before it is tried again."""
    bench.child(behave)

    async def scenario():
        told = asyncio.Event()
        handler = logging.Handler()
        handler.emit = lambda record: told.set()
        m.log.addHandler(handler)
        running = asyncio.create_task(m.Monitor(bench.processes, bench.environment, limit_s).run())
        try:
            await told.wait()
        finally:
            m.log.removeHandler(handler)
            running.cancel()

    run(bench, scenario)
    (told,) = [record.getMessage() for record in caplog.records if record.name == m.log.name]
    return told


def test_one_that_prints_garbage_is_killed_and_tried_later(bench, caplog):
    told = trouble_of(bench, caplog, "print('{', flush=True); time.sleep(60)")
    assert told.startswith("the monitor of GPUs was killed by signal 9 (SIGKILL): it printed garbage: ")
    assert told.endswith("; next try in 10 s")


def test_one_that_never_ends_a_line_is_killed(bench, caplog):
    told = trouble_of(bench, caplog, f"print('x' * {2 * m.MAX_LINE}, flush=True); time.sleep(60)")
    assert "it printed garbage" in told


def test_one_that_is_silent_is_killed(bench, caplog):
    told = trouble_of(bench, caplog, "time.sleep(60)", limit_s=0.5)
    assert "was killed by signal 9 (SIGKILL): it was silent for 0.5 s" in told


def hang(patch, bench):
    """Have children do as those whose driver never returns: no signal ends them."""
    patch.setattr(m, "EXIT_LIMIT_S", 0.1)
    patch.setattr(m.Child, "kill", lambda child, why="": None)
    bench.child("time.sleep(60)")


def test_one_that_no_signal_ends_keeps_no_agent_from_starting(bench, caplog, monkeypatch):
    watched = m.Monitor(bench.processes, bench.environment, 0.1)

    async def scenario():
        with monkeypatch.context() as patch:
            hang(patch, bench)
            return await watched.look()

    assert run(bench, scenario) == []
    told = [record.getMessage() for record in caplog.records if record.name == m.log.name]
    assert told[0].endswith("the monitor of GPUs does not end: it was silent for 0.1 s")


def test_while_one_does_not_end_no_other_is_started(bench, monkeypatch):
    watched = m.Monitor(bench.processes, bench.environment, 0.1)

    async def scenario():
        with monkeypatch.context() as patch:
            hang(patch, bench)
            await watched.look()
        (hung,) = bench.processes.jails()
        running = asyncio.create_task(watched.run())
        await asyncio.sleep(0)
        assert [*bench.processes.jails()] == [hung]
        hung.kill()
        while [*bench.processes.jails()] in ([], [hung]):
            await asyncio.sleep(0.01)
        running.cancel()

    run(bench, scenario)


def test_one_that_fails_is_told_by_its_exit_status(bench, caplog):
    assert "exited with status 1; next try" in trouble_of(bench, caplog, "sys.exit(1)")


def test_readings_that_are_old_are_no_readings(bench):
    bench.child(f"print('{LOOK.decode()}', flush=True)")
    clock = Time()
    watched = m.Monitor(bench.processes, bench.environment, 10.0, lambda: clock.now)

    async def scenario():
        running = asyncio.create_task(watched.run())
        while not watched.readings(DEVICES):
            await asyncio.sleep(0.01)
        running.cancel()

    run(bench, scenario)
    clock.now = m.STALE_S
    assert watched.readings(DEVICES)["a"].power_w == 70.5
    clock.now += 1
    assert watched.readings(DEVICES) == {}


@pytest.mark.parametrize(
    ("behave", "told"),
    [
        ("sys.exit(0)", []),
        (f"sys.exit({ABSENT})", []),
        ("sys.exit(1)", ["whether GPUs are parted is not known: the monitor of GPUs exited with status 1"]),
    ],
)
def test_an_agent_that_cannot_be_told_how_gpus_are_parted_says_so_and_goes_on(bench, caplog, behave, told):
    bench.child(behave)
    watched = m.Monitor(bench.processes, bench.environment, 10.0)
    assert run(bench, watched.look) == []
    assert [record.getMessage() for record in caplog.records if record.name == m.log.name] == told


def test_one_that_cannot_be_started_is_tried_later(bench, caplog, monkeypatch):
    def refuse(*args, **kwargs):
        raise BlockingIOError("every user that is there for workers has one")

    monkeypatch.setattr(bench.processes, "start", refuse)
    told = trouble_of(bench, caplog, "")
    assert told.startswith("the monitor of GPUs could not be started: every user that is there")
