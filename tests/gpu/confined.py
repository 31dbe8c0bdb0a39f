"""What of the sandbox keeps CUDA from starting: its parts alone, in pairs, all but one, all; then calls.

    python -m tests.gpu.confined

Each try is a process of its own, which confines itself by some parts as a worker does by all, starts the
driver and takes its first device's context. The smallest sets of parts that fail are told; where strace is
installed with the calls that were refused, and for the filter with the calls that it would have to allow.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from accelpool_node.sandbox import folders, landlock, limits, paths, privileges, seccomp, system
from accelpool_node.sandbox.confine import grants_of
from accelpool_node.sandbox.policy import Policy, User
from accelpool_node.sandbox.rules import allowed_calls, rules_of
from accelpool_node.sandbox.seccomp import ALLOW, INSTRUCTION, RETURN

PARTS = ("folder", "user", "capabilities", "no_new_privs", "limits", "hidden", "landlock", "seccomp")
WORKS = "works"
USER = 64000
AT_ONCE, LIMIT_S = 6, 20
MOST_CALLS, MOST_TRIES, MOST_SHOWN = 480, 32, 20
UNFINISHED = "<unfinished ...>"
REFUSED = re.compile(r"= -1 (EPERM|EACCES|ENOSYS|EFBIG|EMFILE|ENOMEM)\b")

Parts = tuple[str, ...]


def show() -> None:
    """Print which parts, and which calls, it is."""
    alone = _try(())
    print(f"no part: {alone}", flush=True)
    if alone != WORKS:
        return
    outcomes = _try_each((part,) for part in PARTS)
    fine = tuple(part for part in PARTS if outcomes[(part,)] == WORKS)
    outcomes |= _try_each(itertools.combinations(fine, 2))
    outcomes |= _try_each([*itertools.combinations(fine, len(fine) - 1), fine])
    for parts, outcome in outcomes.items():
        print(f"{' + '.join(parts)}: {outcome}", flush=True)
    for parts in smallest_failing(outcomes):
        print(f"the smallest that fails: {' + '.join(parts)}", flush=True)
        _trace(parts)
        if "seccomp" in parts:
            _narrow(parts)


def smallest_failing(outcomes: Mapping[Parts, str]) -> list[Parts]:
    """Return the sets of parts that fail, but for those around another one that does."""
    failing = [parts for parts, outcome in outcomes.items() if outcome != WORKS]
    return [parts for parts in failing if not any(set(other) < set(parts) for other in failing)]


def refused(trace: str) -> list[str]:
    """Return the last calls of a trace that were refused, each once, without its process's number."""
    begun: dict[str, str] = {}  # calls between whose beginning and end another thread made one
    lines: list[str] = []
    for line in trace.splitlines():
        process, _, said = line.partition(" ")
        call = said.strip()
        if call.endswith(UNFINISHED):
            begun[process] = call.removesuffix(UNFINISHED)
        elif REFUSED.search(call):
            _, is_end, end = call.partition(" resumed>")
            lines.append(f"{begun.pop(process, '')}{end}" if is_end else call)
    return [*dict.fromkeys(lines)][-MOST_SHOWN:]


def _try_each(sets: Iterable[Parts]) -> dict[Parts, str]:
    tried = list(sets)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return dict(zip(tried, threads.map(_try, tried), strict=True))


def _try(parts: Parts, calls: Sequence[int] = (), under: Sequence[str] = ()) -> str:
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root, "folder")
        os.chmod(root, 0o711)  # another user passes
        folders.make(folder, USER if "user" in parts else 0)
        given = [",".join(parts), ",".join(map(str, calls)), str(folder)]
        command = [*under, sys.executable, "-m", "tests.gpu.confined", *given]
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            return "hangs"
    if run.returncode == 0:
        return run.stdout.strip()
    return f"{run.stderr.strip()[-300:]} (status {run.returncode})"


def _trace(parts: Parts) -> None:
    """Try once more under strace, and print what was refused."""
    if shutil.which("strace") is None:
        print("strace is not installed: which call it was is not told", flush=True)
        return
    with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
        said = _try(parts, under=["strace", "-f", "-qq", "-o", trace.name])
        print(f"under strace: {said}", *refused(trace.read()), sep="\n    ", flush=True)


def _narrow(parts: Parts) -> None:
    """Allow all calls, then take some away, half of a stretch at a time, as long as it works without."""
    policy = _policy(parts)
    known = {system.number(name, system.machine()) for name in (*rules_of(policy, 0), *allowed_calls(policy))}
    wanted = [number for number in range(MOST_CALLS) if number not in known]
    if _try(parts, wanted) != WORKS:
        print("it is not that a call is missing: it fails with all of them", flush=True)
        return
    tries, size = 0, len(wanted) // 2
    while size and tries < MOST_TRIES and len(wanted) > 1:
        place = 0
        while place < len(wanted) and tries < MOST_TRIES:
            fewer = wanted[:place] + wanted[place + size :]
            tries += 1
            if _try(parts, fewer) == WORKS:
                wanted = fewer
            else:
                place += size
        size //= 2
    print(f"with these calls, too, it works: {wanted}", flush=True)


def _policy(parts: Parts, folder: str = "") -> Policy:
    return Policy(
        folder=folder,
        read=paths.found(paths.SYSTEM),
        devices=paths.found(paths.DEVICES),
        user=USER if "user" in parts else 0,
        is_cpu=False,
    )


def _main(parts: Parts, calls: Sequence[int], folder: str) -> None:
    """Apply some parts, in the order of `confine`, and start the driver."""
    policy = _policy(parts, folder)
    readable = [*policy.read, *paths.own_code(), *paths.of_drivers(os.environ)]
    steps = {
        "folder": lambda: os.environ.update(folders.variables(Path(folder))),
        "user": lambda: privileges.become(USER, []),
        "capabilities": _drop_capabilities,
        "no_new_privs": privileges.gain_no_more,
        "limits": lambda: limits.set_limits(User.OWN if "user" in parts else User.ROOT),
        "hidden": privileges.hide,
        "landlock": lambda: landlock.restrict(grants_of(policy, readable), landlock.abi()),
        "seccomp": lambda: _filter(policy, calls),
    }
    for part in PARTS:
        if part in ("landlock", "seccomp") and part in parts:
            privileges.gain_no_more()  # the kernel wants it first
        if part in parts:
            steps[part]()
    driver = ctypes.CDLL("libcuda.so.1")
    code = driver.cuInit(0)
    context = ctypes.c_void_p()
    then = driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) if code == 0 else -1
    print(WORKS if code == then == 0 else f"cuInit {code}, cuDevicePrimaryCtxRetain {then}")


def _drop_capabilities() -> None:
    privileges.limit_capabilities()
    privileges.drop_capabilities()


def _filter(policy: Policy, calls: Sequence[int]) -> None:
    """Filter as for a GPU's worker, but allow some calls more."""
    whole = seccomp.assemble(system.machine(), allowed_calls(policy), rules_of(policy, os.getpid()))
    head = 4 * INSTRUCTION.size  # to where the call's number is loaded
    more = b"".join(
        INSTRUCTION.pack(code, *jumps, operand)
        for number in calls
        for code, *jumps, operand in [(seccomp.JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, ALLOW)]
    )
    seccomp.install(whole[:head] + more + whole[head:])


if __name__ == "__main__":
    if len(sys.argv) == 1:
        show()
    else:
        given, numbers, place = sys.argv[1:]
        chosen = tuple(part for part in given.split(",") if part)
        _main(chosen, [int(number) for number in numbers.split(",") if number], place)
