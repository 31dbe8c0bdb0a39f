"""An agent's /metrics: over HTTP as Prometheus does, with a token and over TLS, whoever else asks."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from accelpool_node.agent.metrics_address import MetricsAddress
from accelpool_node.agent.metrics_server import MAX_CONNECTIONS, MAX_HEAD_BYTES, MetricsServer
from accelpool_node.agent.tally import Tally
from accelpool_node.control import Traffic
from accelpool_node.own_certificate import make_certificate
from accelpool_wire.errors import Unavailable

from ..conftest import wait_until
from ..metrics_rig import Exposition, agents_registry
from .agent_rig import FakeBroker, Node

GET = b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n"


@contextlib.asynccontextmanager
async def serving(
    token: str = "", context: ssl.SSLContext | None = None, *, limit_s: float = 60.0
) -> AsyncIterator[int]:
    address = MetricsAddress(host="127.0.0.1", port=0, token=token, is_secure=context is not None)
    async with MetricsServer(address, agents_registry(), context, limit_s=limit_s) as server:
        yield server.port


async def ask(port: int, request: bytes = GET, context: ssl.SSLContext | None = None) -> tuple[str, str]:
    """Return the status line and the body of an answer; both are empty if there was none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(request)
        answer = (await reader.read()).decode()
    except ConnectionError:
        answer = ""
    finally:
        writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    return head.partition("\r\n")[0], body


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


def test_metrics_are_told_in_prometheus_format() -> None:
    async def body() -> None:
        async with serving() as port:
            status, text = await ask(port)
        assert status == "HTTP/1.1 200 OK"
        told = Exposition(text)
        assert told.value("accelpool_agent_device_up", device="null/null-0") == 1
        assert told.value("accelpool_agent_sessions", environment="null") == 1
        assert told.value("accelpool_agent_builds_total", outcome="hit") == 3
        assert told.value("accelpool_agent_build_seconds_total") == 1.5

    run(body)


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /metrics?x=1 HTTP/1.0\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /metrics SPDY/3\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400),
        (b"GET /metrics HTTP/1.1\r\na: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n", 400),
    ],
)
def test_what_is_asked_otherwise_is_answered_with_a_status(request_head: bytes, status: int) -> None:
    async def body() -> None:
        async with serving() as port:
            line, _ = await ask(port, request_head)
        assert line.split(" ")[1] == str(status)

    run(body)


def test_with_a_token_only_who_shows_it_may_read() -> None:
    def showing(token: str) -> bytes:
        return GET[:-2] + f"Authorization: Bearer {token}\r\n\r\n".encode()

    async def body() -> None:
        async with serving("s3cret") as port:
            assert (await ask(port))[0].endswith("401 Unauthorized")
            assert (await ask(port, showing("s3cre")))[0].endswith("401 Unauthorized")
            assert (await ask(port, showing("s3cret")))[0].endswith("200 OK")

    run(body)


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_probe_needs_no_token(path: str) -> None:
    async def body() -> None:
        async with serving("s3cret") as port:
            assert await ask(port, f"GET {path} HTTP/1.1\r\n\r\n".encode()) == ("HTTP/1.1 200 OK", "OK\n")
            status, _ = await ask(port, f"POST {path} HTTP/1.1\r\n\r\n".encode())
            assert status == "HTTP/1.1 405 Method Not Allowed"

    run(body)


def test_an_agent_is_alive_but_not_ready_while_its_broker_is_away(tmp_path: Path) -> None:
    def probed(path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{node.ready['metrics_port']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    with FakeBroker() as broker:
        broker.heartbeat_s, broker.lost_after_s = 0.2, 1.0
        with Node(broker, tmp_path / "state", "--metrics", "127.0.0.1:0") as node:
            wait_until(lambda: probed("/readyz") == (200, "OK\n"))
            with broker.changed:
                broker.failures[:] = [503] * 1000
            wait_until(lambda: probed("/readyz")[0] == 503)
            assert "the broker has not answered for" in probed("/readyz")[1]
            assert probed("/livez") == (200, "OK\n")
            with broker.changed:
                broker.failures.clear()
            wait_until(lambda: probed("/readyz")[0] == 200)


def test_over_tls_who_speaks_in_the_clear_gets_nothing() -> None:
    certificate = make_certificate()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

    async def body() -> None:
        async with serving(context=certificate.context) as port:
            assert (await ask(port, context=client))[0] == "HTTP/1.1 200 OK"
            assert (await ask(port)) == ("", "")

    run(body)


@contextlib.asynccontextmanager
async def crowding(port: int) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Connect as often as one may, and say nothing."""
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
    try:
        yield crowd
    finally:
        for _, writer in crowd:
            writer.close()


def test_a_crowd_that_says_nothing_keeps_nobody_out_and_its_oldest_goes() -> None:
    async def body() -> None:
        async with serving() as port, crowding(port) as crowd:
            assert (await ask(port))[0].endswith("200 OK")
            assert await crowd[0][0].read() == b""

    run(body)


@pytest.mark.parametrize(
    "accepted", ["text/plain; version=zz", "application/openmetrics-text; version=abc", ";;", "é"]
)
def test_whatever_a_reader_says_that_it_accepts_it_is_told(accepted: str) -> None:
    async def body() -> None:
        async with serving() as port:
            assert (await ask(port, GET[:-2] + f"Accept: {accepted}\r\n\r\n".encode("latin-1")))[0].endswith(
                "200 OK"
            )

    run(body)


def test_a_crowd_that_says_nothing_is_gone_in_time() -> None:
    async def body() -> None:
        async with serving(limit_s=0.05) as port, crowding(port) as crowd:
            assert [await reader.read() for reader, _ in crowd] == [b""] * MAX_CONNECTIONS

    run(body)


def test_a_taken_port_is_told_at_the_start() -> None:
    async def body() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = MetricsAddress(host="127.0.0.1", port=taken.getsockname()[1], token="", is_secure=False)
            with pytest.raises(Unavailable, match=r"cannot listen on 127\.0\.0\.1"):
                async with MetricsServer(address, agents_registry()):
                    pass

    run(body)


def test_what_a_worker_takes_back_or_makes_up_is_not_believed() -> None:
    tally = Tally()
    tally.hear(Traffic(), Traffic(commands=5, failures={"OUT_OF_RESOURCES": 1, "me\nup": 2}))
    tally.hear(Traffic(commands=5), Traffic(commands=1))
    assert tally.commands == 5
    assert tally.failures == {"OUT_OF_RESOURCES": 1, "OTHER": 2}
