"""What tests do with sockets whose other end may be gone already, and which port a server comes back to."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from pathlib import Path

GIVEN_AWAY = Path("/proc/sys/net/ipv4/ip_local_port_range")
WORKER = "PYTEST_XDIST_WORKER"


def end_writing(stream: socket.socket) -> None:
    """Say nothing more, and still listen. It does nothing where the other end heard enough and closed."""
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_WR)


def lasting_port() -> int:
    """Return a free port for a server that starts again there.

    It is below those that the system gives away: meanwhile anybody's connection might be given one of these.
    Of sixteen each of pytest's processes has its own, so that no two take one before a server is there, and
    the port after each is nobody's.
    """
    first, own = int(GIVEN_AWAY.read_text().split()[0]), int(os.environ.get(WORKER, "gw0").removeprefix("gw"))
    while True:
        port = random.randrange(first // 32, first // 16) * 16 + own % 8 * 2
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
