"""Who a process is, and what it may do beyond an ordinary user: less than before, for good."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import struct
import sys
from collections.abc import Sequence

from accelpool_node.sandbox import system

CAP_LAST = 63
CAP_AMBIENT_CLEAR_ALL = 4
CAPABILITY_VERSION_3 = 0x20080522
HEADER, SETS = struct.Struct("=Ii"), struct.Struct("=6I")  # struct __user_cap_header_struct, and two of data
ORPHAN = 4


def gain_no_more() -> None:
    """Have no program that is run give more rights than this process has.

    Raises:
        OSError: The kernel refuses.
    """
    system.prctl(system.PR_SET_NO_NEW_PRIVS, 1)


def hide() -> None:
    """Let no other process of this user read or write this one's memory.

    Source: prctl(2), PR_SET_DUMPABLE; ptrace(2), "Ptrace access mode checking".
    """
    system.prctl(system.PR_SET_DUMPABLE, 0)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent's thread ends; exit if that is over already.

    A change of user takes this back.

    Args:
        parent: The parent's process id.
    """
    system.prctl(system.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(ORPHAN)


def become(user: int, groups: Sequence[int]) -> None:
    """Become another user, with the group of the same number; still end with the parent.

    Raises:
        OSError: This process may not.
    """
    parent = os.getppid()
    os.setgroups(list(groups))
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    die_with(parent)


def limit_capabilities() -> None:
    """Let no program that is run have any capability: empty the bounding and the ambient set."""
    with contextlib.suppress(OSError):  # without the right to, which is as well
        for capability in range(CAP_LAST + 1):
            system.prctl(system.PR_CAPBSET_DROP, capability)
    with contextlib.suppress(OSError):
        system.prctl(system.PR_CAP_AMBIENT, CAP_AMBIENT_CLEAR_ALL)


def drop_capabilities() -> None:
    """Give all capabilities of this thread up.

    Raises:
        OSError: The kernel refuses.
    """
    head = ctypes.create_string_buffer(HEADER.pack(CAPABILITY_VERSION_3, 0), HEADER.size)
    none = ctypes.create_string_buffer(SETS.pack(*[0] * 6), SETS.size)
    system.call("capset", system.address_of(head), system.address_of(none))
