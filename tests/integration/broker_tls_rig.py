"""A broker over TLS, with a certificate of an authority that `accelpool ca` made."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from accelpool.cli.certificate_authority import CertificateAuthority

from .test_broker_process import Broker

HOSTS = ["127.0.0.1", "localhost"]


def issued(folder: Path) -> Path:
    made = CertificateAuthority(folder)
    made.create()
    made.issue(HOSTS)
    return folder


def options(folder: Path) -> list[str]:
    return ["--tls-cert", str(folder / "127.0.0.1.pem"), "--tls-key", str(folder / "127.0.0.1.key")]


def started(folder: Path, state: Path) -> Iterator[Broker]:
    running = Broker(state, 0, *options(folder), ca=str(folder / "ca.pem"))
    assert running.url, running.process.stderr and running.process.stderr.read()
    yield running
    stop(running)


def stop(running: Broker) -> None:
    running.process.terminate()
    running.process.communicate(timeout=60)


def certificate_at(port: int, ca: Path) -> bytes:
    """Return the certificate that is shown there, if the authority vouches for it."""
    context = ssl.create_default_context(cafile=ca)
    with (
        socket.create_connection(("127.0.0.1", port), 60) as stream,
        context.wrap_socket(stream, server_hostname="127.0.0.1") as secured,
    ):
        found = secured.getpeercert(binary_form=True)
        assert found is not None
        return found
