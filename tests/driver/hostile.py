"""A proxy before a worker that damages what the worker says, and hangs up where nothing follows any more."""

from __future__ import annotations

import contextlib
import json
import random
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

IDLE_S = 1.0
CHUNK = 65536


@contextlib.contextmanager
def damaging(lease_file: Path, seed: int) -> Iterator[Path]:
    """Yield a lease file whose one endpoint is a proxy to the real one's."""
    lease = json.loads(lease_file.read_text())
    endpoint = lease["endpoints"][0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = (endpoint["host"], endpoint["port"])
        thread = threading.Thread(target=serve, args=(listener, address, random.Random(seed)))
        thread.start()
        damaged = {**lease, "endpoints": [{**endpoint, "port": listener.getsockname()[1]}]}
        path = lease_file.with_suffix(f".{seed}.json")
        path.write_text(json.dumps(damaged))
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            path.unlink()


def serve(listener: socket.socket, address: tuple[str, int], chance: random.Random) -> None:
    """Serve one client after the other until the listener is shut down."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client, socket.create_connection(address) as worker, contextlib.suppress(OSError):
                relay(client, worker, chance)


def relay(client: socket.socket, worker: socket.socket, chance: random.Random) -> None:
    """Pass bytes on until one side ends; from some byte on one in a hundred of the worker's is wrong."""
    harmless = chance.choice([0, 500, 8000, 9000, 12000])
    while ready := select.select([client, worker], [], [], IDLE_S)[0]:
        for stream in ready:
            content = bytearray(stream.recv(CHUNK))
            if not content:
                return
            if stream is client:
                worker.sendall(content)
                continue
            for place in range(max(0, harmless), len(content)):
                if chance.random() < 0.01:
                    content[place] = chance.randrange(256)
            harmless -= len(content)
            client.sendall(content)
