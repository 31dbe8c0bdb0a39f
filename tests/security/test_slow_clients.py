"""Crowds that begin and do not go on: whoever is honest is served beside them, on both planes."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from accelpool_node.agent import listener
from accelpool_node.agent.listener import MAX_CONNECTIONS, MAX_READING, Listener, listen
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.messages import Hello
from accelpool_wire.open_files import allow_open_files
from accelpool_wire.testing import frame

from ..conftest import Pool, wait_until
from ..integration.agent_rig import FakeBroker, Node
from .raw_http import RawHttp

FILES = 12_000
CROWD = 3000  # the broker answers, or keeps waiting, 1400 at once and lets 1000 more wait for that
CROWD_OF_A_NODE = 800
FEW_FILES = 6000
PATIENCE_S = 25.0  # for a busy machine; Granian waits 30 s for the rest of a head, a node 5 s for each frame
NEVER_S = 3600.0


@contextlib.contextmanager
def crowd(address: Any, count: int, content: bytes) -> Iterator[list[socket.socket]]:
    """Give connections on which so much was said, and no more."""
    allow_open_files(FILES)
    with contextlib.ExitStack() as stack:
        streams = []
        for _ in range(count):
            stream = stack.enter_context(socket.create_connection(address, PATIENCE_S))
            with contextlib.suppress(ConnectionError):
                stream.sendall(content)
            streams.append(stream)
        yield streams


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"G",
        b"GET /health HTTP/1.1\r\n",
        b"GET /health HTTP/1.1\r\nHost: pool\r\nX: ",
        b"PRI * HTTP/2.0\r\n\r\n",
    ],
    ids=["silent", "a-byte", "a-line", "half-a-head", "another-version"],
)
def test_half_heads_do_not_stop_the_broker(null_pool: Any, content: bytes) -> None:
    with crowd(RawHttp(null_pool).address, CROWD, content):
        assert requests.get(null_pool.url + "/health", timeout=PATIENCE_S).ok


BEGUN_TLS = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /health HTTP/1.1\r\n\r\n"]
OF_TLS = ["silent", "a-byte", "half-a-hello", "without-tls"]


@pytest.mark.parametrize("content", BEGUN_TLS, ids=OF_TLS)
def test_half_handshakes_do_not_stop_a_broker_that_does_tls(secure_null_pool: Any, content: bytes) -> None:
    with crowd(RawHttp(secure_null_pool).address, CROWD, content):
        url = secure_null_pool.url + "/health"
        assert requests.get(url, verify=secure_null_pool.ca, timeout=PATIENCE_S).ok


@contextlib.contextmanager
def rush(address: Any, count: int) -> Iterator[None]:
    """Have so many connections under way, whether they are let in or not."""
    allow_open_files(FILES)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stream = stack.enter_context(socket.socket())
            stream.setblocking(False)
            stream.connect_ex(address)
        yield


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "tls"])
def test_a_crowd_larger_than_there_are_descriptors_for_leaves_nothing_behind(
    tmp_path: Path, has_tls: bool
) -> None:
    pool = Pool(folder=tmp_path, backend="null:1", has_tls=has_tls)
    pool.start_broker()
    try:
        resource.prlimit(pool.broker.process.pid, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
        with rush(RawHttp(pool).address, FEW_FILES + 2000):
            wait_until(lambda: "whoever comes has to wait" in (tmp_path / "broker.log").read_text())
        assert requests.get(pool.url + "/health", verify=pool.ca or True, timeout=60).ok
    finally:
        pool.stop()


@pytest.fixture(scope="module")
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def node(broker: FakeBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(broker, tmp_path_factory.mktemp("agent") / "state") as node:
        yield node


@pytest.mark.parametrize(
    "content",
    [b"", b"\x10", b"\x10\0\0\0" + bytes(8) + b"x", b"\xff" * 12, b"GET / HTTP/1.1\r\n\r\n"],
    ids=["silent", "a-byte", "half-a-body", "too-large", "another-protocol"],
)
def test_half_frames_do_not_stop_a_node(broker: FakeBroker, node: Node, content: bytes) -> None:
    token = broker.token("slow", "0")
    there = node.ready["host"], node.ready["port"]
    with crowd(there, CROWD_OF_A_NODE, content), node.session(token) as (_, welcome):
        assert welcome.version == 1


@pytest.fixture(scope="module")
def secure_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with FakeBroker() as broker, Node(broker, tmp_path_factory.mktemp("agent") / "state", "--tls") as node:
        yield node


@pytest.mark.parametrize("content", BEGUN_TLS, ids=OF_TLS)
def test_half_handshakes_do_not_stop_a_node_that_does_tls(secure_node: Node, content: bytes) -> None:
    ready = secure_node.ready
    address, certificate = (ready["host"], ready["port"]), ready["certificate_sha256"]
    token = secure_node.broker.token("slow", "0")
    with (
        crowd(address, CROWD_OF_A_NODE, content),
        Connection.open(address, token, certificate_sha256=certificate) as connection,
    ):
        connection.ask(m.Sync(), m.Done)


def test_whoever_is_turned_away_makes_room_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "FAREWELL_S", 60.0)  # however slow this machine is

    async def scenario() -> None:
        served = asyncio.Event()

        async def serve(*_: object) -> None:
            served.set()

        stream = listen(("127.0.0.1", 0))
        listening = asyncio.create_task(Listener(stream, serve, NEVER_S).run())
        writers = []
        for content in [b"\x10"] * (MAX_CONNECTIONS + MAX_READING) + [frame(Hello([1], [], "token"))]:
            _, writer = await asyncio.open_connection(*stream.getsockname())
            writer.write(content)
            writers.append(writer)
        await asyncio.wait_for(served.wait(), PATIENCE_S)
        for writer in writers:
            writer.close()
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening

    asyncio.run(scenario())


def test_a_crowd_that_comes_at_once_makes_room_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BACKLOG", 2 * MAX_CONNECTIONS)  # all of it waits to be accepted

    async def scenario() -> None:
        served = asyncio.Event()

        async def serve(*_: object) -> None:
            served.set()

        stream = listen(("127.0.0.1", 0))
        with crowd(stream.getsockname(), MAX_CONNECTIONS + 1, b"\x10"):
            honest = socket.create_connection(stream.getsockname(), PATIENCE_S)
            honest.sendall(frame(Hello([1], [], "token")))
            listening = asyncio.create_task(Listener(stream, serve, NEVER_S).run())
            with honest:
                await asyncio.wait_for(served.wait(), PATIENCE_S)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    asyncio.run(scenario())


def test_sessions_that_are_there_go_on_in_a_crowd(broker: FakeBroker, node: Node) -> None:
    with (
        node.session(broker.token("slow", "0")) as (stream, welcome),
        crowd((node.ready["host"], node.ready["port"]), CROWD_OF_A_NODE, b"\x10"),
    ):
        broker.wait_for_report(lambda report: welcome.session in [one["id"] for one in report["sessions"]])
        stream.setblocking(False)
        with pytest.raises(BlockingIOError):
            stream.recv(1)
    assert node.refusal(Hello([1], [], "none")).problem == "unauthorized"
