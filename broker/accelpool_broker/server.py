"""Granian in this very process: one listening socket, threads that block, no child process.

Granian's own front end starts a child process per worker and lets every one bind the port for itself. A
broker killed without a word would leave that child behind, and a taken port would go unnoticed. So the worker
runs in a thread here, on a socket that is bound before.

SIGHUP has a new worker, which reads the certificate anew, take over the socket; the old one answers what it
has been asked, and goes.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import socket
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.mt import MTServer

from accelpool_wire.channel import prepare
from accelpool_wire.errors import AccelpoolError
from accelpool_wire.tls import server_context

log = logging.getLogger(__name__)

BACKLOG = 1024
SPARE_THREADS = 32
HANDOVER_S = 0.5
IDLE_S = 60
MAX_CONNECTIONS = 8192  # those who say nothing have one, too
MAX_HEAD_BYTES = 64 * 1024


class ListenError(AccelpoolError):
    """The address cannot be listened on."""


class CertificateError(AccelpoolError):
    """The files are not those of a certificate and its key."""


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """The files, in PEM, of the broker's certificate (with those up to its authority), and of its key."""

    cert: Path
    key: Path

    def check(self) -> None:
        """Make sure that they can be used.

        Raises:
            CertificateError: They cannot.
        """
        try:
            server_context(str(self.cert), str(self.key))
        except OSError as error:
            for file in (self.cert, self.key):
                if not os.access(file, os.R_OK):
                    why = os.strerror(errno.EACCES if file.exists() else errno.ENOENT)
                    raise CertificateError(f"{file} cannot be read: {why}") from error
            what = f"{self.cert} and {self.key} are no certificate and its key"
            raise CertificateError(f"{what}: {error.strerror or error}") from error


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 takes any free one.

    Raises:
        ListenError: The port is taken, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ListenError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by every connection: an answer's head and body are two writes, and must not wait 40 ms;
        # a client that is gone without a word must not hold a thread for ever.
        prepare(sock)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(f"cannot listen on {host}, port {port}: {error.strerror}") from error
    return sock


class Interruption:
    """What a server waits for: as `threading.Event`, but signal handlers may set it, too.

    A handler runs in the thread that waits. There it would wait for ever for the lock of a `threading.Event`
    if the signal came between two steps of that thread's waiting.
    """

    def __init__(self) -> None:
        self._counter = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._close = weakref.finalize(self, os.close, self._counter)

    def set(self) -> None:
        """Have whoever waits go on, now or later."""
        os.eventfd_write(self._counter, 1)

    def clear(self) -> None:
        """Have the next one wait."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._counter)

    def wait(self) -> None:
        """Wait until it is set."""
        poller = select.poll()
        poller.register(self._counter, select.POLLIN)
        poller.poll()


class Server(MTServer):
    """Serves a WSGI application on a bound socket until SIGTERM or SIGINT.

    Args:
        app: The WSGI application.
        sock: Bound and listening.
        threads: How many requests are answered at once; more wait.
        on_start: Called once requests are accepted.
        on_stop: Called before the last answers are awaited, to hurry them.
        on_handover: Called when a new worker has taken over, to end answers that would go on for ever.
        tls: What it does TLS with, 1.3 and later; None to do without.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        sock: socket.socket,
        *,
        threads: int,
        on_start: Callable[[], None],
        on_stop: Callable[[], None],
        on_handover: Callable[[], None] = lambda: None,
        tls: TlsFiles | None = None,
    ) -> None:
        super().__init__(
            "accelpool_broker",
            interface=Interfaces.WSGI,
            blocking_threads=threads,
            blocking_threads_idle_timeout=IDLE_S,
            backpressure=max(MAX_CONNECTIONS, threads + BACKLOG),  # who waits for a thread keeps a connection
            http=HTTPModes.http1,  # who may speak either is waited for without limit before it speaks
            http1_settings=HTTP1Settings(max_buffer_size=MAX_HEAD_BYTES),
            log_enabled=False,
            websockets=False,
            ssl_cert=tls.cert if tls else None,
            ssl_key=tls.key if tls else None,
            ssl_protocol_min=SSLProtocols.tls13,
        )
        self.main_loop_interrupt = Interruption()  # type: ignore[assignment]  # does what is asked of it
        self._tls = tls
        self._app = app
        self._sock = sock
        self._on_start = on_start
        self._on_stop = on_stop
        self._on_handover = on_handover

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        # Not MTServer.serve, which warns of free-threading: this Python has its lock, and may.
        super(MTServer, self).serve(target_loader=lambda: self._app, wrap_loader=False)

    def _check_gil(self) -> None:
        """Threads under Python's lock are what is wanted."""

    def _init_shared_socket(self) -> None:
        self._sock.setblocking(False)
        descriptor = os.dup(self._sock.fileno())  # the holder closes what it is given
        holder: Any = SocketHolder  # its stub knows no arguments
        self._shd = holder(descriptor, False, BACKLOG)

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # Granian's
        self._on_start()

    def _spawn_worker(self, *args: Any, **named: Any) -> Any:
        worker: Any = super()._spawn_worker(*args, **named)
        stop = worker.terminate

        def terminate() -> None:
            stop()  # it takes no more connections: who comes again meets another worker, or none
            threading.Timer(HANDOVER_S, self._on_handover).start()

        worker.terminate = terminate
        return worker

    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """Begin anew with new files, unless they cannot be used: then go on as before."""
        try:
            if self._tls is not None:
                self._tls.check()
        except CertificateError as error:
            log.error("the certificate is not replaced: %s", error)  # noqa: TRY400 - no fault of the program
            self.reload_signal = False
            self.main_loop_interrupt.clear()
        else:
            super()._reload(spawn_target, target_loader)  # type: ignore[no-untyped-call]  # Granian's
            log.info("a new worker has taken over; what it does TLS with was read anew")
        if self.interrupt_signal:  # it came before the event was cleared
            self.main_loop_interrupt.set()

    def shutdown(self, exit_code: int = 0) -> None:
        """Stop accepting, let the last answers go out, and return."""
        self._on_stop()
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]  # Granian's
