"""A whole agent as a process, with null devices, against a broker that says what the test wants."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accelpool_wire.lease_token import LeaseClaims, ShareClaim, encode
from accelpool_wire.messages import (
    Goodbye,
    Hello,
    Refused,
    SessionEnding,
    SessionQuery,
    Welcome,
)

PREFIX = struct.Struct("<IQ")
LIMIT_S = 10.0
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
        return {"name": "n1", "public_key": key, "heartbeat_s": 5.0, "lost_after_s": 15.0}

    def reconcile(self, body):
        self.reports.append(body)
        self.changed.notify_all()
        self.changed.wait_for(lambda: self.revision != body["seen_revision"], body["wait_s"])
        return {"revision": self.revision, "leases": list(self.leases.values())}

    def token(self, lease: str, *devices: str, epoch: int = 0, is_granted: bool = True, **members) -> str:
        """Return a token of a lease, granted unless told otherwise."""
        with self.changed:
            self.epoch += 1
            shares = [
                {
                    "name": f"null/null-{name}",
                    "epoch": epoch or self.epoch,
                    "memory_bytes": 1 << 20,
                    "compute": 1.0,
                }
                for name in devices
            ]
            if is_granted:
                expires_at = "2100-01-01T00:00:00Z"
                self.leases[lease] = {"id": lease, "devices": shares, "expires_at": expires_at}
                self.revision += 1
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
                        compute=1.0,
                    )
                    for share in shares
                ),
                "expires_at": time.time() + 60,
                **members,
            }
        )
        return encode(claims, self.key.sign)

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

    def wait_for_end(self, session: str) -> dict:
        """Return how a session was reported to have ended."""
        report = self.wait_for_report(lambda report: session in [one["id"] for one in report["ended"]])
        return next(one for one in report["ended"] if one["id"] == session)


class Node:
    """An agent as a process."""

    def __init__(self, broker: FakeBroker, state: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "accelpool_node", "--broker", broker.url, "--name", "n1"]
        command += ["--state-dir", str(state), "--backend", "null:4", *arguments]
        self.broker = broker
        self.log = state.with_suffix(".log")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "ACCELPOOL_NODE_TOKEN": "node-token"},
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
        self.process.wait(LIMIT_S)
        self.process.stdout.close()

    def connect(self) -> socket.socket:
        return socket.create_connection((self.ready["host"], self.ready["port"]), LIMIT_S)

    def children(self) -> list[int]:
        """Return the agent's child processes."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

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


def frame(message) -> bytes:
    body = msgspec.msgpack.encode(message)
    return PREFIX.pack(len(body), 0) + body


def read(stream: socket.socket) -> Answer:
    with stream.makefile("rb") as file:
        size, _ = PREFIX.unpack(file.read(PREFIX.size))
        return msgspec.msgpack.decode(file.read(size), type=Answer)


def ask(stream: socket.socket, message) -> Answer:
    stream.sendall(frame(message))
    return read(stream)


def worker_of(node: Node, session: str) -> int:
    """Return the process that serves a session, as the log names it."""
    line = next(line for line in node.log.read_text().splitlines() if f"session {session} of" in line)
    return int(line.rpartition("worker ")[2])


def wait_for_exit(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            process = os.pidfd_open(pid)
            try:
                assert select.select([process], [], [], LIMIT_S)[0], f"process {pid} is still there"
            finally:
                os.close(process)


@pytest.fixture(scope="module")
def broker():
    with FakeBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def node(broker, tmp_path_factory):
    with Node(broker, tmp_path_factory.mktemp("agent") / "state") as node:
        yield node


def test_a_node_registers_its_devices_and_says_that_it_is_ready(broker, node):
    registration = broker.registrations[-1]
    assert registration["address"] == {"host": "127.0.0.1", "port": node.ready["port"]}
    assert node.ready["devices"] == 4
    first = registration["devices"][0]
    assert (first["name"], first["environment"], first["fault"]) == ("null/null-0", "null", "")
    assert first["capacity"] == {"memory_bytes": 1 << 30, "compute_units": 1}


def test_a_session_opens_is_reported_and_ends_at_goodbye(broker, node):
    with node.session(broker.token("L1", "0", "1")) as (stream, welcome):
        assert [device.name for device in welcome.devices] == ["null-0", "null-1"]
        report = broker.wait_for_report(lambda report: report["sessions"])
        (session,) = report["sessions"]
        assert (session["id"], session["lease"]) == (welcome.session, "L1")
        assert session["devices"] == ["null/null-0", "null/null-1"]
        stream.sendall(frame(Goodbye()))
        assert broker.wait_for_end(welcome.session)["cause"] == "goodbye"


def test_the_next_worker_is_warm_before_it_is_needed(broker, node):
    token = broker.token("L2", "0")
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(node.session(token))
        assert len(node.children()) >= 3
        broker.wait_for_report(lambda report: len(report["sessions"]) == 3)


def test_a_lease_that_the_broker_denies_has_its_session_ended(broker, node):
    with node.connect() as stream:
        answer = ask(stream, Hello([1], [], broker.token("L3", "1", is_granted=False)))
        if isinstance(answer, Welcome):  # else the end overtook it
            answer = read(stream)
        assert answer.problem == "lease-revoked"
    broker.wait_for_report(
        lambda report: ("L3", "ended") in [(s["lease"], s["cause"]) for s in report["ended"]]
    )


def test_the_end_of_a_lease_ends_its_sessions_and_its_tokens(broker, node):
    token = broker.token("L4", "0")
    with node.session(token) as (stream, welcome):
        broker.wait_for_report(lambda report: welcome.session in [one["id"] for one in report["sessions"]])
        broker.end("L4")
        assert read(stream).problem == "lease-revoked"
    assert node.refusal(Hello([1], [], token)).problem == "lease-revoked"
    assert node.refusal(SessionQuery(token, welcome.session)).problem == "lease-revoked"


def test_tokens_that_do_not_hold_are_refused(broker, node):
    stranger = FakeBroker()
    stranger.server.server_close()
    broker.token("L6", "3")
    refused = {
        "unauthorized": stranger.token("L5", "0"),
        "forbidden": broker.token("L5", "0", node="elsewhere", is_granted=False),
        "lease-expired": broker.token("L5", "0", expires_at=time.time() - 1, is_granted=False),
        "unavailable": broker.token("L5", "9", is_granted=False),
    }
    for problem, token in refused.items():
        assert node.refusal(Hello([1], [], token)).problem == problem
    with node.session(broker.token("L7", "3")):
        stale = node.refusal(Hello([1], [], broker.token("L8", "3", epoch=1, is_granted=False)))
        assert stale.problem == "stale-epoch"


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
        PREFIX.pack(0, 0),
        PREFIX.pack(1 << 31, 0),
        PREFIX.pack(10, 1 << 40) + bytes(1000),
        PREFIX.pack(4, 0) + b"\xff\xff\xff\xff" + bytes(50_000),
        frame(Goodbye()),
        frame(Hello([2], [], "t")),
    ],
    ids=["http", "empty", "oversized", "payload", "nonsense", "goodbye", "version"],
)
def test_a_wrong_first_frame_is_refused_in_words(node, garbage):
    with node.connect() as stream:
        stream.sendall(garbage)
        assert read(stream).problem == "invalid"


