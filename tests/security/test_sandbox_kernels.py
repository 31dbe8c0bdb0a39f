"""Kernels that make system calls of their own: each attempt fails, and the session computes as before.

Where a compiler takes no inline assembly, a process that is confined by the same policy does what the
machine code of a kernel could.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool_node.sandbox import landlock

from ..integration.worker_rig import Target, Worker, opencl_targets
from .native import Attacker, Payload, can_attack

AT_FDCWD = -100
O_RDONLY, O_WRONLY, O_CREAT, O_DIRECTORY = 0, 1, 0o100, 0o200000
SIGCHLD, CLONE_VM, CLONE_VFORK = 17, 0x100, 0x4000
PRIVATE, ANONYMOUS, SHARED, READ_WRITE = 2, 0x20, 1, 3
SHARE_BYTES = 256 << 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "target" in metafunc.fixturenames:
        cpus = [one for one in opencl_targets() if not one.fault and one.environment.is_cpu]
        targets = [pytest.param(one, id=one.id, marks=pytest.mark.opencl) for one in cpus]
        metafunc.parametrize("target", targets, indirect=True, scope="module")


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest) -> Target:
    if os.uname().machine != "x86_64":
        pytest.skip("the kernel is written for x86-64")
    if not landlock.abi():
        pytest.skip("this machine has no Landlock, so that a sandbox is less than these tests ask for")
    return request.param


@pytest.fixture(scope="module")
def worker(target: Target) -> Iterator[Worker]:
    with Worker(target) as worker:
        yield worker


@pytest.fixture(scope="module")
def session(worker: Worker, target: Target) -> Iterator[Attacker | Payload]:
    with worker.connect(SHARE_BYTES) as connection:
        if can_attack(connection):
            yield Attacker(connection)
            return
        payload = Payload(target, worker.jail, SHARE_BYTES)
        yield payload
        payload.close()


@pytest.fixture
def attacker(session: Attacker | Payload) -> Iterator[Attacker | Payload]:
    """What makes system calls as a kernel, in a session that goes on afterwards."""
    yield session
    assert session.works()


def opened(attacker: Attacker | Payload, path: str | Path, flags: int = O_RDONLY) -> int:
    result = attacker.call("openat", AT_FDCWD, str(path).encode() + b"\0", flags, 0o600)
    if result >= 0:
        attacker.call("close", result)
    return result


def test_the_kernel_does_make_system_calls(attacker: Attacker | Payload, worker: Worker) -> None:
    process = attacker.process if isinstance(attacker, Payload) else worker.process
    assert attacker.call("getpid") == process.pid


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/shadow", "/root", "/home", "/", "/proc"])
def test_it_reads_nothing_of_the_machines(attacker: Attacker | Payload, path: str) -> None:
    assert opened(attacker, path) == -errno.EACCES


def test_it_reads_what_every_driver_needs(attacker: Attacker | Payload) -> None:
    for path in ("/proc/cpuinfo", "/etc/ld.so.cache", "/sys/devices/system/cpu/online", "/dev/urandom"):
        assert opened(attacker, path) >= 0, path


def test_it_reads_nothing_of_its_agents(attacker: Attacker | Payload, worker: Worker, tmp_path: Path) -> None:
    secret = tmp_path / "node.token"
    secret.write_text("secret")
    assert opened(attacker, secret) == -errno.EACCES
    assert opened(attacker, worker.jail.folder.parent, O_DIRECTORY) == -errno.EACCES
    assert opened(attacker, f"/proc/{os.getpid()}/environ") == -errno.EACCES


def test_it_reads_nothing_of_another_worker(attacker: Attacker | Payload, target: Target) -> None:
    with Worker(target) as other:
        pid = other.process.pid
        for name in ("environ", "mem", "maps", "cmdline", "fd"):
            assert opened(attacker, f"/proc/{pid}/{name}") == -errno.EACCES, name
        assert opened(attacker, other.jail.folder, O_DIRECTORY) == -errno.EACCES
        spans = struct.pack("2Q", 0x400000, 8)
        assert attacker.call("process_vm_readv", pid, spans, 1, spans, 1, 0) == -errno.EPERM
        assert attacker.call("ptrace", 16, pid, 0, 0) == -errno.EPERM
        assert attacker.call("pidfd_open", pid, 0) == -errno.ENOSYS


def test_it_writes_in_its_own_folder_alone(
    attacker: Attacker | Payload, worker: Worker, tmp_path: Path
) -> None:
    for folder in (tmp_path, Path("/tmp"), Path("/dev/shm"), Path("/var/tmp"), Path("/usr")):
        assert opened(attacker, folder / "made-by-a-kernel", O_WRONLY | O_CREAT) == -errno.EACCES, folder
    kept = tmp_path / "kept"
    kept.write_text("kept")
    assert opened(attacker, kept, O_WRONLY) == -errno.EACCES
    path = str(kept).encode() + b"\0"
    assert attacker.call("unlinkat", AT_FDCWD, path, 0) == -errno.EACCES
    assert attacker.call("chmod", path, 0o777) == -errno.EPERM
    assert attacker.call("chown", path, 1, 1) == -errno.EPERM
    assert kept.read_text() == "kept"
    own = worker.jail.folder / "made-by-a-kernel"
    assert opened(attacker, own, O_WRONLY | O_CREAT) >= 0
    assert own.exists()


def test_it_has_no_sockets(attacker: Attacker | Payload) -> None:
    for family, kind in ((2, 1), (2, 2), (10, 1), (1, 1), (16, 3), (17, 3), (40, 1)):
        assert attacker.call("socket", family, kind, 0) == -errno.EPERM
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = struct.pack("=H", 2) + struct.pack("!H", listener.getsockname()[1]) + bytes([127, 0, 0, 1])
        for descriptor in range(3, 40):
            assert attacker.call("connect", descriptor, address.ljust(16, b"\0"), 16) == -errno.EPERM
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_it_starts_no_program(attacker: Attacker | Payload) -> None:
    arguments = (b"/bin/sh\0", struct.pack("Q", 0), 0)
    assert attacker.call("execve", *arguments) in (-errno.EPERM, -errno.EACCES)
    assert attacker.call("clone", SIGCHLD, 0, 0, 0, 0) == -errno.EPERM
    assert attacker.call("fork") == -errno.EPERM
    assert attacker.call("clone3", bytes(88), 88) == -errno.ENOSYS


def test_it_kills_nobody(attacker: Attacker | Payload, target: Target) -> None:
    with Worker(target) as other:
        for victim in (os.getpid(), other.process.pid, 1, 0, -1, -os.getpgid(0)):
            for number in (0, signal.SIGTERM):
                assert attacker.call("kill", victim, number) == -errno.EPERM, victim
        assert attacker.call("tgkill", other.process.pid, other.process.pid, 9) == -errno.EPERM
        assert attacker.call("tkill", other.process.pid, 9) == -errno.EPERM
        assert other.process.poll() is None


@pytest.mark.parametrize(
    "name",
    [
        "shmget",
        "keyctl",
        "unshare",
        "mount",
        "bpf",
        "perf_event_open",
        "setuid",
        "init_module",
        "kexec_load",
        "reboot",
        "personality",
        "setsid",
        "ptrace",
        "seccomp",
        "capset",
        "memfd_create",
    ],
)
def test_the_rest_of_the_kernel_is_not_there_for_it(attacker: Attacker | Payload, name: str) -> None:
    assert attacker.call(name, 0, 0, 0, 0, 0) == -errno.EPERM


def test_nor_are_its_newest_parts(attacker: Attacker | Payload) -> None:
    assert attacker.call("io_uring_setup", 8, bytes(120)) == -errno.ENOSYS
    assert attacker.call("userfaultfd", 0) == -errno.EPERM


def test_it_takes_no_more_memory_than_its_share_and_some(attacker: Attacker | Payload) -> None:
    most = 64 << 30
    assert attacker.call("mmap", 0, most, READ_WRITE, PRIVATE | ANONYMOUS, -1, 0) == -errno.ENOMEM
    assert attacker.call("mmap", 0, most, READ_WRITE, SHARED | ANONYMOUS, -1, 0) == -errno.EPERM
    part, held = 256 << 20, list[int]()
    while (address := attacker.call("mmap", 0, part, READ_WRITE, PRIVATE | ANONYMOUS, -1, 0)) > 0:
        held.append(address)
        assert len(held) * part < most, "there is no end to it"
    assert address == -errno.ENOMEM
    for address in held:
        assert attacker.call("munmap", address, part) == 0


def test_it_cannot_raise_its_limits(attacker: Attacker | Payload) -> None:
    unlimited = struct.pack("2Q", (1 << 64) - 1, (1 << 64) - 1)
    for resource in (1, 2, 4, 7):  # file size, data, core, descriptors
        assert attacker.call("prlimit64", 0, resource, unlimited, 0) == -errno.EPERM


def test_its_files_have_an_end(attacker: Attacker | Payload, worker: Worker) -> None:
    path = str(worker.jail.folder / "large").encode() + b"\0"
    descriptor = attacker.call("openat", AT_FDCWD, path, O_WRONLY | O_CREAT, 0o600)
    assert descriptor >= 0
    assert attacker.call("ftruncate", descriptor, 1 << 40) == -errno.EFBIG
    attacker.call("close", descriptor)
