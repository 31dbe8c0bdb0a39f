"""The floor: what a bare TCP connection between two processes on loopback can do.

The peer (`python -m bench.floor PORT`) answers requests of 64 bytes:

    offset  type    meaning
    0       u8      1: echo these bytes; 2: send `size` bytes, blocking; 3: likewise, polling for room
    8       u64 LE  how long to spin for the next request before blocking, in ns
    16      u64 LE  size
"""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import sys
import time

import numpy as np

from bench.operations import Series, now

REQUEST = struct.Struct("<B7xQQ40x")
ECHO, STREAM, POLLED_STREAM = 1, 2, 3
CONNECT_LIMIT_S = 20.0


class Connection:
    """A connection to a peer of our own, which lives as long as this is open."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(CONNECT_LIMIT_S)
            port = server.getsockname()[1]
            self._peer = subprocess.Popen([sys.executable, "-m", "bench.floor", str(port)])
            self._stream, _ = server.accept()
        _prepare(self._stream)

    def ask(self, kind: int, into: memoryview, spin_s: float = 0.0, size: int = 0) -> None:
        """Send a request and receive its answer into memory."""
        self._stream.sendall(REQUEST.pack(kind, int(spin_s * 1e9), size))
        _receive(self._stream, into, spin_s)

    def close(self) -> None:
        """End the connection, and with it the peer."""
        self._stream.close()
        self._peer.wait()


class PingPong:
    """64 bytes there and back.

    Args:
        connection: The way.
        spin_s: How long both ends look for the next bytes before they block.
    """

    def __init__(self, connection: Connection, spin_s: float) -> None:
        self._connection = connection
        self._spin_s = spin_s
        self._answer = memoryview(bytearray(REQUEST.size))

    def run(self, count: int) -> Series:
        """Series: spinning or blocking."""
        samples = []
        for _ in range(count):
            start = now()
            self._connection.ask(ECHO, self._answer, self._spin_s)
            samples.append(now() - start)
        return {"spinning" if self._spin_s else "blocking": samples}


class Stream:
    """Many bytes one way, received into their place.

    Args:
        connection: The way.
        size: In bytes.
        is_polling: Whether the sender polls for room instead of blocking until all is sent.
    """

    def __init__(self, connection: Connection, size: int, *, is_polling: bool) -> None:
        self._connection = connection
        self._kind, self._series = (POLLED_STREAM, "polling") if is_polling else (STREAM, "stream")
        self._target = memoryview(_memory(size))
        self.run(1)

    def run(self, count: int) -> Series:
        """Series: stream or polling."""
        samples = []
        for _ in range(count):
            start = now()
            self._connection.ask(self._kind, self._target, size=self._target.nbytes)
            samples.append(now() - start)
        return {self._series: samples}


def _memory(size: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Return memory as NumPy has it, in huge pages where the system has them: so have most users."""
    return np.random.default_rng(1).integers(0, 256, size, np.uint8)


def _prepare(stream: socket.socket) -> None:
    stream.settimeout(None)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _receive(stream: socket.socket, into: memoryview, spin_s: float) -> bool:
    """Fill the memory from the stream; whether the other side is still there."""
    while into:
        count = _spin(stream, into, spin_s) if spin_s else -1
        if count < 0:
            count = stream.recv_into(into)
        if not count:
            return False
        into = into[count:]
    return True


def _spin(stream: socket.socket, into: memoryview, spin_s: float) -> int:
    deadline = time.perf_counter() + spin_s
    while time.perf_counter() < deadline:
        try:
            return stream.recv_into(into, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            os.sched_yield()
    return -1


def _send_polling(stream: socket.socket, content: memoryview) -> None:
    poller = select.poll()
    poller.register(stream, select.POLLOUT)
    while content:
        try:
            content = content[stream.send(content, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            poller.poll()


def serve(stream: socket.socket) -> None:
    """Answer requests until the other side closes."""
    request = memoryview(bytearray(REQUEST.size))
    content = memoryview(b"")
    spin_s = 0.0
    while _receive(stream, request, spin_s):
        kind, spin_ns, size = REQUEST.unpack(request)
        spin_s = spin_ns / 1e9
        if kind == ECHO:
            stream.sendall(request)
            continue
        if len(content) != size:
            content = memoryview(_memory(size))
        if kind == POLLED_STREAM:
            _send_polling(stream, content)
        else:
            stream.sendall(content)


if __name__ == "__main__":
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connected:
        _prepare(connected)
        serve(connected)
