"""Worker processes for tests, without an agent: started, handed one client, watched."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from accelpool_node import control, cuda_toolkit, discover, drivers, environments
from accelpool_node.agent.confinement import Confinement, Jail, narrowed
from accelpool_node.agent.devices import describe
from accelpool_node.sandbox import folders
from accelpool_node.sandbox.policy import Mode
from accelpool_node.sharing.ledger import DeviceLedger
from accelpool_wire.client import Connection
from accelpool_wire.frames import PREFIX

from ..conftest import SANDBOX_VARIABLE, coverage_variables

START_S = 60.0
EXTRA_ENVIRONMENTS = Path(__file__).parents[2] / ".devices" / "environments.toml"  # `make devices` writes it
SHARE_BYTES = 1 << 30
PLATFORM_NAME = 0x0902


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device to test, and how a worker for it is started.

    Attributes:
        environment: The driver environment that has it.
        device: Its name there.
        fault: Why it cannot be used, or "".
        platform: Its platform's name.
    """

    environment: drivers.DriverEnvironment
    device: str
    fault: str = ""
    platform: str = ""

    @property
    def is_null(self) -> bool:
        """Whether it computes nothing."""
        return self.environment.backend.startswith("null")

    @property
    def is_cuda(self) -> bool:
        """Whether it is a CUDA device, whose programs are CUDA C++."""
        return self.environment.backend == drivers.CUDA

    @property
    def id(self) -> str:
        """Its name in test reports."""
        return f"{self.environment.name}:{self.device.replace(' ', '-')}"


NULL_TARGET = Target(environment=drivers.null_environment("null:1", dict(os.environ)), device="null-0")


@functools.cache
def confinement() -> Confinement:
    """What an agent would decide about its children's sandboxes."""
    folder = Path(tempfile.mkdtemp(prefix="accelpool-work-"))
    atexit.register(_remove, folder, os.getpid())
    return Confinement(Mode(os.environ.get(SANDBOX_VARIABLE, Mode.AUTO)), folder)


@functools.cache
def opencl_targets() -> list[Target]:
    """Every OpenCL device of every driver environment of this machine, working or not."""
    root = Path(tempfile.mkdtemp(prefix="accelpool-drivers-"))
    atexit.register(_remove, root, os.getpid())
    variables = drivers.child_variables(os.environ, coverage_variables())
    extra = environments.read(EXTRA_ENVIRONMENTS) if EXTRA_ENVIRONMENTS.exists() else []
    prepared = environments.prepare(root, drivers.find_icds(Path(sys.prefix)), extra, variables)
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(devices_of, prepared))
    bundled = {target.device for target in found[0]}  # PyOpenCL shows these in every other environment too
    others = [target for targets in found[1:] for target in targets if target.device not in bundled]
    return [*found[0], *others]


def _remove(folder: Path, owner: int) -> None:
    """Remove a folder, unless this is the end of a child that a test forked."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def devices_of(environment: drivers.DriverEnvironment) -> list[Target]:
    """The devices that an environment shows, those that PyOpenCL adds to all included."""
    command = [environment.python, "-m", "accelpool_node.discover", "--backend", environment.backend]
    run = subprocess.run(command, env=dict(environment.variables), capture_output=True, timeout=START_S)
    lines, _ = discover.parse(run.stdout)
    listed = [device for line in lines if isinstance(line, discover.Listing) for device in line.devices]
    faults = {line.device: line.fault for line in lines if isinstance(line, discover.Probed)}
    crashed = f"its probe ended the process with status {run.returncode}"
    return [
        Target(
            environment=narrowed(environment, [describe(environment.name, device, "")]),
            device=device.name,
            fault=faults.get(device.name, crashed),
            platform=str(device.platform[PLATFORM_NAME]),
        )
        for device in listed
    ]


@functools.cache
def cuda_targets() -> list[Target]:
    """Every CUDA device of this machine, working or not; none without PyCUDA or NVIDIA's driver."""
    if not cuda_toolkit.has_pycuda():
        return []
    variables = drivers.child_variables(os.environ, coverage_variables())
    return devices_of(drivers.cuda_environment(variables, is_expected=False))


def healthy_targets() -> list[Target]:
    """The null device, and the OpenCL and CUDA devices that work."""
    return [NULL_TARGET, *(target for target in (*opencl_targets(), *cuda_targets()) if not target.fault)]


