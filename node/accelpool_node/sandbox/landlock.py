"""Landlock: which files a process and its children may touch, for good; no TCP port, and no signal outside.

What is below a path is allowed with it. Rights that are not granted anywhere are refused everywhere:

    READ        open for reading, list a directory
    EXECUTE     run as a program; reading included
    DEVICE      open a device's node, and control it
    WRITE       write what is there, emptied first or not
    PRIVATE     make, change and remove whatever lies there

What Landlock does not watch, such as modes and owners of files, `seccomp` has to refuse.

Source: landlock(7); Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h of Linux 6.18.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Mapping

from accelpool_node.sandbox import system

CREATE_RULESET_VERSION, RULE_PATH_BENEATH = 1, 1

EXECUTE_FILE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
BIND_TCP, CONNECT_TCP = 1 << 0, 1 << 1
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1 << 0, 1 << 1

FIRST_RIGHTS = (1 << 13) - 1
RIGHTS_SINCE = {2: REFER, 3: TRUNCATE, 5: IOCTL_DEV}
NET_SINCE, SCOPE_SINCE = 4, 6
OF_FILES = EXECUTE_FILE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

READ = READ_FILE | READ_DIR
EXECUTE = READ_FILE | EXECUTE_FILE
WRITE = WRITE_FILE | TRUNCATE
DEVICE = READ_FILE | WRITE_FILE | READ_DIR | TRUNCATE | IOCTL_DEV
PRIVATE = (
    READ
    | WRITE_FILE
    | TRUNCATE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SYM
    | MAKE_FIFO
    | REFER
)

RULESET = struct.Struct("=QQQ")  # struct landlock_ruleset_attr; older kernels know its first members alone
RULE = struct.Struct("=Qi")  # struct landlock_path_beneath_attr, which is packed


def abi() -> int:
    """Return the version of the kernel's Landlock, 0 if there is none."""
    try:
        return system.call("landlock_create_ruleset", 0, 0, CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(grants: Mapping[int, Iterable[str]], version: int, *, keeps_signals: bool = False) -> None:
    """Refuse this thread, and all that it starts, whatever is not granted.

    Args:
        grants: Paths by the rights to what is at or below them; those that are not there are left out.
        version: What `abi` returned, at least 1.
        keeps_signals: Whether signals may leave the domain.

    Raises:
        OSError: The kernel refuses.
    """
    handled = rights(version)
    ruleset = _create(version, handled, keeps_signals=keeps_signals)
    try:
        for allowed, paths in grants.items():
            for path in paths:
                _grant(ruleset, path, allowed & handled)
        system.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def rights(version: int) -> int:
    """Return all rights to files that a version of Landlock knows."""
    return FIRST_RIGHTS | sum(right for since, right in RIGHTS_SINCE.items() if version >= since)


def _create(version: int, handled: int, *, keeps_signals: bool) -> int:
    ports = BIND_TCP | CONNECT_TCP if version >= NET_SINCE else 0
    scopes = SCOPE_ABSTRACT_UNIX_SOCKET | (0 if keeps_signals else SCOPE_SIGNAL)
    content = RULESET.pack(handled, ports, scopes if version >= SCOPE_SINCE else 0)
    members = 1 + (version >= NET_SINCE) + (version >= SCOPE_SINCE)
    buffer = ctypes.create_string_buffer(content[: 8 * members], 8 * members)
    return system.call("landlock_create_ruleset", system.address_of(buffer), 8 * members, 0)


def _grant(ruleset: int, path: str, allowed: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # not there, or out of reach: nothing to grant
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            allowed &= OF_FILES
        rule = ctypes.create_string_buffer(RULE.pack(allowed, place), RULE.size)
        system.call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, system.address_of(rule), 0)
    finally:
        os.close(place)
