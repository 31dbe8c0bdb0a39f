"""Parts of the agent with real child processes: workers and drivers that hang, crash or talk nonsense."""

from __future__ import annotations

import asyncio
import os
import socket
import textwrap
from types import SimpleNamespace

import pytest

from accelpool_node import control
from accelpool_node.agent import discovery, warm_pool, workers
from accelpool_node.agent.devices import Devices, describe
from accelpool_node.agent.discovery import Discovery
from accelpool_node.agent.handshake import MAX_BODY_BYTES, Admission
from accelpool_node.agent.health import Health
from accelpool_node.agent.listener import Listener, listen
from accelpool_node.agent.processes import Processes
from accelpool_node.agent.sessions import Sessions
from accelpool_node.agent.settings import Settings
from accelpool_node.agent.state_dir import StateDir
from accelpool_node.agent.warm_pool import WarmPool
from accelpool_node.discover import Listed
from accelpool_node.drivers import DriverEnvironment
from accelpool_wire.errors import LeaseExpired, QuotaExceeded, Unavailable
from accelpool_wire.lease_token import LeaseClaims

LIMIT_S = 10.0
NO_BUILDER = {"x": SimpleNamespace(pid=0, start=lambda: None, connect=lambda: None)}

# Stubs of the worker and the discovery child; `behave` stands for what a test makes them do.
WORKER = """
import argparse, os, signal, socket, sys, time
from accelpool_node import control
parser = argparse.ArgumentParser()
parser.add_argument("--control-fd", type=int)
parser.add_argument("--backend")
agent = socket.socket(fileno=parser.parse_args().control_fd)
def ready():
    control.send(agent, control.Ready([]))
    order = control.receive_at_worker(agent)
    if order is not None:
        control.send(agent, control.Alive(0.0))
    return order
"""
DRIVER = """
import os, signal, sys, time, msgspec
from accelpool_node.discover import Listed, Listing, Probed, Probing
def tell(line):
    sys.stdout.write(msgspec.json.encode(line).decode() + "\\n")
    sys.stdout.flush()
to_probe = [argument.removeprefix("--probe=") for argument in sys.argv if argument.startswith("--probe=")]
names = ["good", "bad", "last"]
tell(Listing([Listed(name=name, platform={}, info={}, kind="cpu", api="opencl") for name in names]))
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Stubs, a state directory and the children of a test."""

    def write(stub, behave):
        (tmp_path / "accelpool_stub.py").write_text(stub + textwrap.dedent(behave))

    monkeypatch.setattr(workers, "MODULE", "accelpool_stub")
    monkeypatch.setattr(discovery, "MODULE", "accelpool_stub")
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    with StateDir(tmp_path / "state") as state:
        yield SimpleNamespace(
            worker=lambda behave: write(WORKER, behave),
            driver=lambda behave: write(DRIVER, behave),
            environment=DriverEnvironment(name="x", backend="stub", variables=variables),
            processes=Processes(state),
            state=state,
        )
        assert list((tmp_path / "state" / "children").iterdir()) == []


def run(bench, scenario):
    """Run a coroutine and leave no child."""

    async def whole():
        try:
            async with asyncio.timeout(LIMIT_S):
                return await scenario()
        finally:
            await bench.processes.kill_all(LIMIT_S)

    return asyncio.run(whole())


def make_pool(bench, size=0, start_limit_s=LIMIT_S):
    return WarmPool(
        bench.environment, bench.processes, size=size, start_limit_s=start_limit_s, exit_limit_s=0.2
    )


def make_settings(bench, **limits):
    return Settings(broker_url="", name="n", state_dir=bench.state.path, token="", **limits)


