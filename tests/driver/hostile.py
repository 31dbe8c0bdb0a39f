"""A proxy before a worker: changes what the worker says, has it late, or listens to what the driver says.

It hangs up where nothing follows any more.
"""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

IDLE_S = 1.0
QUIET_S = 30.0  # where the worker may have to compile
CHUNK = 65536

LATE_S = 0.2
HEADER = struct.Struct("<IQ")
DATA = 62

Change = Callable[[bytes], bytes]
"""What becomes of some bytes of the worker's."""

Listen = Callable[[bytes], object]
"""Hears some bytes of the driver's."""

Relay = Callable[[socket.socket, socket.socket], None]
"""Passes on what a client and a worker say."""


def damaging(lease_file: Path, seed: int) -> contextlib.AbstractContextManager[Path]:
    """Return a lease file whose worker says what makes no sense."""
    chance = random.Random(seed)
    return changing(lease_file, lambda: damage(chance))


def changing(lease_file: Path, change: Callable[[], Change]) -> contextlib.AbstractContextManager[Path]:
    """Return a lease file whose worker's words are changed, with a change per connection."""
    return proxied(lease_file, lambda client, worker: relay(client, worker, change()))


def delaying(lease_file: Path) -> contextlib.AbstractContextManager[Path]:
    """Return a lease file whose worker's `Data` comes late: after all else that the worker says meanwhile."""
    return proxied(lease_file, relay_data_last)


def listening(lease_file: Path, listen: Callable[[], Listen]) -> contextlib.AbstractContextManager[Path]:
    """Return a lease file whose driver's words are heard, by one listener per connection."""
    return proxied(
        lease_file, lambda client, worker: relay(client, worker, bytes, listen=listen(), idle_s=QUIET_S)
    )


@contextlib.contextmanager
def proxied(lease_file: Path, relay_all: Relay) -> Iterator[Path]:
    """Yield a lease file whose one endpoint is a proxy to the real one's."""
    lease = json.loads(lease_file.read_text())
    endpoint = lease["endpoints"][0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = (endpoint["host"], endpoint["port"])
        thread = threading.Thread(target=serve, args=(listener, address, relay_all))
        thread.start()
        damaged = {**lease, "endpoints": [{**endpoint, "port": listener.getsockname()[1]}]}
        path = lease_file.with_suffix(".changed.json")
        path.write_text(json.dumps(damaged))
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink()


def serve(listener: socket.socket, address: tuple[str, int], relay_all: Relay) -> None:
    """Serve one client after the other until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, socket.create_connection(address) as worker, contextlib.suppress(OSError):
                relay_all(client, worker)


def damage(chance: random.Random) -> Change:
    """Return a change by which from some byte on one in a hundred is wrong."""
    harmless = chance.choice([0, 500, 8000, 9000, 12000])

    def change(content: bytes) -> bytes:
        nonlocal harmless
        damaged = bytearray(content)
        for place in range(max(0, harmless), len(damaged)):
            if chance.random() < 0.01:
                damaged[place] = chance.randrange(256)
        harmless -= len(damaged)
        return bytes(damaged)

    return change


def relay(
    client: socket.socket,
    worker: socket.socket,
    change: Change,
    *,
    listen: Listen = bytes,
    idle_s: float = IDLE_S,
) -> None:
    """Pass bytes on until one side ends, or both are idle, the worker's changed and the driver's heard."""
    while ready := select.select([client, worker], [], [], idle_s)[0]:
        for stream in ready:
            content = stream.recv(CHUNK)
            if not content:
                return
            if stream is client:
                listen(content)
                worker.sendall(content)
            else:
                client.sendall(change(content))


def relay_data_last(client: socket.socket, worker: socket.socket) -> None:
    """Pass on what the worker sends, its `Data` once it has said nothing for a while."""
    said, late = bytearray(), b""
    while True:
        ready = select.select([client, worker], [], [], LATE_S if late else None)[0]
        if not ready:
            client.sendall(late)
            late = b""
        for stream in ready:
            content = stream.recv(CHUNK)
            if not content:
                return
            if stream is client:
                worker.sendall(content)
                continue
            said += content
            while frame := take_frame(said):
                if frame[HEADER.size + 1] == DATA:
                    late += frame
                else:
                    client.sendall(frame)


def take_frame(said: bytearray) -> bytes:
    """Remove the first frame if it is there as a whole, and return it."""
    if len(said) < HEADER.size:
        return b""
    size = HEADER.size + sum(HEADER.unpack_from(said))
    if len(said) < size:
        return b""
    frame = bytes(said[:size])
    del said[:size]
    return frame
