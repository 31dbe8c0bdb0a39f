"""What tests do with sockets whose other end may be gone already."""

from __future__ import annotations

import contextlib
import socket


def end_writing(stream: socket.socket) -> None:
    """Say nothing more, and still listen. It does nothing where the other end heard enough and closed."""
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_WR)