@dataclass
class Worker:
    """A worker process and the agent's end of its control channel.

    Attributes:
        target: What it serves.
        session: Its session's id.
        peers: Where it may send buffers to.
        heard: Everything that it said since Ready.
        ready: What it said first.
        jail: Its folder and what it may do.
        connect_builder: Returns a connection to a builder when it wants one, or None.
        seat: Its place in its device's ledger: the ledger and the slot, if it has one.
        thread_percentage: Its part of its device through MPS, if it does not take turns.
    """

    target: Target
    variables: Mapping[str, str] = field(default_factory=dict)
    session: str = "S1"
    peers: tuple[str, ...] = ()
    heard: list[control.ToAgent] = field(default_factory=list)
    connect_builder: Callable[[], socket.socket | None] = lambda: None
    seat: tuple[DeviceLedger, int] | None = None
    thread_percentage: int | None = None
    ready: control.Ready = field(init=False)
    jail: Jail = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)
    agent: socket.socket = field(init=False)

    def start(self) -> Worker:
        """Start it and wait until it is ready."""
        self.agent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = self.target.environment
        self.jail = confinement().begin(environment)
        command = [environment.python, "-m", "accelpool_node.worker", "--control-fd", str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(
                [*command, "--backend", environment.backend, "--sandbox", self.jail.policy.encoded()],
                pass_fds=[theirs.fileno()],
                env={**self.jail.variables, **self.variables},
                cwd=self.jail.folder,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        self.agent.settimeout(START_S)
        ready = control.receive_at_agent(self.agent)
        assert isinstance(ready, control.Ready), f"{ready}, {self._end_of_one_not_ready()}"
        self.ready = ready
        self.agent.settimeout(None)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        return self

    def _end_of_one_not_ready(self) -> str:
        """Return how it ended, and what it printed."""
        try:
            status = self.process.wait(START_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return f"status {status}: {self.errors()[-4000:]}"

    def connect(self, memory_bytes: int = SHARE_BYTES, devices: Sequence[str] = ()) -> Connection:
        """Return a client's session on the worker."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            accepting = threading.Thread(target=self._accept, args=(listener, memory_bytes, devices))
            accepting.start()
            connection = Connection.open(listener.getsockname(), "a token")
            accepting.join()
        return connection

    def _accept(self, listener: socket.socket, memory_bytes: int, devices: Sequence[str]) -> None:
        stream, _ = listener.accept()
        with stream:
            prefix = stream.recv(PREFIX.size, socket.MSG_WAITALL)
            hello = prefix + stream.recv(PREFIX.unpack(prefix)[0], socket.MSG_WAITALL)
            self.serve(stream, hello, memory_bytes, devices)

    def serve(
        self,
        stream: socket.socket,
        hello: bytes,
        memory_bytes: int = SHARE_BYTES,
        devices: Sequence[str] = (),
    ) -> None:
        """Hand a client's connection to the worker."""
        shares = [
            control.SessionShare(device=name, memory_bytes=memory_bytes, slot=self.seat and self.seat[1])
            for name in devices or [self.target.device]
        ]
        percentage = self.thread_percentage
        order = control.Serve(self.session, shares, hello, self.peers, thread_percentage=percentage)
        ledgers = (self.seat[0].descriptor,) if self.seat else ()
        control.send(self.agent, order, (stream.fileno(), *ledgers))

    def _listen(self) -> None:
        try:
            while (message := control.receive_at_agent(self.agent)) is not None:
                self.heard.append(message)
                if isinstance(message, control.WantBuilder):
                    self._offer(self.connect_builder())
                if isinstance(message, control.Dial):
                    threading.Thread(target=self._dial, args=(message,), daemon=True).start()
        except OSError:
            return  # closed by this side

    def _dial(self, wanted: control.Dial) -> None:
        """Connect it to another node, as its agent would."""
        host, _, port = wanted.address.rpartition(":")
        with contextlib.suppress(OSError):  # it is over
            try:
                with socket.create_connection((host, int(port)), START_S) as stream:
                    stream.settimeout(None)
                    control.send(self.agent, control.Dialled(number=wanted.number), (stream.fileno(),))
            except ConnectionRefusedError as error:
                control.send(
                    self.agent, control.Dialled(number=wanted.number, why=f"nobody answers: {error}")
                )

    def _offer(self, connection: socket.socket | None) -> None:
        if connection is None:
            control.send(self.agent, control.Builder())
            return
        with connection:
            control.send(self.agent, control.Builder(), (connection.fileno(),))

    def ended(self, timeout_s: float = 60.0) -> control.Ended:
        """Wait for its last word, here without the traffic, and its exit."""
        return msgspec.structs.replace(self.last_word(timeout_s), traffic=control.Traffic())

    def last_word(self, timeout_s: float = 60.0) -> control.Ended:
        """Wait for its last word and its exit."""
        self.process.wait(timeout_s)
        self._listener.join(timeout_s)
        last = self.heard[-1]
        assert isinstance(last, control.Ended), last
        return last

    def errors(self) -> str:
        """What it printed on its standard error; it must have ended."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def __enter__(self) -> Worker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it if it runs."""
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self.agent.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self.agent.close()
        folders.remove(self.jail.folder)
