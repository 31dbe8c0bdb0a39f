"""What a session may cost its node besides its devices: lines of the log, disk."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from accelpool_node.agent import child_log, watch
from accelpool_node.agent.confinement import Jail
from accelpool_node.agent.watch import Bounds, Watch
from accelpool_node.sandbox import paths
from accelpool_node.sandbox.policy import Policy
from accelpool_node.sandbox.usage import tasks_of

from ..conftest import wait_until
from .stub_rig import LIMIT_S, run

SMALL = Bounds(folder_bytes=1 << 20, folders_bytes=3 << 20, files=50, tasks=20)


async def ending_of(bench, bounds: Bounds | None = None) -> str:
    """Have a child run, watched if there are bounds, and return how it ended."""
    over = asyncio.Event()
    child = bench.processes.start(bench.environment, "accelpool_stub", [], over.set)
    watching = asyncio.create_task(Watch(bench.processes, bounds).run()) if bounds else None
    async with asyncio.timeout(LIMIT_S):
        await over.wait()
    if watching:
        watching.cancel()
    return child.ending


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == child_log.__name__]


def test_what_a_child_writes_is_in_the_log_as_its_own(bench, caplog):
    bench.child("sys.stderr.write('trouble\\n2026-01-01 INFO forged: \\x1b[2J\\nwithout an end')")
    assert run(bench, lambda: ending_of(bench)) == "exited with status 0"
    told = logged(caplog)
    assert all(line.startswith("process ") and "(accelpool_stub of x): " in line for line in told)
    assert [line.partition("): ")[2] for line in told] == [
        "trouble",
        "2026-01-01 INFO forged: \\x1b[2J",
        "without an end",
    ]


def test_what_the_worker_of_a_session_writes_is_told_as_the_sessions(bench, caplog):
    bench.child("sys.stderr.write('trouble\\n')")

    async def scenario():
        over = asyncio.Event()
        child = bench.processes.start(bench.environment, "accelpool_stub", [], over.set)
        child.log.of_session("ses_1", "lea_1")
        async with asyncio.timeout(LIMIT_S):
            await over.wait()

    run(bench, scenario)
    [line] = [record for record in caplog.records if record.name == child_log.__name__]
    assert (line.session, line.lease) == ("ses_1", "lea_1")
    assert line.getMessage().endswith("(accelpool_stub of x) in session ses_1: trouble")


def test_a_child_that_writes_without_end_fills_no_log_and_keeps_nobody_busy(bench, caplog):
    bench.child("while True: os.write(2, b'x' * 999 + b'\\n')")

    async def scenario():
        over = asyncio.Event()
        child = bench.processes.start(bench.environment, "accelpool_stub", [], over.set)
        while len(logged(caplog)) < 60:
            await asyncio.sleep(0.01)
        began, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(0.5)
        assert time.process_time() - cpu < 0.25 * (time.monotonic() - began)
        child.kill()
        await over.wait()

    run(bench, scenario)
    assert sum(len(line) for line in logged(caplog)) < 2 * child_log.CHILD_BYTES
    assert logged(caplog)[-1].endswith("bytes more are left out)")


def test_a_child_whose_folder_grows_too_large_ends(bench, monkeypatch, caplog):
    monkeypatch.setattr(watch, "EVERY_S", 0.05)
    bench.child("open('large', 'wb').write(bytes(2 << 20)); time.sleep(60)")
    ending = run(bench, lambda: ending_of(bench, SMALL))
    assert ending.startswith("was killed by signal 9 (SIGKILL): its folder holds 2")
    assert "1 MiB are the most" in ending


@pytest.mark.parametrize(
    "behave",
    [
        "[os.mkdir(f'd{n}') for n in range(60)]",
        "[(os.mkdir('d'), os.chdir('d')) for n in range(45)] and [os.mkfifo(f'{n}') for n in range(10)]",
        "[(os.mkdir('d' * 200), os.chdir('d' * 200)) for n in range(30)]",  # paths longer than there can be
        "os.mkdir('closed', 0o300); os.setuid(1000) if os.getuid() == 0 else 0",
    ],
)
def test_so_does_one_with_too_many_files_or_where_nobody_can_look(bench, monkeypatch, behave):
    if "closed" in behave and os.geteuid() == 0:
        pytest.skip("root looks everywhere")
    monkeypatch.setattr(watch, "EVERY_S", 0.05)
    bench.child(f"{behave}\ntime.sleep(60)")
    ending = run(bench, lambda: ending_of(bench, SMALL))
    assert "its folder " in ending


def test_of_many_whose_folders_are_too_large_together_the_largest_ends(bench, monkeypatch):
    monkeypatch.setattr(watch, "EVERY_S", 0.05)
    bench.child(
        "os.posix_fallocate(os.open('f', os.O_RDWR | os.O_CREAT), 0, int(sys.argv[1]) << 10); time.sleep(60)"
    )

    async def scenario():
        over = [asyncio.Event() for _ in range(5)]
        sizes = ["700", "701", "702", "703", "900"]
        started = [
            bench.processes.start(bench.environment, "accelpool_stub", [size], one.set)
            for size, one in zip(sizes, over, strict=True)
        ]
        watching = asyncio.create_task(Watch(bench.processes, SMALL).run())
        await over[-1].wait()
        watching.cancel()
        assert "all folders together" in started[-1].ending
        assert [child.ending for child in started[:-1]] == [""] * 4

    run(bench, scenario)


def test_what_keeps_within_its_bounds_lives(bench, monkeypatch):
    monkeypatch.setattr(watch, "EVERY_S", 0.05)
    bench.child("os.mkdir('d'); open('d/f', 'wb').write(bytes(900 << 10)); time.sleep(0.5)")
    assert run(bench, lambda: ending_of(bench, SMALL)) == "exited with status 0"


THREADS = "import threading; [threading.Thread(target=time.sleep, args=(60,)).start() for _ in range(30)]"
PROGRAMS = "import subprocess; [subprocess.Popen(['sleep', '60']) for _ in range(30)]; time.sleep(60)"


LINKERS = """
import subprocess
from accelpool_node.sandbox import paths
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import Policy
linker = paths.linkers(os.environ["PATH"])
confine(Policy(folder=os.getcwd(), read=paths.found(paths.SYSTEM), programs=linker), os.environ, keep=())
_, full = os.pipe()
os.set_blocking(full, False)
while True:
    try:
        os.write(full, bytes(4096))
    except BlockingIOError:
        break
