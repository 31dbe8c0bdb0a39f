"""GET /metrics of an agent, and what probes ask, over HTTP/1.1, one request a connection.

    /metrics  needs the token, where there is one
    /livez    200 while the agent's loop goes round
    /readyz   200, or 503 and in a line why the node cannot serve sessions now

It runs on the agent's loop, so what it tells is of one moment; who asks is bounded in bytes, time and number.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http.client
import io
import logging
import socket
import ssl
from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from accelpool_node.agent.listener import ACCEPT_PAUSE_S, listen
from accelpool_node.agent.metrics_address import MetricsAddress
from accelpool_wire.errors import Invalid

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 8 * 1024
MAX_CONNECTIONS = 16
LIMIT_S = 5.0
METRICS, LIVEZ, READYZ = "/metrics", "/livez", "/readyz"
PROBES = (LIVEZ, READYZ)
END_OF_HEAD = b"\r\n\r\n"
PLAIN = "text/plain; charset=utf-8"
FIXED_HEADERS = "Connection: close\r\nCache-Control: no-store\r\n"


class MetricsServer:
    """Tells metrics to whoever may read them, as an asynchronous context manager.

    Args:
        address: Where, and to whom.
        registry: What is told.
        context: For TLS; None to do without.
        why_not_ready: Returns why the node cannot serve sessions, "" if it can.
        limit_s: How long a connection may take, from its start to the end of the answer.

    Attributes:
        port: Where it listens, from when it is entered.
    """

    def __init__(
        self,
        address: MetricsAddress,
        registry: CollectorRegistry,
        context: ssl.SSLContext | None = None,
        *,
        why_not_ready: Callable[[], str] = str,
        limit_s: float = LIMIT_S,
    ) -> None:
        self.port = 0
        self._address = address
        self._registry = registry
        self._context = context
        self._why_not_ready = why_not_ready
        self._limit_s = limit_s
        self._tasks: dict[asyncio.Task[None], None] = {}  # the oldest first

    async def __aenter__(self) -> MetricsServer:
        stream = listen((self._address.host, self._address.port))
        self.port = stream.getsockname()[1]
        log.info("metrics at %s, port %d", self._address.host, self.port)
        self._accepting = asyncio.create_task(self._accept(stream))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (self._accepting, *self._tasks):
            task.cancel()

    async def _accept(self, stream: socket.socket) -> None:
        """Take connections; where there is no room, the oldest goes, so that no crowd keeps others out."""
        loop = asyncio.get_running_loop()
        with stream:
            while True:
                try:
                    client, _ = await loop.sock_accept(stream)
                except OSError as error:
                    log.warning("cannot accept who asks for metrics: %s", error)
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                if len(self._tasks) >= MAX_CONNECTIONS:
                    oldest = next(iter(self._tasks))
                    del self._tasks[oldest]
                    oldest.cancel()
                task = loop.create_task(self._serve(client))
                self._tasks[task] = None
                task.add_done_callback(self._forget)
                await asyncio.sleep(0)  # accepting does not wait while others do: this one would get no turn

    def _forget(self, task: asyncio.Task[None]) -> None:
        """Forget a connection that is over, and tell what it met if that was our mistake."""
        self._tasks.pop(task, None)  # it is gone already if it had to make room
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("metrics could not be told", exc_info=error)

    async def _serve(self, client: socket.socket) -> None:
        """Answer one request."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(MAX_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        with client, contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
            async with asyncio.timeout(self._limit_s):
                transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=self._context)
                try:
                    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
                    writer.write(await self._answer(reader))
                    writer.close()
                    await writer.wait_closed()
                finally:
                    transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            method, path, headers = _parse(await reader.readuntil(END_OF_HEAD))
        except (asyncio.LimitOverrunError, Invalid):
            return _response(HTTPStatus.BAD_REQUEST)
        path = path.partition("?")[0]
        if path not in PROBES and not self._may_read(headers.get("Authorization", "")):
            return _response(HTTPStatus.UNAUTHORIZED, "WWW-Authenticate: Bearer\r\n")
        if path not in (METRICS, *PROBES):
            return _response(HTTPStatus.NOT_FOUND)
        if method != "GET":
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, "Allow: GET\r\n")
        return self._metrics(headers.get("Accept", "")) if path == METRICS else self._probe(path)

    def _probe(self, path: str) -> bytes:
        why = self._why_not_ready() if path == READYZ else ""
        if why:
            return _response(HTTPStatus.SERVICE_UNAVAILABLE, body=f"{why}\n".encode())
        return _response(HTTPStatus.OK)

    def _metrics(self, accepted: str) -> bytes:
        try:
            encode, content_type = choose_encoder(accepted)
        except (TypeError, ValueError):  # it takes what a malformed header says for a version
            encode, content_type = choose_encoder("")
        return _response(HTTPStatus.OK, content_type=content_type, body=encode(self._registry))

    def _may_read(self, authorization: str) -> bool:
        token = self._address.token
        if not token:
            return True
        scheme, _, shown = authorization.partition(" ")
        is_right = hmac.compare_digest(shown.strip().encode(errors="replace"), token.encode())
        return scheme.lower() == "bearer" and is_right


def _parse(head: bytes) -> tuple[str, str, http.client.HTTPMessage]:
    """Return method, path and headers.

    Raises:
        Invalid: It is no request.
    """
    line, _, rest = head.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Invalid("this is no request of HTTP/1.1")
    try:
        return words[0], words[1], http.client.parse_headers(io.BytesIO(rest))
    except http.client.HTTPException as error:
        raise Invalid(f"its headers are none: {error}") from error


def _response(
    status: HTTPStatus, headers: str = "", *, content_type: str = PLAIN, body: bytes | None = None
) -> bytes:
    content = f"{status.phrase}\n".encode() if body is None else body
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(content)}\r\n{FIXED_HEADERS}{headers}\r\n"
    )
    return head.encode() + content
