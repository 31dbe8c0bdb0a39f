"""`python -m accelpool_broker`: run a broker until SIGTERM or SIGINT.

Prints one line of JSON to stdout once it listens, {"ready": "http://HOST:PORT"}; logs to stderr. With TLS the
URL begins with https, and SIGHUP has the certificate read again.
Exit codes: 0 stopped as asked, 2 cannot start (the last line of stderr says why).
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
from pathlib import Path
from typing import NoReturn

from accelpool_broker import server, state_dir
from accelpool_broker.admission import AdmissionControl
from accelpool_broker.app import build_app
from accelpool_broker.body_slots import MOST_FORMS
from accelpool_broker.clock import SystemClock
from accelpool_broker.services.services import open_services
from accelpool_broker.settings import Settings
from accelpool_broker.state_dir import StateDirError
from accelpool_broker.store import DATABASE_URL, DatabaseUrlError, database_url
from accelpool_broker.timer import Timer
from accelpool_broker.trace_export import exporting
from accelpool_wire import logs, service_manager
from accelpool_wire.errors import Invalid, Unavailable
from accelpool_wire.open_files import allow_open_files
from accelpool_wire.tls import is_loopback

CANNOT_START = 2
ANOTHER_RUNS = "use that one, or choose another --state-dir and --port"
FILES = 32768  # a socket for each client that waits, or is in its TLS handshake


def main(arguments: list[str] | None = None) -> int:
    """Run a broker and return its exit code."""
    given = _parse(arguments)
    try:
        logs.log_to_stderr(logs.choose(given.log_format, os.environ), is_verbose=given.verbose)
    except Invalid as error:
        return _cannot_start(error)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    allow_open_files(FILES)
    os.umask(0o077)  # what SQLite writes is private, too
    settings = Settings(
        state_dir=given.state_dir,
        database_url=database_url(given.database_url, os.environ),
        host=given.host,
        port=given.port,
        issuer_ca=given.issuer_ca,
        webhook_allow_http=given.webhook_allow_http,
        webhook_allow_private=given.webhook_allow_private,
        webhook_ca=given.webhook_ca,
        requests_per_s=given.requests_per_s,
        node_requests_per_s=given.node_requests_per_s,
    )
    try:
        with exporting(os.environ):
            return _serve(settings, given.state_dir, _tls(given))
    except (
        server.ListenError,
        server.CertificateError,
        Invalid,
        DatabaseUrlError,
        StateDirError,
        Unavailable,
        OSError,
    ) as error:
        return _cannot_start(error)


def _cannot_start(error: Exception) -> int:
    """Say why, as the last line: plain, whatever the log's format, for whoever has started it."""
    sys.stderr.write(f"accelpool broker: {error}\n")
    return CANNOT_START


def _tls(given: argparse.Namespace) -> server.TlsFiles | None:
    """Return what to do TLS with; None to do without.

    Raises:
        Invalid: The options contradict each other, or others could read what passes.
        CertificateError: The files cannot be used.
    """
    if (given.tls_cert is None) is not (given.tls_key is None):
        raise Invalid("--tls-cert and --tls-key belong together")
    if given.tls_cert is not None:
        if given.insecure:
            raise Invalid("--insecure does without TLS, --tls-cert does not")
        files = server.TlsFiles(cert=given.tls_cert, key=given.tls_key)
        files.check()
        return files
    if not given.insecure and not is_loopback(given.host):
        raise Invalid(
            f"tokens would pass in the clear to {given.host}: give --tls-cert and --tls-key "
            "(`accelpool ca` makes them), or say --insecure"
        )
    return None


def _serve(settings: Settings, directory: Path, tls: server.TlsFiles | None) -> int:
    listening = server.listen(settings.host, settings.port)
    with listening as sock, state_dir.locked(directory, ANOTHER_RUNS), AdmissionControl(sock):
        clock = SystemClock()
        services = open_services(settings, clock)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{'https' if tls else 'http'}://{host}:{sock.getsockname()[1]}"
        pool = services.pool

        def announce() -> None:
            sys.stdout.write(json.dumps({"ready": url}) + "\n")
            sys.stdout.flush()
            service_manager.tell(os.environ, service_manager.READY)

        def stop() -> None:
            service_manager.tell(os.environ, service_manager.STOPPING)
            services.stop_waiting()

        with Timer(clock=clock, tick=pool.tick) as timer, services.webhook_delivery:
            pool.on_deadline = timer.set
            timer.set(clock.now())
            waiting = settings.max_waiters + settings.max_node_waiters
            reading = settings.max_bodies + settings.max_uploads + MOST_FORMS
            server.Server(
                build_app(services),
                sock,
                threads=waiting + reading + settings.max_followers + server.SPARE_THREADS,
                on_start=announce,
                on_stop=stop,
                on_handover=pool.followers.end,
                tls=tls,
            ).run()
        services.close()
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m accelpool_broker", description="Run a broker.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8750, help="0 takes any free one (default: %(default)s)")
    parser.add_argument("--state-dir", type=Path, required=True, help="database, signing key and tokens")
    parser.add_argument(
        "--database-url",
        metavar="URL",
        help="another database: postgresql://USER@HOST/NAME or sqlite:///PATH (default: "
        f"${DATABASE_URL}, the place for a URL with a password)",
    )
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="the broker's certificate; read again at SIGHUP"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    parser.add_argument(
        "--insecure", action="store_true", help="do without TLS on an address that others reach"
    )
    parser.add_argument(
        "--issuer-ca",
        type=Path,
        metavar="FILE",
        help="authorities that vouch for issuers of ID tokens (default: the system's)",
    )
    parser.add_argument("--webhook-allow-http", action="store_true", help="send to webhooks without TLS, too")
    parser.add_argument(
        "--webhook-allow-private", action="store_true", help="send to webhooks at private addresses, too"
    )
    parser.add_argument(
        "--webhook-ca",
        type=Path,
        metavar="FILE",
        help="authorities that vouch for webhooks (default: the system's)",
    )
    parser.add_argument(
        "--requests-per-s",
        type=_rate,
        default=Settings.requests_per_s,
        metavar="N",
        help="requests that a token may send; 0 for no limit (default: %(default)g)",
    )
    parser.add_argument(
        "--node-requests-per-s",
        type=_rate,
        default=Settings.node_requests_per_s,
        metavar="N",
        help="the same for a node's token (default: %(default)g)",
    )
    parser.add_argument(
        "--log-format",
        type=logs.LogFormat,
        choices=tuple(logs.LogFormat),
        help=f"what the log's lines are (default: ${logs.VARIABLE}, else text)",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser.parse_args(arguments)


def _rate(text: str) -> float:
    """Read a rate, or refuse what is none."""
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise argparse.ArgumentTypeError(f"it is a number, 0 or more, not {text}")
    return rate


def run() -> NoReturn:
    """Run the broker and end the process.

    The server's native threads may outlive it for a moment, and abort the process if they meet an interpreter
    that is shutting down: so the interpreter is not shut down.
    """
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    run()
