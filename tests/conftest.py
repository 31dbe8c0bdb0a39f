"""A real pool for tests: broker and agents as processes on loopback, state in a temporary folder."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from hypothesis import settings

from accelpool.cli.certificate_authority import CertificateAuthority

from .postgres_rig import Postgres
from .sockets import lasting_port

START_S = 240.0  # less than a test may take
STOP_S = 60.0
SANDBOX_VARIABLE = "ACCELPOOL_TEST_SANDBOX"  # off, where a driver to be tested does not get on with it yet
settings.register_profile("explore", settings.get_profile("ci"), derandomize=False)


def pytest_configure() -> None:
    """Have the tests' programs end by the signals that end them, also if the tests run in the background."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Keep the thousands of collected tests out of each garbage collection to come: they stay to the end."""
    gc.collect()
    gc.freeze()


@dataclass
class Daemon:
    """A child process that prints one JSON line once it is ready."""

    args: list[str]
    log: Path
    env: dict[str, str]
    process: subprocess.Popen[str] = field(init=False, repr=False)
    ready: dict = field(init=False, repr=False)

    def start(self) -> dict:
        """Start it and return what it said."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self.args, stdout=subprocess.PIPE, stderr=log, text=True, env=self.env
            )
        timer = threading.Timer(START_S, self.process.kill)
        timer.start()
        line = self.process.stdout.readline()
        timer.cancel()
        if not line:
            self.kill()
            raise RuntimeError(f"{self.args} did not start:\n{self.log.read_text()[-4000:]}")
        self.ready = json.loads(line)["ready"]
        return self.ready

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)
        self.process.stdout.close()

    def stop(self) -> None:
        """End it in order; a process that does not end is killed."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process.stdout.close()


