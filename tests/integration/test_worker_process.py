"""A worker process: how it starts, what it tells its agent, and every way in which it ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest

from accelpool_node import control
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import LeaseRevoked, SessionLost, Unavailable
from accelpool_wire.frames import PREFIX

from ..conftest import wait_until
from .raw_client import HELLO, RawClient, frame
from .worker_rig import NULL_TARGET, Worker

AGENT_GONE = 3


@pytest.fixture
def worker() -> Iterator[Worker]:
    """A warm worker with one null device."""
    with Worker(NULL_TARGET) as worker:
        yield worker


@pytest.fixture
def connection(worker: Worker) -> Iterator[Connection]:
    with worker.connect() as connection:
        yield connection


@pytest.fixture
def raw(worker: Worker) -> Iterator[RawClient]:
    with RawClient.open(worker) as client:
        yield client


def call_for_ever(connection: Connection) -> None:
    """Use the session until it is lost."""
    while True:
        connection.call(m.Sync(), 60)


def test_a_warm_worker_names_its_devices(worker: Worker) -> None:
    assert worker.ready.devices == ["null-0"]


def test_a_device_that_is_gone_is_refused_by_name(worker: Worker) -> None:
    with pytest.raises(Unavailable, match="device gpu-7 is not there any more; the driver shows null-0"):
        worker.connect(devices=["gpu-7"])
    assert worker.ended().cause is control.Cause.ENDED


def test_the_welcome_tells_the_session_its_limits_and_its_devices(connection: Connection) -> None:
    assert connection.session == "S1"
    assert connection.limits == m.Limits()
    assert [device.name for device in connection.devices] == ["null-0"]


def test_goodbye_ends_the_session_in_order(worker: Worker, connection: Connection) -> None:
    connection.close()
    assert worker.ended() == control.Ended(control.Cause.GOODBYE)
    assert worker.process.returncode == 0
    assert worker.errors() == ""


def test_a_client_that_vanishes_ends_the_session(worker: Worker, raw: RawClient) -> None:
    raw.stream.close()
    assert worker.ended().cause is control.Cause.DISCONNECTED
    assert worker.errors() == ""


CUT = {
    "in a prefix": PREFIX.pack(9, 0)[:5],
    "in a body": frame(m.Sync())[:-1],
    "in a payload": frame(m.EnqueueWriteBuffer(3, 2, 0), b"half", said=8),
    "in a payload nobody wants": frame(m.EnqueueWriteBuffer(3, 99, 0), b"half", said=1 << 30),
    "in a payload that is mapped": frame(m.EnqueueWriteBuffer(3, 2, 0), bytes(1000), said=70_000),
}


@pytest.mark.parametrize("where", CUT)
def test_a_frame_that_is_cut_short_ends_the_session(worker: Worker, raw: RawClient, where: str) -> None:
    raw.say(m.CreateContext(1, [0]), m.CreateBuffer(2, 1, 1, 70_000), m.CreateCommandQueue(3, 1, 0), m.Sync())
    assert isinstance(raw.receive()[0], m.Done)
    raw.send(CUT[where])
    raw.stream.close()
    ended = worker.ended()
    assert ended.cause is control.Cause.DISCONNECTED
    assert "in the middle of a frame" in ended.detail or "broke" in ended.detail
    assert worker.errors() == ""


BROKEN = {
    "a body too large": (PREFIX.pack((16 << 20) + 1, 0), "the limit is"),
    "a payload too large": (PREFIX.pack(3, (1 << 40) + 1), "the limit is"),
    "an empty body": (PREFIX.pack(0, 0), "0 bytes"),
    "no msgpack": (PREFIX.pack(3, 0) + b"\xc1\xc1\xc1", "no message"),
    "an unknown tag": (PREFIX.pack(3, 0) + b"\x92\x63\x01", "no message"),
    "a field missing": (PREFIX.pack(2, 0) + b"\x91\x0a", "no message"),
    "a field of another type": (PREFIX.pack(4, 0) + b"\x92\x28\xa1a", "no message"),
    "a boolean for a handle": (PREFIX.pack(3, 0) + b"\x92\x28\xc3", "no message"),
    "text that is not UTF-8": (PREFIX.pack(6, 0) + b"\x94\x0e\x01\x01\xa1\xff", "no message"),
    "a message of the worker": (frame(m.Done(1)), "no message"),
    "a second hello": (frame(HELLO), "state open"),
    "a payload where none may be": (frame(m.Sync(), b"payload"), "no payload"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_client_that_breaks_the_rules_is_told_so_and_the_session_ends(
    worker: Worker, raw: RawClient, what: str
) -> None:
    content, reason = BROKEN[what]
    raw.send(content)
    answer, _ = raw.receive()
    assert isinstance(answer, m.Refused)
    assert answer.problem == "invalid"
    assert reason in answer.detail
    ended = worker.ended()
    assert ended.cause is control.Cause.REFUSED
    assert reason in ended.detail
    assert worker.errors() == ""


def test_what_came_before_a_broken_frame_is_answered(worker: Worker, raw: RawClient) -> None:
    raw.send(frame(m.Sync()) + PREFIX.pack(0, 0))
    assert isinstance(raw.receive()[0], m.Done)
    assert isinstance(raw.receive()[0], m.Refused)


def test_what_comes_after_goodbye_is_not_read(worker: Worker, raw: RawClient) -> None:
    raw.say(m.Goodbye(), m.Sync())
    assert worker.ended().cause is control.Cause.GOODBYE


def test_frames_may_arrive_a_byte_at_a_time(raw: RawClient) -> None:
    setup = [m.CreateContext(1, [0]), m.CreateBuffer(2, 1, 1, 7), m.CreateCommandQueue(3, 1, 0)]
    content = b"".join(map(frame, setup)) + frame(m.EnqueueWriteBuffer(3, 2, 0), b"content")
    for byte in content + frame(m.EnqueueReadBuffer(3, 2, 0, 7)):
        raw.send(bytes([byte]))
    assert raw.receive() == (m.Data(5), b"content")


def test_the_agent_ends_a_session_and_the_client_learns_why(worker: Worker, connection: Connection) -> None:
    control.send(worker.agent, control.End("lease-revoked", "taken back for a test"))
    with pytest.raises(LeaseRevoked, match="taken back for a test"):
        call_for_ever(connection)
    ended = worker.ended()
    assert (ended.cause, ended.detail) == (control.Cause.ENDED, "taken back for a test")
    assert worker.process.returncode == 0
    assert worker.errors() == ""


def test_the_agent_ends_a_session_in_the_middle_of_a_write(worker: Worker, raw: RawClient) -> None:
    raw.say(m.CreateContext(1, [0]), m.CreateBuffer(2, 1, 1, 70_000), m.CreateCommandQueue(3, 1, 0))
    raw.send(frame(m.EnqueueWriteBuffer(3, 2, 0), b"half", said=70_000))
    control.send(worker.agent, control.End("lease-expired", "over"))
    assert raw.receive()[0] == m.SessionEnding("lease-expired", "over")
    assert worker.ended().cause is control.Cause.ENDED


def test_the_agent_ends_a_session_whose_client_does_not_read(worker: Worker, raw: RawClient) -> None:
    size = 64 << 20
    setup = [m.CreateContext(1, [0]), m.CreateBuffer(2, 1, 1, size), m.CreateCommandQueue(3, 1, 0)]
    raw.say(*setup, m.EnqueueReadBuffer(3, 2, 0, size, is_blocking=True), m.Sync())
    wait_until(lambda: len(worker.heard) >= 3)
    alive = [message for message in worker.heard[1:3] if isinstance(message, control.Alive)]
    assert [message.busy_s for message in alive] == [0.0, 0.0]  # it is not the device that hangs
    control.send(worker.agent, control.End("lease-expired", "over"))
    assert worker.ended().cause is control.Cause.ENDED


def test_a_warm_worker_told_to_end_exits(worker: Worker) -> None:
    control.send(worker.agent, control.End("lease-revoked", "not needed"))
    assert worker.process.wait(60) == 0
    assert worker.errors() == ""


def test_a_warm_worker_exits_with_its_agent(worker: Worker) -> None:
    worker.agent.shutdown(2)
    assert worker.process.wait(60) == AGENT_GONE
    assert worker.errors() == ""


def test_a_serving_worker_exits_with_its_agent_and_the_client_learns_it(
    worker: Worker, connection: Connection
) -> None:
    worker.agent.shutdown(2)
    assert worker.process.wait(60) == AGENT_GONE
    with pytest.raises(SessionLost):
        connection.call(m.Sync(), 60)
    assert worker.errors() == ""


def test_a_killed_worker_is_noticed_at_once(worker: Worker, connection: Connection) -> None:
    worker.process.send_signal(signal.SIGKILL)
    started = time.monotonic()
    with pytest.raises(SessionLost, match="S1"):
        call_for_ever(connection)
    assert time.monotonic() - started < 10  # a peer that is gone without a word is waited for longer
    assert not connection.is_open
    with pytest.raises(SessionLost):
        connection.post(m.Flush(1))


def test_a_worker_says_before_it_builds_that_it_may_be_silent(worker: Worker, connection: Connection) -> None:
    connection.post(m.CreateContext(1, [0]))
    connection.post(m.CreateProgramWithSource(2, 1, "kernel void k() {}"))
    connection.ask(m.BuildProgram(2, [0]), m.Built, 60)
    wait_until(lambda: any(isinstance(word, control.Alive) and word.may_be_silent for word in worker.heard))
    before = len(worker.heard)
    wait_until(lambda: len(worker.heard) > before)
    last = worker.heard[-1]
    assert isinstance(last, control.Alive)
    assert not last.may_be_silent


def test_a_serving_worker_says_every_second_that_it_lives(worker: Worker, connection: Connection) -> None:
    wait_until(lambda: len(worker.heard) >= 3)
    alive = [message for message in worker.heard[1:3] if isinstance(message, control.Alive)]
    assert [message.busy_s for message in alive] == [0.0, 0.0]
    connection.call(m.Sync(), 60)
