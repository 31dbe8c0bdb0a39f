"""Streams over TLS for tests, and certificates that are not as they should be."""

from __future__ import annotations

import functools
import socket
import ssl
import threading

from accelpool_node.certificate import Certificate, door
from accelpool_node.own_certificate import make_certificate
from accelpool_wire.tls import SECRET_BYTES, join

PATIENCE_S = 30.0
SECRET = bytes(range(SECRET_BYTES))


@functools.cache
def certificate() -> Certificate:
    """The certificate of the side that accepts."""
    return make_certificate()


def secured_pair() -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """Return two ends of a stream, past handshake and secret: of the side that connects, and that accepts."""
    ours, theirs = socket.socketpair()
    pin = certificate().sha256
    accepted: list[ssl.SSLSocket] = []

    def accept() -> None:
        accepted.append(door(certificate(), SECRET).admit(theirs, PATIENCE_S))

    accepting = threading.Thread(target=accept)
    accepting.start()
    secured = join(ours, pin, PATIENCE_S)
    secured.sendall(SECRET)
    accepting.join()
    secured.settimeout(None)
    return secured, accepted[0]
