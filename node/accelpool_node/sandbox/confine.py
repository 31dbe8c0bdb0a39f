"""Takes away from this process what it does not need, before it reads what others wrote.

Each part is tried whatever became of the others. The order is the kernel's: rights are needed to give up
rights, and the filter of system calls comes last, since it refuses what the others are done with.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from accelpool_node.sandbox import cgroups, landlock, limits, paths, privileges, seccomp, system
from accelpool_node.sandbox.policy import Level, Mode, Policy, Sandbox, User
from accelpool_node.sandbox.rules import allowed_calls, rules_of

FIRST_DESCRIPTOR = 3
INCOMPLETE = 5


def confine(policy: Policy, variables: Mapping[str, str], keep: Iterable[int] | None) -> Sandbox:
    """Confine this process and all that it will start, for good, and return what is active.

    No second thread may run: the kernel's Landlock is a thread's own.

    Args:
        policy: What it may do.
        variables: Its environment, which says where drivers are.
        keep: The descriptors that stay open, besides input, output and errors; None for all.

    Raises:
        SystemExit: Something is missing, and nothing may be.
    """
    if keep is not None:
        _close_all_but(keep)
    if policy.mode is Mode.OFF:
        return Sandbox(user=_who(policy), missing=["everything: it is switched off"])
    trouble = dict(policy.lacks)

    def part(name: str, what: Callable[[], None]) -> bool:
        try:
            what()
        except (OSError, ValueError) as error:
            trouble[name] = str(error)
            return False
        return True

    privileges.limit_capabilities()
    if policy.user and os.geteuid() == 0:
        part("user", lambda: privileges.become(policy.user, policy.groups))
    user = _who(policy)
    if user is User.ROOT:
        trouble.setdefault("user", policy.why_no_user or "it is root, as its agent")
    has_none = part("capabilities", privileges.drop_capabilities)
    gains_none = part("no_new_privs", privileges.gain_no_more)
    is_grouped = part("cgroup", lambda: _check_group(policy))
    is_wrapped = part("bubblewrap", lambda: _check_wrapper(policy)) and bool(policy.wrapper)
    is_limited = part("limits", lambda: limits.set_limits(user))
    is_hidden = part("hidden", privileges.hide)
    abi = _lock(policy, variables, trouble)
    has_filter = part("seccomp", lambda: _filter(policy))
    missing = [f"{name}: {why}" for name, why in trouble.items()]
    if missing and policy.mode is Mode.REQUIRE:
        sys.stderr.write(f"the sandbox is not whole, and has to be: {'; '.join(missing)}\n")
        raise SystemExit(INCOMPLETE)
    return Sandbox(
        level=Level.PARTIAL if missing else Level.FULL,
        landlock=abi,
        seccomp=has_filter,
        no_new_privs=gains_none,
        is_hidden=is_hidden,
        has_capabilities=not has_none,
        limits=is_limited,
        bubblewrap=is_wrapped,
        cgroup=policy.bounds if is_grouped else [],
        user=user,
        missing=missing,
    )


def _close_all_but(keep: Iterable[int]) -> None:
    first = FIRST_DESCRIPTOR
    for kept in sorted(keep):
        os.closerange(first, kept)
        first = max(first, kept + 1)
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def _who(policy: Policy) -> User:
    if os.geteuid() == 0:
        return User.ROOT
    return User.OWN if os.geteuid() == policy.user else User.AGENT


def _check_group(policy: Policy) -> None:
    if policy.group and cgroups.name_of_own() != policy.group:
        raise ValueError(f"it is not in its group, {policy.group}")


def _check_wrapper(policy: Policy) -> None:
    if policy.wrapper and Path("/proc/1/comm").read_text().strip() != policy.wrapper:
        raise ValueError(f"it is not inside {policy.wrapper}")


def _lock(policy: Policy, variables: Mapping[str, str], trouble: dict[str, str]) -> int:
    """Apply Landlock, and return its version, 0 if it is not in force."""
    version = landlock.abi()
    if not version:
        trouble["landlock"] = "this kernel does not have it, or does not use it"
        return 0
    readable = [*policy.read, *paths.own_code(), *paths.of_drivers(variables)]
    for path in paths.around(readable, policy.secrets):
        trouble["landlock"] = f"{path} is code, and holds what is secret: move one of them"
    try:
        landlock.restrict(grants_of(policy, readable), version)
    except OSError as error:
        trouble["landlock"] = str(error)
        return 0
    return version


def grants_of(policy: Policy, readable: Iterable[str]) -> dict[int, list[str]]:
    """Return Landlock's grants: paths by the rights to what is at or below them.

    CUDA's driver names its threads, by a file of each that it empties first, and does not start if it may
    not. Of all that can be written there, the kernel lets who is hidden write names alone. It lets root write
    more: one that starts others gets none of it.

    Args:
        policy: What the process may do.
        readable: What it may read besides devices.
    """
    named = []
    if policy.has_nvidia and not policy.is_parent:
        named = [paths.OWN_THREADS]
    elif policy.has_nvidia and _who(policy) is not User.ROOT:
        named = [paths.ALL_PROCESSES]
    return {
        landlock.READ: [*readable, *paths.RANDOM, *paths.DEVICE_FOLDERS],
        landlock.EXECUTE: [*policy.programs, *(paths.LOADERS if policy.programs else ())],
        landlock.DEVICE: [*paths.ALWAYS_THERE, *policy.devices, *([policy.pipe] if policy.pipe else [])],
        landlock.PRIVATE: [policy.folder] if policy.folder else [],
        landlock.WRITE: named,
    }


def _filter(policy: Policy) -> None:
    architecture = system.machine()
    if architecture not in seccomp.AUDIT_ARCH:
        raise ValueError(f"there is no filter for {architecture}")
    rules = rules_of(policy, os.getpid())
    seccomp.install(seccomp.assemble(architecture, allowed_calls(policy), rules))
