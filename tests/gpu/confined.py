"""What of the sandbox keeps CUDA from starting: each part alone, then the system calls that it wants.

Each try is a process of its own, which starts the driver and takes its first device's context.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence

from accelpool_node.sandbox import limits, privileges, seccomp, system
from accelpool_node.sandbox.policy import Policy
from accelpool_node.sandbox.rules import allowed_calls, rules_of
from accelpool_node.sandbox.seccomp import ALLOW, INSTRUCTION, RETURN

PARTS = ("user", "capabilities", "no_new_privs", "limits", "hidden", "seccomp")
USER = 64000
MOST_CALLS, LIMIT_S, MOST_TRIES = 480, 10, 16


def show() -> None:
    """Print which parts, and which calls, it is."""
    print(f"no part: {_try([])}", flush=True)
    said = {part: _try([part]) for part in PARTS}
    for part, what in said.items():
        print(f"only {part}: {what}", flush=True)
    if said["seccomp"].startswith("works"):
        return
    own = set(rules_of(Policy(is_cpu=False), 0)) | set(allowed_calls(Policy(is_cpu=False)))
    known = {system.number(name, system.machine()) for name in own}
    wanted = [number for number in range(MOST_CALLS) if number not in known]
    if _try(["seccomp"], wanted).startswith("works"):
        _narrow(wanted)


def _narrow(wanted: list[int]) -> None:
    """Take calls away, half of a stretch at a time, as long as it works without."""
    tries, size = 0, len(wanted) // 2
    while size and tries < MOST_TRIES and len(wanted) > 1:
        place = 0
        while place < len(wanted) and tries < MOST_TRIES:
            fewer = wanted[:place] + wanted[place + size :]
            tries += 1
            if _try(["seccomp"], fewer).startswith("works"):
                wanted = fewer
            else:
                place += size
        size //= 2
    print(f"with these calls, too, it works: {wanted}", flush=True)


def _try(parts: Sequence[str], calls: Sequence[int] = ()) -> str:
    command = [sys.executable, "-m", "tests.gpu.confined", ",".join(parts), ",".join(map(str, calls))]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return "hangs"
    return f"{run.stdout.strip() or run.stderr.strip()[-300:]} (status {run.returncode})"


def _main(parts: Sequence[str], calls: Sequence[int]) -> None:
    if "user" in parts:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
    if "capabilities" in parts:
        privileges.limit_capabilities()
        privileges.drop_capabilities()
    if "no_new_privs" in parts or "seccomp" in parts:
        privileges.gain_no_more()
    if "limits" in parts:
        limits.set_limits(has_own_user=False)
    if "hidden" in parts:
        privileges.hide()
    if "seccomp" in parts:
        _filter(calls)
    driver = ctypes.CDLL("libcuda.so.1")
    code = driver.cuInit(0)
    context = ctypes.c_void_p()
    then = driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) if code == 0 else -1
    print("works" if code == then == 0 else f"cuInit {code}, cuDevicePrimaryCtxRetain {then}")


def _filter(calls: Sequence[int]) -> None:
    """Filter as for a GPU's worker, but allow some calls more."""
    policy = Policy(is_cpu=False)
    whole = seccomp.assemble(system.machine(), allowed_calls(policy), rules_of(policy, os.getpid()))
    head = 4 * INSTRUCTION.size  # to where the call's number is loaded
    more = b"".join(
        INSTRUCTION.pack(code, *jumps, operand)
        for number in calls
        for code, *jumps, operand in [(seccomp.JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    )
    seccomp.install(whole[:head] + more + whole[head:])


if __name__ == "__main__":
    given, numbers = sys.argv[1:3]
    _main(given.split(","), [int(number) for number in numbers.split(",") if number])
