"""A proxy before a worker that changes what the worker says, and hangs up where nothing follows any more.

It can also listen to what the driver says.
"""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

IDLE_S = 1.0
CHUNK = 65536

Change = Callable[[bytes], bytes]
"""What becomes of some bytes of the worker's."""
Listen = Callable[[bytes], None]
"""Hears some bytes of the driver's."""


def damaging(lease_file: Path, seed: int) -> contextlib.AbstractContextManager[Path]:
    """Return a lease file whose worker says what makes no sense."""
    chance = random.Random(seed)
    return changing(lease_file, lambda: damage(chance))


@contextlib.contextmanager
def changing(
    lease_file: Path,
    change: Callable[[], Change],
    listen: Callable[[], Listen] = lambda: lambda _: None,
    idle_s: float = IDLE_S,
) -> Iterator[Path]:
    """Yield a lease file whose one endpoint is a proxy to the real one's.

    Args:
        lease_file: Of the real one.
        change: Gives what becomes of the worker's bytes, for each connection.
        listen: Gives what hears the driver's bytes, for each connection.
        idle_s: It hangs up when nothing was said for so long.
    """
    lease = json.loads(lease_file.read_text())
    endpoint = lease["endpoints"][0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = (endpoint["host"], endpoint["port"])
        thread = threading.Thread(target=serve, args=(listener, address, change, listen, idle_s))
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


def serve(
    listener: socket.socket,
    address: tuple[str, int],
    change: Callable[[], Change],
    listen: Callable[[], Listen],
    idle_s: float,
) -> None:
    """Serve one client after the other until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, socket.create_connection(address) as worker, contextlib.suppress(OSError):
                relay(client, worker, change(), listen(), idle_s)


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
    client: socket.socket, worker: socket.socket, change: Change, listen: Listen, idle_s: float
) -> None:
    """Pass bytes on until one side ends, the worker's changed."""
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
