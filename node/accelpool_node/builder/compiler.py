"""A compiler: a process that loads the driver, makes one build, and ends.

It reads one source in its life. So whatever a source does to the compiler, it does to its own product alone.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
from pathlib import Path

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.builder import messages as b
from accelpool_node.discover import load_backend
from accelpool_wire.errors import Error

PR_SET_DUMPABLE = 4
PRIVATE_DIR = 0o700
BUILD_LIMIT_S = 60
MAX_DATA_BYTES = 8 << 30
MAX_FILE_BYTES = 256 << 20
MAX_LOG = 256 * 1024  # characters of a build log: a worker sends no more of it
STDERR = 2


def hide() -> None:
    """Let no other process of this user read or write this one's memory.

    Source: prctl(2), PR_SET_DUMPABLE; ptrace(2), "Ptrace access mode checking".
    """
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def serve(stream: socket.socket, backend_name: str, folder: Path) -> None:
    """Load the driver, be ready, make one build and say what came of it.

    Args:
        stream: The connection to the builder.
        backend_name: "opencl", or "null:COUNT".
        folder: Where each compiler has a folder of its own, named by its process id.

    Raises:
        OSError: The builder is gone.
    """
    hide()
    _live_apart(folder / str(os.getpid()))
    backend = load_backend(backend_name)
    devices = {device.name: device for device in backend.devices()}
    for device in devices.values():
        if device.kind == "cpu":  # elsewhere a context takes device memory, which is the sessions'
            backend.create_context([device])
    identities = [b.identify(device) for device in devices.values()]
    b.send(stream, b.encode(b.Ready(pid=os.getpid(), devices=identities)))
    build = b.decode_build(b.receive(stream, b.MAX_BUILD_BYTES))
    try:
        answer: b.Answer = _make(backend, devices, build)
    except Error as error:
        answer = b.Declined(why=str(error)[: b.MAX_WHY])
    b.send(stream, b.encode(answer))


def _live_apart(folder: Path) -> None:
    """Keep a driver's files and messages away from other processes, and within bounds."""
    folder.mkdir(mode=PRIVATE_DIR, parents=True)
    for name in ("POCL_CACHE_DIR", "CUDA_CACHE_PATH", "XDG_CACHE_HOME", "TMPDIR"):
        os.environ[name] = str(folder)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), STDERR)  # a hostile source must not fill the node's log
    resource.setrlimit(resource.RLIMIT_CPU, (BUILD_LIMIT_S * 4, BUILD_LIMIT_S * 4))  # of all its threads
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_DATA_BYTES, MAX_DATA_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


def _make(backend: Backend, devices: dict[str, BackendDevice], build: b.Build) -> b.Answer:
    """Build a program and return all that a worker needs to know of it.

    Raises:
        Error: It does not build.
    """
    chosen = [devices[identity.name] for identity in build.devices if identity.name in devices]
    if [b.identify(device) for device in chosen] != build.devices:
        return b.Declined(why="the devices are not here, or have another version of their driver")
    context = backend.create_context(chosen)
    program = backend.create_program_with_source(context, build.source)
    backend.build_program(program, chosen, build.options)
    product = b.Product(
        kernels=backend.program_kernels(program),
        logs=[log[:MAX_LOG] for log in backend.build_logs(program)],
        binaries=backend.program_binaries(program),
    )
    if build.is_trial:
        _load(backend, chosen, product)
    return product


def _load(backend: Backend, devices: list[BackendDevice], product: b.Product) -> None:
    """Make a program of a product as a worker does.

    Raises:
        Error: The driver cannot.
    """
    context = backend.create_context(devices)  # kept: Intel's programs from binaries do not keep theirs
    program = backend.create_program_with_binary(context, devices, product.binaries)
    backend.build_program(program, devices, "")
    for kernel in product.kernels:
        backend.create_kernel(program, kernel.name)