def test_broken_and_slow_clients_disturb_nobody(broker, node):
    token = broker.token("L9", "2")
    with contextlib.ExitStack() as stack:
        for _ in range(140):
            slow = stack.enter_context(node.connect())
            slow.sendall(b"\x10")
        with node.connect() as cut:
            cut.sendall(frame(Hello([1], [], token))[:-3])
        with node.session(token) as (_, welcome):
            assert welcome.version == 1


def test_what_follows_hello_reaches_the_worker(broker, node):
    with node.connect() as stream:
        stream.sendall(frame(Hello([1], [], broker.token("L10", "2"))) + frame(Goodbye()))
        session = read(stream).session
        assert broker.wait_for_end(session)["cause"] == "goodbye"


def test_a_killed_worker_is_its_own_sessions_end_only(broker, node):
    token = broker.token("L11", "0")
    with node.session(token) as (stream, welcome), node.session(token) as (_, other):
        assert "still running" in node.refusal(SessionQuery(token, other.session)).detail
        pid = worker_of(node, welcome.session)
        os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""
        lost = node.refusal(SessionQuery(token, welcome.session))
        assert lost.problem == "session-lost"
        assert lost.detail == f"worker {pid} of session {welcome.session} was killed by signal 9 (SIGKILL)"
        assert broker.wait_for_end(welcome.session)["cause"] == "crashed"
        assert node.refusal(SessionQuery(token, "ses_unknown")).problem == "not-found"
        foreign = broker.token("L12", "1")
        assert node.refusal(SessionQuery(foreign, welcome.session)).problem == "not-found"
        with node.session(token):
            pass


def test_sessions_go_on_while_the_broker_is_away(broker, node):
    token = broker.token("L13", "0")
    with node.session(token) as (_, welcome):
        with broker.changed:
            broker.failures += [503, 500, 503]
            broker.revision += 1
            broker.changed.notify_all()
            since = len(broker.reports)
        broker.wait_for_report(
            lambda report: welcome.session in [one["id"] for one in report["sessions"]], since
        )
        assert not broker.failures


def test_a_broker_that_forgot_the_node_gets_its_registration_again(broker, node):
    with broker.changed:
        before = len(broker.registrations)
        broker.failures.append(409)
        broker.revision += 1
        broker.changed.notify_all()
        assert broker.changed.wait_for(lambda: len(broker.registrations) > before, LIMIT_S)
    assert broker.registrations[-1]["boot_id"] == broker.registrations[before - 1]["boot_id"]


def test_a_second_agent_in_the_same_directory_refuses_to_start(broker, node):
    command = [*node.process.args]
    second = subprocess.run(
        command,
        env={**os.environ, "ACCELPOOL_NODE_TOKEN": "t"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert second.returncode == 1
    assert f"another agent (process {node.process.pid})" in second.stderr


def test_a_terminated_agent_ends_its_sessions_and_leaves_no_process(broker, tmp_path):
    with (
        Node(broker, tmp_path / "state") as node,
        node.session(broker.token("L14", "0")) as (stream, welcome),
    ):
        children = node.children()
        started = time.monotonic()
        node.process.terminate()
        ending = read(stream)
        assert (ending.problem, ending.detail) == ("unavailable", "the node is shutting down")
        assert node.process.wait(LIMIT_S) == 0
        assert time.monotonic() - started < 5
        assert not [pid for pid in children if os.path.exists(f"/proc/{pid}")]
        assert broker.wait_for_end(welcome.session)["cause"] == "ended"
        broker.wait_for_report(
            lambda report: set(report["device_faults"].values()) == {"the node is shutting down"}
        )
        assert list((tmp_path / "state" / "children").iterdir()) == []


def test_a_killed_agent_takes_its_workers_along_and_its_successor_starts(broker, tmp_path):
    with Node(broker, tmp_path / "state") as node, node.session(broker.token("L15", "0")) as (stream, _):
        children = node.children()
        assert children
        node.process.kill()
        with contextlib.suppress(ConnectionResetError):
            assert stream.recv(1) == b""
        wait_for_exit(children)
    with Node(broker, tmp_path / "state") as successor:
        assert successor.ready["devices"] == 4
