"""The filter of system calls, run here as the kernel would, for both architectures."""

from __future__ import annotations

import errno
import re
import struct
from pathlib import Path

import pytest

from accelpool_node.sandbox import rules, seccomp
from accelpool_node.sandbox.policy import Policy
from accelpool_node.sandbox.syscalls import ALLOWED, ARM64, NUMBERS, X86_64

PID = 4321
COLUMN = {X86_64: 0, ARM64: 1}
HEADERS = {
    X86_64: (Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+)\s+(\d+)"),
    ARM64: (Path("/usr/include/asm-generic/unistd.h"), r"#define __NR(?:3264)?_(\w+)\s+(\d+)"),
}
SERVING = {X86_64: (42, 43, 288), ARM64: (203, 202, 242)}  # connect, accept, accept4
MAX_INSTRUCTIONS = 4096  # the kernel's limit
ALLOW, REFUSE = seccomp.ALLOW, seccomp.REFUSE


def verdict(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a program on a system call, in the kernel's own terms."""
    data = struct.pack("<iIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    code = list(struct.iter_unpack("=HBBI", program))
    at, held = 0, 0
    while True:
        operation, if_true, if_false, operand = code[at]
        at += 1
        if operation == 0x06:
            return operand
        if operation == 0x20:
            held = struct.unpack_from("<I", data, operand)[0]
        elif operation == 0x54:
            held &= operand
        else:
            holds = {0x15: held == operand, 0x35: held >= operand, 0x25: held > operand}[operation]
            at += if_true if holds else if_false


class Filter:
    def __init__(self, architecture: str, policy: Policy) -> None:
        self.architecture = architecture
        calls, by_arguments = rules.allowed_calls(policy), rules.rules_of(policy, PID)
        self.program = seccomp.assemble(architecture, calls, by_arguments)

    def __call__(self, name: str, *arguments: int) -> int:
        number = NUMBERS[name][COLUMN[self.architecture]]
        if number is None:
            pytest.skip(f"{self.architecture} has no {name}")
        return verdict(self.program, seccomp.AUDIT_ARCH[self.architecture], number, arguments)


@pytest.fixture(params=[X86_64, ARM64])
def architecture(request):
    return request.param


@pytest.fixture
def worker(architecture):
    """What a worker of a CPU that needs no linker may call."""
    return Filter(architecture, Policy())


def test_the_numbers_are_those_of_the_headers(architecture):
    file, pattern = HEADERS[architecture]
    if not file.exists():
        pytest.skip(f"{file} is not installed")
    known = {name: int(number) for name, number in re.findall(pattern, file.read_text())}
    known.setdefault("newfstatat", known.get("fstatat", -1))
    ours = {name: numbers[COLUMN[architecture]] for name, numbers in NUMBERS.items()}
    assert {name: ours[name] for name in ours if name in known} == {
        name: known[name] for name in ours if name in known
    }


def test_every_named_call_is_allowed_and_no_other(worker, architecture):
    column, arch = COLUMN[architecture], seccomp.AUDIT_ARCH[architecture]
    special = set(rules.rules_of(Policy(), PID))
    allowed = {NUMBERS[name][column] for name in ALLOWED if name not in special}
    decided = {NUMBERS[name][column] for name in special}
    for number in set(range(600)) - decided:
        assert (verdict(worker.program, arch, number) == ALLOW) == (number in allowed), number


def test_it_fits_the_kernel(architecture):
    whole = Filter(architecture, Policy(programs=["/usr/bin/ld"], is_parent=True, is_cpu=False))
    assert len(whole.program) // 8 < MAX_INSTRUCTIONS


def test_calls_of_another_architecture_end_the_process(worker, architecture):
    other = seccomp.AUDIT_ARCH[ARM64 if architecture == X86_64 else X86_64]
    assert verdict(worker.program, other, 0) == seccomp.KILL_PROCESS
    assert verdict(worker.program, 0x40000003, 1) == seccomp.KILL_PROCESS  # i386: int 0x80


def test_calls_of_x32_are_refused():
    worker = Filter(X86_64, Policy())
    arch = seccomp.AUDIT_ARCH[X86_64]
    assert verdict(worker.program, arch, 0x40000000 | NUMBERS["read"][0]) == REFUSE


def test_new_calls_are_not_there(worker, architecture):
    arch = seccomp.AUDIT_ARCH[architecture]
    assert verdict(worker.program, arch, 599) == seccomp.ERRNO | errno.ENOSYS
    assert worker("clone3") == seccomp.ERRNO | errno.ENOSYS


def test_threads_start_and_processes_do_not(worker):
    assert worker("clone", rules.CLONE_THREAD | 0x3D0F00) == ALLOW
    assert worker("clone", 17) == REFUSE
    assert worker("clone", rules.CLONE_VFORK | 0x100 | 17) == REFUSE
    assert worker("execve") == REFUSE


@pytest.mark.parametrize("bit", [17, 25, 26, 27, 28, 29, 30, 15])
def test_no_thread_is_in_a_namespace_of_its_own_or_somebody_elses_child(worker, bit):
    assert worker("clone", rules.CLONE_THREAD | 1 << bit) == REFUSE


def test_who_may_run_a_linker_waits_for_it(architecture):
    pocl = Filter(architecture, Policy(programs=["/usr/bin/ld"]))
    assert pocl("clone", rules.CLONE_VFORK | 0x100 | 17) == ALLOW
    assert pocl("clone", 17) == REFUSE
    assert pocl("execve") == ALLOW  # which programs is Landlock's


def test_signals_stay_in_the_process(worker):
    for name in ("kill", "tgkill"):
        assert worker(name, PID, 6) == ALLOW
        assert worker(name, PID + 1, 6) == REFUSE
        assert worker(name, 0, 9) == REFUSE
        assert worker(name, (1 << 32) - 1, 9) == REFUSE
    assert worker("fcntl", 3, rules.F_SETOWN, 1) == REFUSE
    assert worker("fcntl", 3, 1) == ALLOW


def test_memory_is_shared_by_files_alone(worker, architecture):
    shared, private = rules.MAP_SHARED | rules.MAP_ANONYMOUS, 2 | rules.MAP_ANONYMOUS
    assert worker("mmap", 0, 4096, 3, shared) == REFUSE
    assert worker("mmap", 0, 4096, 3, private) == ALLOW
    assert worker("mmap", 0, 4096, 3, rules.MAP_SHARED) == ALLOW
    assert worker("memfd_create") == REFUSE
    gpu = Filter(architecture, Policy(is_cpu=False))
    assert gpu("mmap", 0, 4096, 3, shared) == ALLOW


def test_a_connection_does_not_connect_elsewhere(worker):
    assert worker("sendto", 3, 0, 0, rules.MSG_FASTOPEN | 0x4000) == REFUSE
    assert worker("sendto", 3, 0, 0, 0x4000) == ALLOW
    assert worker("sendmsg", 3, 0, rules.MSG_FASTOPEN) == REFUSE
    assert worker("socketpair", rules.AF_UNIX, 1 | 0x80000) == ALLOW
    assert worker("socketpair", rules.AF_UNIX, rules.SOCK_DGRAM) == REFUSE
    assert worker("socketpair", 2, 1) == REFUSE


def test_a_gpus_driver_listens_at_a_unix_socket_and_connects_nowhere(worker, architecture):
    gpu = Filter(architecture, Policy(is_cpu=False, devices=["/dev/nvidia0"]))
    other = Filter(architecture, Policy(is_cpu=False, devices=["/dev/dri/renderD128"]))
    assert [other(call) for call in ("socket", "bind", "listen")] == [REFUSE] * 3
    assert gpu("socket", rules.AF_UNIX, rules.SOCK_SEQPACKET | 0x80000) == ALLOW
    assert gpu("socket", rules.AF_UNIX, 1) == REFUSE
    assert gpu("socket", 2, rules.SOCK_SEQPACKET) == REFUSE
    assert [gpu(call) for call in ("bind", "listen")] == [ALLOW] * 2
    assert [worker(call) for call in ("socket", "bind", "listen")] == [REFUSE] * 3
    arch = seccomp.AUDIT_ARCH[architecture]
    assert {verdict(gpu.program, arch, number) for number in SERVING[architecture]} == {REFUSE}


def test_what_goes_through_mps_connects_to_unix_sockets_of_packets_and_serves_nobody(architecture):
    client = Filter(architecture, Policy(is_cpu=False, devices=["/dev/nvidia0"], pipe="/tmp/nvidia-mps"))
    assert client("connect") == ALLOW
    assert client("socket", rules.AF_UNIX, rules.SOCK_SEQPACKET) == ALLOW
    assert client("socket", rules.AF_UNIX, 1) == REFUSE
    assert client("socket", 2, rules.SOCK_SEQPACKET) == REFUSE
    arch, (_, *accepting) = seccomp.AUDIT_ARCH[architecture], SERVING[architecture]
    assert {verdict(client.program, arch, number) for number in accepting} == {REFUSE}


def test_limits_and_places_of_other_processes_stay(worker):
    assert worker("prlimit64", 0, 7) == ALLOW
    assert worker("prlimit64", 1, 7) == REFUSE
    assert worker("sched_setaffinity", 1) == REFUSE
    assert worker("setpriority", 0, 0, 19) == ALLOW
    assert worker("setpriority", 2, 0, 19) == REFUSE
    assert worker("prctl", rules.PR_SET_NAME) == ALLOW
    assert worker("prctl", 1, 0) == REFUSE  # it would outlive its agent


def test_terminals_take_no_input(worker):
    assert worker("ioctl", 0, rules.TIOCSTI) == REFUSE
    assert worker("ioctl", 0, 1 << 32 | rules.TIOCSTI) == REFUSE
    assert worker("ioctl", 0, 0x541B) == ALLOW
