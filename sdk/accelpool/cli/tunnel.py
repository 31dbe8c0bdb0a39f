"""A way over TLS to a lease's endpoint, for the native driver, which does none.

It listens on loopback. Whoever connects speaks to the node as if there were no TLS: the first frame goes to
the node's agent, and what follows to and from the worker that the agent hands over to. So the token in the
first frame decides who gets in, here as there; who has none gets nothing but a connection to the node.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time

import msgspec

from accelpool.records import EndpointRecord
from accelpool_wire import messages as m
from accelpool_wire.channel import connect, prepare, read_exactly
from accelpool_wire.errors import AccelpoolError, ReadError
from accelpool_wire.frames import FIRST_BODY_BYTES, PREFIX, PREFIX_BYTES
from accelpool_wire.handshake import follow, introduce

LOOPBACK = "127.0.0.1"
HELLO_LIMIT_S = 10.0
MAX_CONNECTIONS = 64
PIECE_BYTES = 256 * 1024
RECORD_BYTES = 16 * 1024
WANTS = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_decoder: msgspec.msgpack.Decoder[m.Handover | m.Refused] = msgspec.msgpack.Decoder(m.Handover | m.Refused)


class Tunnel:
    """Listens from its making on; a daemon thread serves each connection.

    Args:
        endpoint: Where it leads.

    Attributes:
        port: Where it listens, on loopback.
    """

    def __init__(self, endpoint: EndpointRecord) -> None:
        self._endpoint = endpoint
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="tunnel", daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those that are served go on."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                stream, _ = self._listener.accept()
                if self._free.acquire(blocking=False):
                    threading.Thread(target=self._serve, args=(stream,), daemon=True).start()
                else:
                    stream.close()

    def _serve(self, stream: socket.socket) -> None:
        try:
            with stream, contextlib.suppress(AccelpoolError, OSError, msgspec.MsgspecError):
                prepare(stream)
                worker = self._open(stream, _first_frame(stream))
                if worker is not None:
                    with worker:
                        relay(stream, worker)
        finally:
            self._free.release()

    def _open(self, stream: socket.socket, frame: bytes) -> ssl.SSLSocket | None:
        """Return the connection to the worker; None if the agent has refused, which is passed on."""
        endpoint = self._endpoint
        node = connect((endpoint.host, endpoint.port), HELLO_LIMIT_S)
        node, body = introduce(node, endpoint.certificate_sha256, frame, HELLO_LIMIT_S)
        answer = _decoder.decode(body)
        if isinstance(answer, m.Handover):
            return follow(node, answer, HELLO_LIMIT_S)
        node.close()
        stream.sendall(PREFIX.pack(len(body), 0) + body)
        return None


class Tunnels:
    """Tunnels to endpoints that do TLS: one to each, made when it is first asked for."""

    def __init__(self) -> None:
        self._tunnels: dict[tuple[str, int, str], Tunnel] = {}

    def port_to(self, endpoint: EndpointRecord) -> int:
        """Return the port of the tunnel to an endpoint; 0 if none is needed.

        Raises:
            OSError: There is no room for one.
        """
        if not endpoint.certificate_sha256:
            return 0
        where = endpoint.host, endpoint.port, endpoint.certificate_sha256
        if where not in self._tunnels:
            self._tunnels[where] = Tunnel(endpoint)
        return self._tunnels[where].port


def _first_frame(stream: socket.socket) -> bytes:
    """Return the first frame, and nothing of what follows it.

    Raises:
        ReadError: It is none, or not there in time.
    """
    due_s = time.monotonic() + HELLO_LIMIT_S
    prefix = read_exactly(stream, PREFIX_BYTES, due_s)
    size, payload_bytes = PREFIX.unpack(prefix)
    if not 0 < size <= FIRST_BODY_BYTES or payload_bytes:
        raise ReadError(f"a first frame of {size} and {payload_bytes} bytes")
    return prefix + read_exactly(stream, size, due_s)


class _Way:
    """Bytes on their way from one stream to the other."""

    def __init__(self, source: socket.socket, target: socket.socket, at_once: int) -> None:
        self._source = source
        self._target = target
        self._at_once = at_once
        self._room = memoryview(bytearray(PIECE_BYTES))
        self._waiting = self._room[:0]
        self.is_over = False

    def move(self) -> bool:
        """Move what can be moved; whether there was any."""
        has_moved = False
        with contextlib.suppress(*WANTS):
            if not self._waiting:
                count = self._source.recv_into(self._room)
                self.is_over = not count
                self._waiting = self._room[:count]
                has_moved = True
            while self._waiting:
                self._waiting = self._waiting[self._target.send(self._waiting[: self._at_once]) :]
                has_moved = True
        return has_moved

    def awaits(self) -> tuple[socket.socket, int]:
        """Return for what it waits."""
        return (self._target, select.POLLOUT) if self._waiting else (self._source, select.POLLIN)


def relay(plain: socket.socket, secured: ssl.SSLSocket) -> None:
    """Pass bytes on, both ways, until either side ends.

    Raises:
        OSError: Either connection broke.
    """
    plain.setblocking(False)
    secured.setblocking(False)
    ways = _Way(plain, secured, RECORD_BYTES), _Way(secured, plain, PIECE_BYTES)
    while not any(way.is_over for way in ways):
        have_moved = [way.move() for way in ways]  # both, whichever was first
        if any(have_moved):
            continue
        events: dict[socket.socket, int] = {}
        for stream, event in (way.awaits() for way in ways):
            events[stream] = events.get(stream, 0) | event
        poller = select.poll()
        for stream, event in events.items():
            poller.register(stream, event)
        poller.poll()