async def run_session(bench, during=None, **limits):
    """Open a session on a stub worker and return how it ended."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    pool = make_pool(bench)
    sessions = Sessions(
        make_settings(bench, **limits),
        {"x": pool},
        NO_BUILDER,
        check=lambda admission: None,
        on_change=lambda: None,
        on_end=lambda session, outcome: over.set_result(outcome),
    )
    claims = LeaseClaims(lease="L", node="n", shares=(), expires_at=0.0)
    admission = Admission(claims=claims, environment="x", devices=("x/a",), shares=())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session = await sessions.open(admission, b"hello", theirs)
        if during:
            await during(sessions, session, admission, theirs)
        return await over


def test_a_silent_worker_is_hung(bench):
    bench.worker("ready()\ntime.sleep(60)")
    outcome = run(bench, lambda: run_session(bench, hang_limit_s=0.2))
    assert outcome.cause == "hung"
    assert outcome.detail.endswith("its worker gave no sign of life for 0.2 s")


def test_a_command_past_its_limit_is_hung(bench):
    bench.worker("ready()\ncontrol.send(agent, control.Alive(7.0))\ntime.sleep(60)")
    outcome = run(bench, lambda: run_session(bench, command_limit_s=6.0))
    assert (outcome.cause, outcome.problem) == ("hung", "session-lost")
    assert outcome.detail.endswith("a command ran longer than 6 s")


@pytest.mark.parametrize("fault", ["time.sleep(60)", "os._exit(7)"], ids=["hang", "exit"])
def test_a_client_gets_another_worker_if_the_first_does_not_take_it_over(bench, fault):
    bench.worker(
        f"""
        try:
            os.mkdir("first")
        except FileExistsError:
            ready()
            time.sleep(60)
        control.send(agent, control.Ready([]))
        control.receive_at_worker(agent)
        {fault}
        """
    )

    async def scenario():
        ended = []
        sessions = Sessions(
            make_settings(bench, begin_limit_s=0.5),
            {"x": make_pool(bench)},
            NO_BUILDER,
            check=lambda admission: None,
            on_change=lambda: None,
            on_end=lambda session, outcome: ended.append(outcome.cause),
        )
        claims = LeaseClaims(lease="L", node="n", shares=(), expires_at=0.0)
        admission = Admission(claims=claims, environment="x", devices=("x/a",), shares=())
        ours, theirs = socket.socketpair()
        with ours, theirs:
            session = await sessions.open(admission, b"hello", theirs)
        return ended[:], list(sessions.running) == [session.id]

    causes, is_running = run(bench, scenario)
    assert len(causes) == 1
    assert is_running


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was killed by signal 11 (SIGSEGV)"),
        ("os._exit(7)", "exited with status 7"),
        ("agent.send(b'nonsense'); time.sleep(60)", "was killed by signal 9 (SIGKILL)"),
        ("agent.close(); time.sleep(60)", "was killed by signal 9 (SIGKILL)"),
    ],
    ids=["segfault", "exit", "nonsense", "closed"],
)
def test_a_worker_that_ends_without_a_word_has_crashed(bench, behave, words):
    bench.worker(f"ready()\n{behave}")
    outcome = run(bench, lambda: run_session(bench))
    assert outcome.cause == "crashed"
    assert outcome.detail.endswith(words)


def test_a_worker_that_does_not_exit_after_its_last_word_is_killed(bench):
    bench.worker("ready()\ncontrol.send(agent, control.Ended(control.Cause.GOODBYE))\ntime.sleep(60)")
    assert run(bench, lambda: run_session(bench, end_limit_s=0.1)).cause == "goodbye"


def test_a_worker_that_does_not_end_when_told_is_killed(bench):
    async def end(sessions, session, admission, client):
        sessions.end_lease("other", LeaseExpired("not this one"))
        sessions.end_lease("L", LeaseExpired("lease L was not renewed in time"))
        answer = await sessions.answer(session.id, "L")
        assert (answer.type, answer.detail) == ("lease-expired", "lease L was not renewed in time")

    bench.worker("ready()\ntime.sleep(60)")
    outcome = run(bench, lambda: run_session(bench, end, end_limit_s=0.1))
    assert (outcome.cause, outcome.problem) == ("ended", "lease-expired")


def test_a_lease_has_so_many_sessions_and_no_more(bench):
    async def open_another(sessions, session, admission, client):
        with pytest.raises(QuotaExceeded, match="1 sessions"):
            await sessions.open(admission, b"hello", client)
        session.worker.kill()

    bench.worker("ready()\ntime.sleep(60)")
    run(bench, lambda: run_session(bench, open_another, sessions_per_lease=1))


def test_the_pool_replaces_what_is_taken_and_what_dies(bench):
    bench.worker("ready()\ntime.sleep(60)")

    async def scenario():
        pool = make_pool(bench)
        pool.resize(1)
        first = await pool.take()
        second = await pool.take()
        assert first.pid != second.pid
        third = await pool.take()
        third.kill()
        pool.resize(0)
        pool.close()
        with pytest.raises(Unavailable, match="shutting down"):
            await pool.take()

    run(bench, scenario)


@pytest.mark.parametrize("end", ["close", "resize"])
def test_an_idle_worker_that_is_given_up_is_not_handed_out(bench, end):
    bench.worker("ready()\ntime.sleep(60)")

    async def scenario():
        pool = make_pool(bench)
        pool.resize(1)
        while not pool._idle:
            await asyncio.sleep(0.01)
        given_up = pool._idle[0]
        if end == "close":
            pool.close()
            with pytest.raises(Unavailable, match="shutting down"):
                await pool.take()
        else:
            pool.resize(0)
            assert await pool.take() is not given_up

    run(bench, scenario)


def test_an_idle_worker_that_dies_is_replaced(bench):
    bench.worker("ready()\ntime.sleep(60)")

    async def scenario():
        pool = make_pool(bench)
        pool.resize(1)
        while not pool._idle:
            await asyncio.sleep(0.01)
        dead = pool._idle[0]
        dead.kill()
        while not pool._idle or pool._idle[0] is dead:
            await asyncio.sleep(0.01)
        assert (await pool.take()).state is workers.State.SERVING

    run(bench, scenario)


@pytest.mark.parametrize(
    ("behave", "words"),
    [("sys.exit(5)", "exited with status 5"), ("time.sleep(60)", "was killed by signal 9")],
    ids=["exit", "hang"],
)
def test_whoever_waits_for_a_worker_that_cannot_start_is_told(bench, behave, words):
    bench.worker(behave)

    async def scenario():
        pool = make_pool(bench, start_limit_s=0.5)
        for _ in range(2):
            with pytest.raises(Unavailable, match=f"a worker of x {words}"):
                await pool.take()
        pool.close()

    run(bench, scenario)


def test_a_pool_recovers_when_workers_start_again(bench, monkeypatch):
    monkeypatch.setattr(warm_pool, "FIRST_PAUSE_S", 0.05)
    bench.worker("sys.exit(5)")

    async def scenario():
        pool = make_pool(bench)
        with pytest.raises(Unavailable):
            await pool.take()
        bench.worker("ready()\ntime.sleep(60)")
        pool.resize(1)
        while not pool._idle:
            await asyncio.sleep(0.01)
        await pool.take()

    run(bench, scenario)


def find_devices(bench, behave, limit_s=LIMIT_S):
    bench.driver(behave)
    asked = Discovery(bench.processes, bench.state.path, limit_s)
    return run(bench, lambda: asked.find_devices([bench.environment]))


def test_a_device_whose_probe_crashes_the_driver_is_the_only_faulty_one(bench):
    found = find_devices(
        bench,
        """
        for name in to_probe:
            tell(Probing(name))
            if name == "bad":
                sys.stderr.write("LLVM ERROR: unknown target\\n")
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGABRT)
            tell(Probed(name, ""))
        """,
    )
    reason = "was killed by signal 6 (SIGABRT): LLVM ERROR: unknown target"
    assert found.faults == {
        "x/good": "",
        "x/bad": f"its probe came to no result: {reason}",
        "x/last": "",
    }
    assert found.environments_in_use() == {"x"}


def test_a_probe_that_hangs_is_a_fault(bench):
    found = find_devices(bench, "if to_probe: tell(Probing(to_probe[0])); time.sleep(60)", limit_s=0.3)
    assert set(found.faults.values()) == {"its probe came to no result: no answer within 0.3 s"}


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("import os; os.abort()", "killed by signal 6"),
        ("print('ICD loader v7')", "garbage"),
        ("raise SystemExit('no driver')", "exited with status 1: no driver"),
        ("", "no answer"),
    ],
)
def test_an_environment_that_cannot_be_listed_is_reported_with_its_fault(bench, stub, words):
    (bench.state.path.parent / "accelpool_stub.py").write_text(stub)
    asked = Discovery(bench.processes, bench.state.path, LIMIT_S)
    found = run(bench, lambda: asked.find_devices([bench.environment]))
    (fault,) = found.faults.values()
    assert words in fault
    assert found.reports()[0].environment == "x"


def test_a_suspect_device_is_probed_and_a_faulty_one_again_until_it_works(bench):
    bench.driver('[tell(Probed(name, "worn out")) for name in to_probe]')
    listed = Listed(name="good", platform={}, info={}, kind="cpu", api="opencl")
    devices = Devices([describe("x", listed, "")])
    seen = []

    async def scenario():
        done = asyncio.Event()

        def changed():
            seen.append(devices.faults["x/good"])
            bench.driver('[tell(Probed(name, "")) for name in to_probe]')
            if len(seen) == 2:
                done.set()

        asked = Discovery(bench.processes, bench.state.path, LIMIT_S)
        health = Health(devices, {"x": bench.environment}, asked, 0.05, changed)
        running = asyncio.create_task(health.run())
        health.suspect(["x/good", "x/unknown"])
        await done.wait()
        running.cancel()

    run(bench, scenario)
    assert seen == ["worn out", ""]


def test_a_slow_first_frame_is_refused(bench):
    async def scenario():
        async def serve(first, frame, client):
            pytest.fail("nothing to serve")

        stream = listen(("127.0.0.1", 0))
        listening = asyncio.create_task(Listener(stream, serve, 0.1).run())
        reader, writer = await asyncio.open_connection(*stream.getsockname())
        writer.write(b"\x05\x00")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        listening.cancel()
        return answer

    assert b"no whole first frame came in time" in run(bench, scenario)


def test_a_taken_port_is_told_in_words():
    with listen(("127.0.0.1", 0)) as stream, pytest.raises(Unavailable, match="cannot listen on 127"):
        listen(stream.getsockname())


def test_control_packets_hold_the_largest_hello():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        order = control.Serve(session="s", shares=[], hello=bytes(MAX_BODY_BYTES + 12))
        ours.setblocking(False)
        control.send(ours, order)
        assert control.receive_at_worker(theirs) == (order, [])
