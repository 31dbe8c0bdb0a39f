"""A session's connection at the worker, with limits small enough to meet them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from accelpool_node.control import Cause, Ended
from accelpool_node.worker.objects import Share
from accelpool_node.worker.service import Service
from accelpool_node.worker.session import Session
from accelpool_wire import channel
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.frames import PREFIX, PREFIX_BYTES

from ..conftest import wait_until
from .raw_client import HELLO, RawClient, frame
from .scripted_device import SHARE_BYTES, ScriptedBackend

LIMITS = m.Limits(body_bytes=2000, payload_bytes=5000, pending=2)
SETUP = [m.CreateContext(1, [0]), m.CreateCommandQueue(2, 1, 0), m.CreateBuffer(3, 1, 1, 4000)]


@dataclass
class Served:
    """A service in a thread of this process, and its client."""

    service: Service
    session: Session
    backend: ScriptedBackend
    client: RawClient
    threads: ThreadPoolExecutor

    def run(self) -> Future[Ended]:
        """Welcome the client and serve it."""
        self.service.welcome([])
        ended = self.threads.submit(self.service.run, self.session)
        assert self.client.receive()[0] == m.Welcome(1, HELLO.features, "S1", LIMITS, [])
        self.client.say(*SETUP)
        return ended


@pytest.fixture
def served() -> Iterator[Served]:
    ours, theirs = socket.socketpair()
    backend = ScriptedBackend()
    service = Service(theirs, frame(HELLO), "S1", LIMITS)
    share = Share(device=backend.devices()[0], memory_bytes=SHARE_BYTES)
    session = Session(backend, [share], LIMITS, service.reply)
    with ThreadPoolExecutor(4) as threads, RawClient(ours) as client, theirs:
        yield Served(service, session, backend, client, threads)
        for event in backend.running:
            event.end()
        client.stream.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("offered", "used"), [([], []), (["svm"], ["svm"]), (["unheard of", "svm", "svm"], ["svm"])], ids=str
)
def test_only_features_that_the_client_offers_are_used(offered: list[str], used: list[str]) -> None:
    ours, theirs = socket.socketpair()
    with RawClient(ours) as client, theirs:
        Service(theirs, frame(m.Hello([1], offered, "a token")), "S1", LIMITS).welcome([])
        assert client.receive()[0] == m.Welcome(1, used, "S1", LIMITS, [])


def test_more_pending_commands_than_the_limit_end_the_session(served: Served) -> None:
    ended = served.run()
    served.backend.is_holding = True
    served.client.say(m.EnqueueFillBuffer(2, 3, b"x", 0, 4), m.Finish(2), m.Finish(2), m.Finish(2))
    answer, _ = served.client.receive()
    assert isinstance(answer, m.Refused)
    assert "2 commands await their answers" in answer.detail
    assert ended.result(5).cause is Cause.REFUSED


def test_as_many_pending_commands_as_the_limit_are_answered(served: Served) -> None:
    ended = served.run()
    for _ in range(5):
        served.client.say(m.Finish(2), m.Sync())
        assert [served.client.receive()[0], served.client.receive()[0]]
    served.client.say(m.Goodbye())
    assert ended.result(5).cause is Cause.GOODBYE


@pytest.mark.parametrize(("content", "what"), [
    (frame(m.CreateProgramWithSource(9, 1, "x" * 3000)), "body"),
    (frame(m.EnqueueWriteBuffer(2, 3, 0), bytes(5001)), "payload"),
])  # fmt: skip
def test_a_frame_over_its_limit_ends_the_session(served: Served, content: bytes, what: str) -> None:
    ended = served.run()
    served.client.send(content)
    answer, _ = served.client.receive()
    assert isinstance(answer, m.Refused)
    assert what in answer.detail
    assert ended.result(5).cause is Cause.REFUSED


def test_an_answer_over_the_limit_is_a_failure_and_the_session_goes_on(served: Served) -> None:
    served.run()
    source = "".join(f"kernel void k{number}()" for number in range(110))
    served.client.say(m.CreateProgramWithSource(9, 1, source), m.BuildProgram(9, [0]))
    answer, _ = served.client.receive()
    assert isinstance(answer, m.Failed)
    assert "the answer is too large" in answer.what
    served.client.say(m.Sync())
    assert isinstance(served.client.receive()[0], m.Done)


def test_a_session_ended_before_its_welcome_is_refused(served: Served) -> None:
    served.service.end("lease-expired", "too late")
    assert served.client.receive()[0] == m.Refused("lease-expired", "too late")
    served.service.welcome([])
    assert served.service.run(served.session) == Ended(Cause.ENDED, "too late")


def test_an_answer_that_comes_after_goodbye_is_dropped(served: Served) -> None:
    ended = served.run()
    served.backend.is_holding = True
    served.client.say(m.EnqueueFillBuffer(2, 3, b"x", 0, 4), m.Finish(2), m.Goodbye())
    assert ended.result(5).cause is Cause.GOODBYE
    for event in served.backend.running:
        event.end()
    wait_until(lambda: served.session.completion.oldest_s() == 0)


def test_a_build_may_take_longer_than_a_dead_peer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, limit_s in ("DEAD_PEER_S", 1), ("LOOK_EVERY_S", 0.2):
        monkeypatch.setattr(channel, name, limit_s)
    for name in ("KEEPALIVE_IDLE_S", "KEEPALIVE_INTERVAL_S", "KEEPALIVE_COUNT"):
        monkeypatch.setattr(channel, name, 1)
    backend, built = ScriptedBackend(), threading.Event()
    share = Share(device=backend.devices()[0], memory_bytes=SHARE_BYTES)
    build, limits = backend.build_program, m.Limits()

    def long_build(*args: Any) -> None:
        assert built.wait(10)
        build(*args)

    monkeypatch.setattr(backend, "build_program", long_build)

    def serve(listener: socket.socket) -> Ended:
        theirs, _ = listener.accept()
        hello = theirs.recv(PREFIX_BYTES)
        hello += theirs.recv(PREFIX.unpack(hello)[0])
        service = Service(theirs, hello, "S1", limits)
        session = Session(backend, [share], limits, service.reply)
        service.welcome([])
        with theirs:
            return service.run(session)

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(2) as threads:
        ended = threads.submit(serve, listener)
        with Connection.open(listener.getsockname(), "a token") as connection:
            connection.post(m.CreateContext(1, [0]))
            connection.post(m.CreateProgramWithSource(2, 1, "kernel void k() {}"))
            answer = threads.submit(connection.ask, m.BuildProgram(2, [0]), m.Built, 20)
            with pytest.raises(TimeoutError):
                answer.result(3.5)
            built.set()
            assert [kernel.name for kernel in answer.result(5).kernels] == ["k"]
            connection.call(m.Sync(), 60)
        assert ended.result(5).cause is Cause.GOODBYE


def test_a_client_may_leave_its_answers_unread_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "DEAD_PEER_S", 1)
    limits, size = m.Limits(), 16 << 20
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    backend = ScriptedBackend()
    share = Share(device=backend.devices()[0], memory_bytes=size)
    with ThreadPoolExecutor(1) as threads, RawClient(ours) as client, theirs:
        service = Service(theirs, frame(HELLO), "S1", limits)
        session = Session(backend, [share], limits, service.reply)
        service.welcome([])
        ended = threads.submit(service.run, session)
        client.say(m.CreateContext(1, [0]), m.CreateCommandQueue(2, 1, 0), m.CreateBuffer(3, 1, 1, size))
        client.say(m.EnqueueReadBuffer(2, 3, 0, size), m.Goodbye())
        with pytest.raises(TimeoutError):
            ended.result(2.5)
        assert isinstance(client.receive()[0], m.Welcome)
        assert client.receive() == (m.Data(4), bytes(size))
        assert ended.result(5).cause is Cause.GOODBYE
