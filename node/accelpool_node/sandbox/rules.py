"""Which system calls a policy allows, and with which arguments. What is not here is refused.

Not here are, among others: sockets of one's own (besides the Unix one at which a GPU's driver listens),
tracing and reading other processes, kernel keys, BPF, performance counters, mounts and namespaces, modules,
io_uring, userfaultfd, System V's shared memory and queues, changing users, clocks, modes and owners of files
(Landlock does not watch these), and the sandbox's own calls.
"""

from __future__ import annotations

from accelpool_node.sandbox.policy import Policy
from accelpool_node.sandbox.seccomp import ALLOW, REFUSE, UNKNOWN, Rule, Test
from accelpool_node.sandbox.syscalls import ALLOWED

# Source: the headers of Linux: sched.h, mman.h, fcntl.h, prctl.h, socket.h, asm-generic/ioctls.h.
CLONE_VFORK, CLONE_PARENT, CLONE_THREAD = 0x4000, 0x8000, 0x10000
CLONE_NEW_NAMESPACES = 0x7E020000
MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY = 8, 10, 15, 1024, 1026
TIOCSTI, TIOCLINUX, TIOCSETD, FIOSETOWN, SIOCSPGRP = 0x5412, 0x541C, 0x5423, 0x8901, 0x8902
MSG_FASTOPEN = 0x20000000
AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_TYPES = 1, 2, 5, 0xF
PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP = 2, 3, 15, 16, 21
PR_CAPBSET_READ, PR_GET_TIMERSLACK, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 23, 30, 38, 39
PR_GET_THP_DISABLE, PR_SET_VMA = 42, 0x53564D41
PRIO_PROCESS = 0

HARMLESS_PRCTLS = (
    PR_GET_PDEATHSIG,
    PR_GET_DUMPABLE,
    PR_SET_NAME,
    PR_GET_NAME,
    PR_GET_SECCOMP,
    PR_CAPBSET_READ,
    PR_GET_TIMERSLACK,
    PR_SET_NO_NEW_PRIVS,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_THP_DISABLE,
    PR_SET_VMA,
)
OF_PARENTS = (
    "fork kill tgkill prctl pidfd_open pidfd_send_signal "
    "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self "
    "capset setgroups setresgid setresuid"
)


def allowed_calls(policy: Policy) -> tuple[str, ...]:
    """Return the calls that a policy allows whatever their arguments; a rule comes before this."""
    return (*ALLOWED, *(OF_PARENTS.split() if policy.is_parent else ()))


def rules_of(policy: Policy, pid: int) -> dict[str, Rule]:
    """Return what decides about calls by their arguments.

    Args:
        policy: What the process may do.
        pid: Its process id.
    """
    no_address = Test(argument=0, mask=CLONE_NEW_NAMESPACES | CLONE_PARENT, values=(0,))
    rules = {
        "clone": Rule(tests=(no_address, *_starts(policy))),
        "clone3": Rule(verdict=UNKNOWN),  # its flags are behind a pointer; C libraries then use clone
        "ioctl": _unless(1, (TIOCSTI, TIOCLINUX, TIOCSETD, FIOSETOWN, SIOCSPGRP)),
        "fcntl": _unless(1, (F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY)),
        "sendto": _only(3, (0,), MSG_FASTOPEN),  # it connects
        "sendmsg": _only(2, (0,), MSG_FASTOPEN),
        "sendmmsg": _only(3, (0,), MSG_FASTOPEN),
        "socketpair": Rule(
            tests=(Test(argument=0, values=(AF_UNIX,)), Test(argument=1, mask=SOCK_DGRAM, values=(0,)))
        ),
        "prlimit64": _only(0, (0, pid)),
        "setpriority": Rule(
            tests=(Test(argument=0, values=(PRIO_PROCESS,)), Test(argument=1, values=(0, pid)))
        ),
    }
    if policy.user:  # the kernel compares users: drivers place their threads, and nobody else's
        rules["sched_setaffinity"] = Rule()
    else:
        rules["sched_setaffinity"] = _only(0, (0, pid))
    if policy.is_cpu:
        both = MAP_SHARED | MAP_ANONYMOUS
        rules["mmap"] = _unless(3, (both,), both)  # it would not be counted
    else:
        rules |= {"mmap": Rule(), "memfd_create": Rule()}
    if policy.has_nvidia:
        # As it starts, CUDA listens at the socket @cuda-uvmfd-NAMESPACE-PID, and gives up if it cannot.
        # It hands other processes a descriptor there; without accept and connect nobody gets one.
        # Source: snapd's interface cuda-support; docs/cuda.md has all of them.
        is_unix = Test(argument=0, values=(AF_UNIX,))
        is_packets = Test(argument=1, mask=SOCK_TYPES, values=(SOCK_SEQPACKET,))
        rules["socket"] = Rule(tests=(is_unix, is_packets))
        rules |= {name: Rule() for name in ("bind", "listen")}
    if policy.pipe:
        rules["connect"] = Rule()  # where to is behind a pointer
    if policy.programs:
        rules |= {"execve": Rule(), "vfork": Rule()}
    if not policy.is_parent:
        rules |= {
            "kill": _only(0, (pid,)),
            "tgkill": _only(0, (pid,)),
            "prctl": _only(0, HARMLESS_PRCTLS),
        }
    return rules


def _starts(policy: Policy) -> tuple[Test, ...]:
    """Return what must hold of a new thread or process: programs are started with the parent waiting."""
    if policy.is_parent:
        return ()
    if policy.programs:
        either = CLONE_THREAD | CLONE_VFORK
        return (Test(argument=0, mask=either, values=(CLONE_THREAD, CLONE_VFORK, either)),)
    return (Test(argument=0, mask=CLONE_THREAD, values=(CLONE_THREAD,)),)


def _only(argument: int, values: tuple[int, ...], mask: int = 0xFFFFFFFF) -> Rule:
    return Rule(tests=(Test(argument=argument, values=values, mask=mask),))


def _unless(argument: int, values: tuple[int, ...], mask: int = 0xFFFFFFFF) -> Rule:
    test = Test(argument=argument, values=values, mask=mask)
    return Rule(tests=(test,), verdict=REFUSE, otherwise=ALLOW)
