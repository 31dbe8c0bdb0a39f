"""A compiler: a process that makes one build, and ends.

It reads one source of a tenant's in its life. So whatever a source does to the compiler, it does to its own
product alone.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.backends.base.types import Context
from accelpool_node.builder import messages as b
from accelpool_node.discover import load_backend
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import Policy
from accelpool_wire.errors import Error
from accelpool_wire.private_file import PRIVATE_DIR

START_LIMIT_S, BUILD_LIMIT_S = 60, 60
MAX_CPU_S = 4 * BUILD_LIMIT_S  # of all its threads
MAX_DATA_BYTES = 8 << 30
MAX_LOG = 256 * 1024  # characters of a build log: a worker sends no more of it
STDERR = 2
DEFERENCE = 19  # the least that scheduling knows
DEAR_S, DEAR_PART = 0.01, 0.1  # taking binaries out costs more than so much, and than this part of building


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A driver that is loaded.

    Attributes:
        backend: What speaks to it.
        devices: What it shows, by name.
        contexts: One for each device that is a CPU: elsewhere a context takes memory, which is the sessions'.
    """

    backend: Backend
    devices: dict[str, BackendDevice]
    contexts: dict[str, Context]

    @classmethod
    def load(cls, backend_name: str) -> Driver:
        """Load it; `backend_name` is "opencl" or "null:COUNT"."""
        backend = load_backend(backend_name)
        devices = {device.name: device for device in backend.devices()}
        cpus = [device for device in devices.values() if device.kind == "cpu"]
        contexts = {device.name: backend.create_context([device]) for device in cpus}
        return cls(backend=backend, devices=devices, contexts=contexts)

    def context(self, devices: list[BackendDevice]) -> Context:
        """Return a context over devices."""
        kept = self.contexts.get(devices[0].name) if len(devices) == 1 else None
        return kept or self.backend.create_context(devices)


def use_own_folder() -> None:
    """Have drivers put their files where the process works: after a fork that is another folder.

    A driver reads its variables once. What one compiler writes, no other one may read.
    """
    for name in ("POCL_CACHE_DIR", "CUDA_CACHE_PATH", "XDG_CACHE_HOME", "TMPDIR"):
        os.environ[name] = "/proc/self/cwd"


def serve(stream: socket.socket, driver: Driver | None, backend_name: str, policy: Policy) -> None:
    """Be ready, make one build and say what came of it.

    Args:
        stream: The connection to the builder.
        driver: The driver, or None to load it.
        backend_name: "opencl", or "null:COUNT".
        policy: What it may do; its folder is to be made.

    Raises:
        OSError: The builder is gone.
    """
    _live_apart(Path(policy.folder))
    confine(policy, os.environ, keep=None)  # a driver that was forked has its own
    signal.alarm(START_LIMIT_S)  # a driver that hangs leaves no process
    driver = driver or Driver.load(backend_name)
    signal.alarm(0)
    identified = [b.identify(device) for device in driver.devices.values()]
    b.send(stream, b.encode(b.Ready(pid=os.getpid(), devices=identified)))
    build = b.decode_build(b.receive(stream, b.MAX_BUILD_BYTES))
    if build.is_deferred:
        os.nice(DEFERENCE)
    try:
        answer = make(driver, build)
    except Error as error:
        answer = b.Declined(why=str(error)[: b.MAX_WHY])
    b.send(stream, b.encode(answer))


def _live_apart(folder: Path) -> None:
    """Keep a driver's files and messages away from other processes, and within bounds."""
    folder.mkdir(mode=PRIVATE_DIR, parents=True)
    os.chdir(folder)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)  # a hostile source must not fill the node's log
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))


def make(driver: Driver, build: b.Build) -> b.Answer:
    """Build a program and return all that a worker needs to know of it.

    Raises:
        Error: It does not build.
    """
    chosen = [driver.devices[wanted.name] for wanted in build.devices if wanted.name in driver.devices]
    if not chosen or [b.identify(device) for device in chosen] != build.devices:
        return b.Declined(why="the devices are not here, or have another version of their driver")
    backend, context = driver.backend, driver.context(chosen)
    program = backend.create_program_with_source(context, build.source)
    began_s = time.monotonic()
    backend.build_program(program, chosen, build.options)
    built_s = time.monotonic()
    binaries = backend.program_binaries(program)
    taken_s = time.monotonic() - built_s
    product = b.Product(
        kernels=backend.program_kernels(program),
        logs=[log[:MAX_LOG] for log in backend.build_logs(program)],
        binaries=binaries,
        is_dear=build.is_trial and taken_s > max(DEAR_S, DEAR_PART * (built_s - began_s)),
    )
    if build.is_trial:
        loaded = backend.create_program_with_binary(context, chosen, product.binaries)
        backend.build_program(loaded, chosen, "")
        for kernel in product.kernels:
            backend.create_kernel(loaded, kernel.name)
    return product