@dataclass
class Pool:
    """A broker and the agents of its nodes, "node-1" and so on.

    Attributes:
        folder: Where their state and logs are.
        backend: The agents' `--backend` option, or "" for the real devices.
        environments: A file of more driver environments, or None.
        nodes: How many nodes there are.
        before: What comes before the agents' own command.
        is_verbose: Whether broker and agents log all that they can.
        log_format: What the lines of their logs are.
        has_tls: Whether clients come over TLS, to the broker and to the nodes.
        options: More of the agents' options.
        agents: The agents, by their node's number from 1.
    """

    folder: Path
    backend: str = ""
    environments: Path | None = None
    nodes: int = 1
    before: tuple[str, ...] = ()
    is_verbose: bool = False
    log_format: str = "text"
    has_tls: bool = False
    options: tuple[str, ...] = ()
    broker: Daemon = field(init=False)
    agents: dict[int, Daemon] = field(init=False, default_factory=dict)
    url: str = ""

    @property
    def agent(self) -> Daemon:
        """The first node's agent."""
        return self.agents[1]

    @property
    def token(self) -> str:
        """The first admin's token."""
        return json.loads((self.folder / "broker" / "tokens.json").read_text())["user"]

    @property
    def _logging(self) -> list[str]:
        return ["--log-format", self.log_format, *(["--verbose"] if self.is_verbose else [])]

    @property
    def ca(self) -> str:
        """The file of the authority that vouches for the broker, with TLS."""
        return str(self.folder / "ca" / "ca.pem") if self.has_tls else ""

    def start(self) -> None:
        """Start the broker and all agents."""
        self.start_broker(lasting_port())
        for number in range(1, self.nodes + 1):
            self.start_agent(number)

    def start_broker(self, port: int = 0) -> None:
        """Start the broker, on a free port at first."""
        args = [sys.executable, "-m", "accelpool_broker", "--host", "127.0.0.1", "--port", str(port)]
        args += ["--state-dir", str(self.folder / "broker"), *self._logging]
        if self.has_tls:
            args += self._certificate()
        self.broker = Daemon(args, self.folder / "broker.log", clean_environment(self.folder))
        self.url = str(self.broker.start())

    def _certificate(self) -> list[str]:
        authority = CertificateAuthority(self.folder / "ca")
        if not authority.key.exists():
            authority.create()
        issued = authority.issue(["127.0.0.1"])
        return ["--tls-cert", str(issued.cert), "--tls-key", str(issued.key)]

    def restart_broker(self) -> None:
        """Start the broker again where it was."""
        self.start_broker(int(self.url.rpartition(":")[2]))

    def start_agent(self, number: int = 1) -> None:
        """Start the agent of a node."""
        args = [
            *self.before,
            sys.executable,
            "-m",
            "accelpool_node",
            "--broker",
            self.url,
            "--name",
            f"node-{number}",
        ]
        args += ["--state-dir", str(self.folder / f"node-{number}"), "--listen", "127.0.0.1:0"]
        args += [*self._logging, *self.options]
        if sandbox := os.environ.get(SANDBOX_VARIABLE):
            args += ["--sandbox", sandbox]
        args += [f"--pass-env={name}" for name in coverage_variables()]
        if self.backend:
            args += ["--backend", self.backend]
        if self.has_tls:
            args += ["--tls", "--ca", self.ca]
        if self.environments:
            args += ["--environments", str(self.environments)]
        joining = join_token(self.url, self.token, f"node-{number}", self.ca)
        env = {**clean_environment(self.folder), "ACCELPOOL_JOIN_TOKEN": joining}
        self.agents[number] = Daemon(args, self.folder / f"agent-{number}.log", env)
        self.agents[number].start()

    def stop(self) -> None:
        """Stop all."""
        with contextlib.ExitStack() as stopping:
            for daemon in (self.broker, *self.agents.values()):  # the last one first
                stopping.callback(daemon.stop)

    def workers(self, number: int = 1) -> list[int]:
        """The pids of the workers of a node's agent."""
        agent = self.agents[number].process.pid
        return [pid for pid in children(agent) if "accelpool_node.worker" in command(pid)]

    def kill_workers(self) -> None:
        """Kill all workers of the first node's agent."""
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def join_token(url: str, token: str, node: str, ca: str = "") -> str:
    """Return a join token for a node, made with an operator's token."""
    answer = requests.post(
        f"{url}/join-tokens",
        json={"node": node},
        headers={"Authorization": f"Bearer {token}"},
        verify=ca or True,
        timeout=60,
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def enrol(url: str, token: str, node: str, secret: str, ca: str = "") -> None:
    """Make a secret the token of a node, with an operator's token, if it is not so yet."""
    own = {"Authorization": f"Bearer {secret}"}
    if requests.get(f"{url}/whoami", headers=own, verify=ca or True, timeout=60).status_code == 200:
        return
    answer = requests.post(
        f"{url}/nodes/{node}/enrol",
        json={"sha256": hashlib.sha256(secret.encode()).hexdigest()},
        headers={"Authorization": f"Bearer {join_token(url, token, node, ca)}"},
        verify=ca or True,
        timeout=60,
    )
    assert answer.status_code == 200, answer.text


def coverage_variables() -> list[str]:
    """Return the names of the variables by which a child process has its coverage measured, if it is."""
    return [name for name in os.environ if name.startswith("COVERAGE_")]


def clean_environment(home: Path) -> dict[str, str]:
    """Return this process's environment with another home and none of accelpool's settings."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ACCELPOOL_", "XDG_"))}
    return {**env, "HOME": str(home)}


def command(pid: int) -> str:
    """Return a process's command line, "" once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def children(pid: int) -> list[int]:
    """Return the pids of a process's children; none once it is gone."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            found += [int(child) for child in task.read_text().split()]
    return found


def open_files(pid: int) -> list[str]:
    """Return what a process has open, without what it closes meanwhile."""
    found = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(descriptor))
    return found


def wait_until(is_so: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Return once something is so; fail if it is not within the time."""
    deadline = time.monotonic() + timeout_s
    looked_at = time.monotonic()
    while not is_so():
        now = time.monotonic()
        assert now < deadline, f"not so within {timeout_s:g} s"
        time.sleep(max(0.005, now - looked_at))  # most of the time is for what is awaited
        looked_at = time.monotonic()


@pytest.fixture(scope="session", name="wait_until")
def fixture_wait_until() -> Callable[..., None]:
    """The function of that name, for test modules."""
    return wait_until


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run; who stops it starts it again."""
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = Postgres(Path(folder))
        server.start()
        yield server
        server.stop(signal.SIGQUIT)


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The URL of an empty database."""
    return postgres.empty_database()


@pytest.fixture(scope="module")
def own_opencl_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of this machine's OpenCL devices for one module, which may kill parts of it."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("own-opencl-pool")))


@pytest.fixture(scope="session")
def null_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of four null devices, for the whole run."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("null-pool"), backend="null:4"))


@pytest.fixture(scope="session")
def opencl_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of this machine's OpenCL devices, for the whole run."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("opencl-pool")))


@pytest.fixture(scope="session")
def two_node_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two nodes with two null devices each, for the whole run."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("two-node-pool"), backend="null:2", nodes=2))


@pytest.fixture(scope="module")
def own_two_node_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two nodes with two null devices each for one module, which may kill parts of it."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("own-two-node-pool"), backend="null:2", nodes=2))


@pytest.fixture(scope="module")
def secure_null_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two null devices for one module, where everything goes over TLS."""
    yield from running(
        Pool(folder=tmp_path_factory.mktemp("secure-null-pool"), backend="null:2", has_tls=True)
    )


@pytest.fixture(scope="module")
def secure_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two nodes that both show this machine's OpenCL devices; everything goes over TLS."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("secure-pool"), nodes=2, has_tls=True))


@pytest.fixture(scope="session")
def two_node_opencl_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two nodes that both show this machine's OpenCL devices, for the whole run."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("two-node-opencl-pool"), nodes=2))


def running(pool: Pool) -> Iterator[Pool]:
    """Start a pool, yield it, and stop it, or what of it has started."""
    try:
        pool.start()
        yield pool
    finally:
        pool.stop()
