"""What the agent's tests stand on: a broker that says what a test wants, and an agent as a process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accelpool_wire.frames import PREFIX
from accelpool_wire.lease_token import LeaseClaims, ShareClaim, encode
from accelpool_wire.messages import Hello, Refused, SessionEnding, Welcome
from accelpool_wire.testing import frame

from ..conftest import children, coverage_variables, wait_until

LIMIT_S = 60.0
Answer = Welcome | Refused | SessionEnding


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):  # an agent was killed
            super().handle_error(request, client_address)


class FakeBroker:
    """The broker's two endpoints for nodes; tests grant and end leases by hand."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.changed = threading.Condition()
        self.registrations: list[dict] = []
        self.reports: list[dict] = []
        self.leases: dict[str, dict] = {}
        self.revision = 0
        self.epoch = 0
        self.failures: list[int] = []
        self.heartbeat_s, self.lost_after_s = 5.0, 15.0
        broker = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self):
                broker.answer(self, broker.register)

            def do_POST(self):
                broker.answer(self, broker.reconcile)

            def log_message(self, *args):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self) -> FakeBroker:
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        with self.changed:
            self.revision += 1
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, handler, what):
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        assert handler.headers["Authorization"] == "Bearer node-token"
        with self.changed:
            status = self.failures.pop(0) if self.failures else 200
            content = json.dumps(what(body) if status == 200 else {"detail": "as scripted"}).encode()
        with contextlib.suppress(OSError):
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(content)))
            handler.end_headers()
            handler.wfile.write(content)

    def register(self, body):
        self.registrations.append(body)
        self.changed.notify_all()
        key = b64encode(self.key.public_key().public_bytes_raw()).decode()
        heartbeat = {"heartbeat_s": self.heartbeat_s, "lost_after_s": self.lost_after_s}
        return {"name": "n1", "public_key": key, **heartbeat}

    def reconcile(self, body):
        self.reports.append(body)
        self.changed.notify_all()
        self.changed.wait_for(lambda: self.revision != body["seen_revision"], body["wait_s"])
        return {"revision": self.revision, "leases": list(self.leases.values())}

    def token(
        self,
        lease: str,
        *devices: str,
        epoch: int = 0,
        memory_bytes: int = 1 << 20,
        compute: float = 1.0,
        is_granted: bool = True,
        is_told: bool = True,
        **members,
    ) -> str:
        """Return a token of a lease, granted, and that told at once, unless told otherwise."""
        with self.changed:
            self.epoch += 1
            shares = [
                {
                    "name": name if "/" in name else f"null/null-{name}",
                    "epoch": epoch or self.epoch,
                    "memory_bytes": memory_bytes,
                    "compute": compute,
                }
                for name in devices
            ]
            if is_granted:
                expires_at = "2100-01-01T00:00:00Z"
                self.leases[lease] = {"id": lease, "devices": shares, "expires_at": expires_at}
                self.revision += is_told
                self.changed.notify_all()
        claims = LeaseClaims(
            **{
                "lease": lease,
                "node": "n1",
                "shares": tuple(
                    ShareClaim(
                        device=share["name"],
                        epoch=share["epoch"],
                        memory_bytes=share["memory_bytes"],
                        compute=share["compute"],
                    )
                    for share in shares
                ),
                "expires_at": time.time() + 3600,
                **members,
            }
        )
        return encode(claims, self.key.sign)

    def resize(self, lease: str, memory_bytes: int, compute: float) -> None:
        """Let a lease have more or less of its devices."""
        with self.changed:
            for share in self.leases[lease]["devices"]:
                share |= {"memory_bytes": memory_bytes, "compute": compute}
            self.revision += 1
            self.changed.notify_all()

    def end(self, lease: str) -> None:
        """Let a lease end."""
        with self.changed:
            del self.leases[lease]
            self.revision += 1
            self.changed.notify_all()

    def wait_for_report(self, is_it, since: int = 0) -> dict:
        """Return the first report, not before the given place, for which something holds."""
        found: list[dict] = []

        def look():
            found[:] = [report for report in self.reports[since:] if is_it(report)]
            return found

        with self.changed:
            assert self.changed.wait_for(look, LIMIT_S), self.reports[-3:]
        return found[0]

    def wait_until_heard(self) -> None:
        """Return once the agent has the newest word: it goes by what it was told, not by what is so here."""
        self.wait_for_report(lambda report: report["seen_revision"] == self.revision)

    def wait_for_end(self, session: str) -> dict:
        """Return how a session was reported to have ended."""
        report = self.wait_for_report(lambda report: session in [one["id"] for one in report["ended"]])
        return next(one for one in report["ended"] if one["id"] == session)


class Node:
    """An agent as a process."""

    def __init__(
        self,
        broker: FakeBroker,
        state: Path,
        *arguments: str,
        python: str = sys.executable,
        module: str = "accelpool_node",
        variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        command = [python, "-m", module, "--broker", broker.url, "--name", "n1"]
        command += ["--state-dir", str(state), "--backend", "null:4", *arguments]
        command += [f"--pass-env={name}" for name in coverage_variables()]
        self.broker = broker
        self.log = state.with_suffix(".log")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "ACCELPOOL_NODE_TOKEN": "node-token", **variables},
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def __enter__(self) -> Node:
        line = self.process.stdout.readline()
        assert line, self.log.read_text()
        self.ready = json.loads(line)["ready"]
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(LIMIT_S)
        finally:
            self.process.kill()
            self.process.stdout.close()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.ready["host"], self.ready["port"]), LIMIT_S)

    def children(self) -> list[int]:
        """Return the agent's child processes."""
        return children(self.process.pid)

    @contextlib.contextmanager
    def session(self, token: str) -> Iterator[tuple[socket.socket, Welcome]]:
        with self.connect() as stream:
            welcome = ask(stream, Hello([1], [], token, "test"))
            assert isinstance(welcome, Welcome), welcome
            yield stream, welcome

    def refusal(self, message) -> Refused:
        with self.connect() as stream:
            answer = ask(stream, message)
            assert isinstance(answer, Refused), answer
            return answer


def read(stream: socket.socket) -> Answer:
    with stream.makefile("rb") as file:
        size, _ = PREFIX.unpack(file.read(PREFIX.size))
        return msgspec.msgpack.decode(file.read(size), type=Answer)


def ask(stream: socket.socket, message) -> Answer:
    stream.sendall(frame(message))
    return read(stream)


def worker_of(node: Node, session: str) -> int:
    """Return the process that serves a session, as the log names it."""
    told = re.compile(rf"session {re.escape(session)} of .* in worker (\d+)\n")
    wait_until(lambda: told.search(node.log.read_text()))
    return int(told.search(node.log.read_text())[1])


def wait_for_exit(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            try:
                assert select.select([process], [], [], LIMIT_S)[0], f"process {pid} is still there"
            finally:
                os.close(process)
