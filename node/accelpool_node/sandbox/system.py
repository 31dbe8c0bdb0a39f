"""How the kernel is called: system calls that Python has no function for, each with its errors raised."""

from __future__ import annotations

import ctypes
import functools
import os
import platform

from accelpool_node.sandbox.syscalls import ARM64, NUMBERS, X86_64

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_READ, PR_CAPBSET_DROP = 1, 4, 23, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 38, 47


@functools.cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return libc


def machine() -> str:
    """Return the architecture, as `uname` names it."""
    return platform.machine()


def number(name: str, architecture: str) -> int | None:
    """Return a system call's number, or None if the architecture does not have it, or is not known here."""
    column = {X86_64: 0, ARM64: 1}.get(architecture)
    return None if column is None else NUMBERS[name][column]


def call(name: str, *arguments: int | ctypes.c_void_p) -> int:
    """Make a system call and return its result.

    Args:
        name: A key of `NUMBERS`.
        arguments: Numbers and addresses.

    Raises:
        OSError: The kernel refuses, or does not have it.
    """
    found = number(name, machine())
    if found is None:
        raise OSError(0, f"{name} is not known on {machine()}")
    words = [one if isinstance(one, ctypes.c_void_p) else ctypes.c_long(one) for one in arguments]
    result: int = _libc().syscall(ctypes.c_long(found), *words)
    return _checked(result, name)


def prctl(option: int, *arguments: int) -> int:
    """Return what an operation on this process results in.

    Source: prctl(2).

    Raises:
        OSError: The kernel refuses.
    """
    words = [ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4]]
    result: int = _libc().prctl(ctypes.c_int(option), *words)
    return _checked(result, f"prctl {option}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def address_of(content: ctypes.Array[ctypes.c_char]) -> ctypes.c_void_p:
    """Return where a buffer lies."""
    return ctypes.c_void_p(ctypes.addressof(content))
