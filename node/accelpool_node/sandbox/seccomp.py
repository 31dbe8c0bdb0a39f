"""Seccomp: which system calls a process and its children may make, for good.

A filter is a program for the kernel's classic BPF machine. It is assembled here from a list of what may be:

    another architecture's call     the process is killed: no driver makes one
    calls with a `Rule`             its verdict, from their arguments
    calls in ranges of numbers      allowed
    anything else                   EPERM, or ENOSYS for calls so new that whoever makes one has another way

An argument is looked at in its lower half, which is all that the kernel itself uses of an int. Pointers
cannot be followed.

Source: seccomp(2); Documentation/userspace-api/seccomp_filter.rst and include/uapi/linux/filter.h of Linux.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from accelpool_node.sandbox import system
from accelpool_node.sandbox.syscalls import ARM64, X86_64

SET_MODE_FILTER, FLAG_TSYNC = 1, 1
LOAD, AND, JUMP_IF_EQUAL, JUMP_IF_AT_LEAST, JUMP_IF_ABOVE, RETURN = 0x20, 0x54, 0x15, 0x35, 0x25, 0x06
KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
REFUSE, UNKNOWN = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS

# struct seccomp_data: nr, arch, instruction_pointer, args[6]; both architectures are little-endian.
NR_AT, ARCH_AT, ARGUMENTS_AT, ARGUMENT_BYTES = 0, 4, 16, 8
AUDIT_ARCH = {X86_64: 0xC000003E, ARM64: 0xC00000B7}
X32_BIT = 0x40000000
FIRST_NEW = 424  # from here on the numbers of all architectures are the same; C libraries have other ways
INSTRUCTION = struct.Struct("=HBBI")  # struct sock_filter
FPROG = struct.Struct("@HP")  # struct sock_fprog


@dataclass(frozen=True, kw_only=True)
class Test:
    """Something about a call's argument.

    Attributes:
        argument: Its place, from 0.
        values: What it may be.
        mask: Which of its bits count.
    """

    argument: int
    values: tuple[int, ...]
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What becomes of a call.

    Attributes:
        tests: All hold, or the verdict is `otherwise`.
        verdict: If they do.
        otherwise: If not.
    """

    tests: tuple[Test, ...] = ()
    verdict: int = ALLOW
    otherwise: int = REFUSE


Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def install(program: bytes) -> None:
    """Have a program decide about all threads of this process, which needs no_new_privs.

    Raises:
        OSError: The kernel refuses, or does not have seccomp.
    """
    code = ctypes.create_string_buffer(program, len(program))
    head = FPROG.pack(len(program) // INSTRUCTION.size, ctypes.addressof(code))
    buffer = ctypes.create_string_buffer(head, FPROG.size)
    if system.call("seccomp", SET_MODE_FILTER, FLAG_TSYNC, system.address_of(buffer)):
        raise OSError(errno.EBUSY, "a thread could not be given the filter")


def assemble(architecture: str, allowed: Iterable[str], rules: Mapping[str, Rule]) -> bytes:
    """Return the program that allows some calls and decides about others by their arguments.

    Args:
        architecture: "x86_64" or "aarch64".
        allowed: Names of calls; one that is in `rules`, too, has its rule.
        rules: By the names of calls.

    Raises:
        KeyError: The architecture is not known.
    """
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCH_AT),
        (JUMP_IF_EQUAL, 1, 0, AUDIT_ARCH[architecture]),
        (RETURN, 0, 0, KILL_PROCESS),
        (LOAD, 0, 0, NR_AT),
    ]
    if architecture == X86_64:
        program += [(JUMP_IF_AT_LEAST, 0, 1, X32_BIT), (RETURN, 0, 0, REFUSE)]
    for name, rule in rules.items():
        found = system.number(name, architecture)
        if found is not None:
            block = _decide(rule)
            program += [(JUMP_IF_EQUAL, 0, len(block), found), *block]
    plain = {system.number(name, architecture) for name in allowed if name not in rules}
    for first, last in _ranges(sorted(one for one in plain if one is not None)):
        program += [
            (JUMP_IF_AT_LEAST, 0, 2, first),
            (JUMP_IF_ABOVE, 1, 0, last),
            (RETURN, 0, 0, ALLOW),
        ]
    program += [(JUMP_IF_AT_LEAST, 0, 1, FIRST_NEW), (RETURN, 0, 0, UNKNOWN), (RETURN, 0, 0, REFUSE)]
    return b"".join(INSTRUCTION.pack(code, *jumps, operand) for code, *jumps, operand in program)


def _decide(rule: Rule) -> list[Instruction]:
    """Return what ends with a verdict: each test jumps past the next value, or to the last instruction."""
    code: list[Instruction] = []
    for test in rule.tests:
        code.append((LOAD, 0, 0, ARGUMENTS_AT + ARGUMENT_BYTES * test.argument))
        if test.mask != 0xFFFFFFFF:
            code.append((AND, 0, 0, test.mask))
        left = len(test.values)
        for place, value in enumerate(test.values):
            code.append((JUMP_IF_EQUAL, left - place, 0, value & 0xFFFFFFFF))
        code += [(RETURN, 0, 0, rule.otherwise)]
    return [*code, (RETURN, 0, 0, rule.verdict)]


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as ranges, first and last included."""
    gaps = [(a, b) for a, b in pairwise(numbers) if b > a + 1]
    firsts = [*numbers[:1], *(b for _, b in gaps)]
    lasts = [*(a for a, _ in gaps), *numbers[-1:]]
    return list(zip(firsts, lasts, strict=True))