os.set_blocking(full, True)
[subprocess.Popen([*linker, "--verbose"], stdout=full) for _ in range(30)]
time.sleep(60)
"""


@pytest.mark.parametrize("behave", [THREADS, PROGRAMS, LINKERS], ids=["threads", "programs", "linkers"])
def test_who_starts_threads_or_programs_without_end_ends_with_them(bench, monkeypatch, behave):
    if behave is LINKERS and not paths.linkers(os.environ["PATH"]):
        pytest.skip("there is no ld, as PoCL needs it")
    monkeypatch.setattr(watch, "EVERY_S", 0.05)
    bench.child(behave)

    async def scenario():
        over = asyncio.Event()
        child = bench.processes.start(bench.environment, "accelpool_stub", [], over.set)
        watching = asyncio.create_task(Watch(bench.processes, SMALL).run())
        await over.wait()
        watching.cancel()
        assert "processes and threads, and 20 are the most" in child.ending
        return child.pid

    session = run(bench, scenario)
    wait_until(lambda: tasks_of([session])[session] == 0)


@pytest.mark.parametrize("bounded", [{"user": 7}, {"bounds": ["memory", "pids"]}])
def test_tasks_that_the_kernel_bounds_are_not_counted(tmp_path, bounded):
    jail = Jail(folder=tmp_path, policy=Policy(**bounded), variables={})
    assert jail.bounds_tasks
    assert not Jail(folder=tmp_path, policy=Policy(bounds=["memory"]), variables={}).bounds_tasks
