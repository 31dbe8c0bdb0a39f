"""Sessions and the warm pool with real child processes: workers that hang, crash or talk nonsense."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest

from accelpool_node import control
from accelpool_node.agent import warm_pool, workers
from accelpool_node.agent.handshake import Admission
from accelpool_node.agent.processes import Child
from accelpool_node.agent.sessions import Sessions
from accelpool_node.agent.settings import Settings
from accelpool_node.agent.visitor import PlainVisitor
from accelpool_node.agent.warm_pool import WarmPool
from accelpool_wire.errors import LeaseExpired, QuotaExceeded, Unavailable
from accelpool_wire.frames import FIRST_BODY_BYTES
from accelpool_wire.lease_token import LeaseClaims, ShareClaim

from .stub_rig import LIMIT_S, run

NO_BUILDER = {"x": SimpleNamespace(pid=0, start=lambda: None, connect=lambda: None)}


def make_pool(bench, size=0, start_limit_s=LIMIT_S):
    return WarmPool(
        bench.environment, bench.processes, size=size, start_limit_s=start_limit_s, exit_limit_s=0.2
    )


def make_settings(bench, **limits):
    return Settings(broker_url="", name="n", state_dir=bench.state.path, token="", **limits)


async def run_session(bench, during=None, memory_bytes=(), environment="x", compute=1.0, **limits):
    """Open a session on a stub worker and return how it ended."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    pool = make_pool(bench)
    sessions = Sessions(
        make_settings(bench, **limits),
        {environment: pool},
        {environment: NO_BUILDER["x"]},
        check=lambda admission: None,
        on_change=lambda: None,
        on_end=lambda session, outcome: over.set_result(outcome),
    )
    names = [f"x/{number}" for number in range(len(memory_bytes))]
    told = tuple(
        ShareClaim(device=name, epoch=1, memory_bytes=size, compute=compute)
        for name, size in zip(names, memory_bytes, strict=True)
    )
    shares = tuple(control.SessionShare(device=name, memory_bytes=0) for name in names)
    claims = LeaseClaims(lease="L", node="n", shares=told, expires_at=0.0)
    admission = Admission(claims=claims, environment=environment, devices=("x/a",), shares=shares)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        session = await sessions.open(admission, b"hello", PlainVisitor(theirs))
        if during:
            await during(sessions, session, admission, theirs)
        return await over


def test_a_silent_worker_is_hung(bench):
    bench.worker("ready()\ntime.sleep(60)")
    outcome = run(bench, lambda: run_session(bench, hang_limit_s=0.2))
    assert outcome.cause == "hung"
    assert outcome.detail.endswith("its worker gave no sign of life for 0.2 s")


def test_a_session_has_its_shares_of_memory_in_its_control_group(bench, monkeypatch):
    bounded = []
    monkeypatch.setattr(Child, "bound", lambda child, share_bytes: bounded.append((child.pid, share_bytes)))
    bench.worker("ready()\ncontrol.send(agent, control.Ended(control.Cause.GOODBYE))")
    outcome = run(bench, lambda: run_session(bench, memory_bytes=(1000, 500)))
    assert outcome.cause == "goodbye"
    assert [share_bytes for _, share_bytes in bounded] == [1500]


@pytest.mark.parametrize(
    ("environment", "mps_pipe", "told"), [("cuda", "/mps", "25"), ("x", "/mps", "None"), ("cuda", "", "None")]
)
def test_a_session_on_cuda_is_told_its_part_of_the_threads_where_mps_shares_them_out(
    bench, environment, mps_pipe, told
):
    bench.worker(
        """
        order, _ = ready()
        control.send(agent, control.Ended(control.Cause.GOODBYE, f"{order.thread_percentage}"))
        """
    )
    scenario = {"environment": environment, "mps_pipe": mps_pipe, "memory_bytes": (1000,), "compute": 0.25}
    outcome = run(bench, lambda: run_session(bench, **scenario))
    assert outcome.detail.endswith(f"ended (goodbye: {told})")


SILENT = "ready()\ncontrol.send(agent, control.Alive(0.0, may_be_silent=True))\n"


async def be_silent(sessions, session, seconds):
    """Look at a session as if its worker, which said that it may be silent, had been so for a while."""
    while not session.may_be_silent:
        await asyncio.sleep(0.01)
    session.heard_at -= seconds
    sessions._watch(session)


def test_a_worker_that_said_so_may_be_silent(bench):
    async def for_long(sessions, session, *_):
        await be_silent(sessions, session, 599)
        session.worker.send(control.End("lease-expired", "over"))

    told = "control.receive_at_worker(agent)\ncontrol.send(agent, control.Ended(control.Cause.ENDED))"
    bench.worker(f"{SILENT}{told}")
    outcome = run(bench, lambda: run_session(bench, for_long, hang_limit_s=LIMIT_S, command_limit_s=600.0))
    assert outcome.cause == "ended"


def test_a_worker_may_be_silent_for_as_long_as_a_command_may_run(bench):
    async def too_long(sessions, session, *_):
        await be_silent(sessions, session, 600)

    bench.worker(f"{SILENT}time.sleep(60)")
    outcome = run(bench, lambda: run_session(bench, too_long, hang_limit_s=LIMIT_S, command_limit_s=600.0))
    assert outcome.cause == "hung"
    assert outcome.detail.endswith("its worker gave no sign of life for 600 s")


def test_a_worker_that_was_silent_and_is_so_again_is_hung(bench):
    bench.worker(f"{SILENT}time.sleep(0.5)\ncontrol.send(agent, control.Alive(0.0))\ntime.sleep(60)")
    outcome = run(bench, lambda: run_session(bench, hang_limit_s=0.2))
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
            os.mkdir("../first")
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
            make_settings(bench, begin_limit_s=3.0),
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
            session = await sessions.open(admission, b"hello", PlainVisitor(theirs))
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
            await sessions.open(admission, b"hello", PlainVisitor(client))
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
    ("behave", "limit_s", "words"),
    [("sys.exit(5)", 60.0, "exited with status 5"), ("time.sleep(60)", 1.0, "was killed by signal 9")],
    ids=["exit", "hang"],
)
def test_whoever_waits_for_a_worker_that_cannot_start_is_told(bench, behave, limit_s, words):
    bench.worker(behave)

    async def scenario():
        pool = make_pool(bench, start_limit_s=limit_s)
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


def test_control_packets_hold_the_largest_hello():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        order = control.Serve(session="s", shares=[], hello=bytes(FIRST_BODY_BYTES + 12))
        ours.setblocking(False)
        control.send(ours, order)
        assert control.receive_at_worker(theirs) == (order, [])
