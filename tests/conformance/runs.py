"""Runs one file of tests, or one example, in a process group of its own, and says how each test ended."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# What examples need to be short, and to ask nothing.
ARGUMENTS = {
    "n-body.py": ["-n", "256", "-i", "2", "-d", "0"],
    "pi-monte-carlo.py": ["-d", "0", "-i", "1000000", "-b", "1", "-e", "2", "-f", "1", "-l", "2", "-r", "1"],
    "black-hole-accretion.py": ["-n", "-s", "64", "-d", "0"],
}
OUTCOMES = {
    "PASSED": "passed", "FAILED": "failed", "ERROR": "failed", "SKIPPED": "skipped", "XFAIL": "skipped",
    "XPASS": "passed",
}  # fmt: skip
REPORT = re.compile(rf"^(\S+?\.py::.+?) ({'|'.join(OUTCOMES)})\b", re.MULTILINE)
DEVICE = re.compile(r"<(?:context factory for )?<?pyopencl\.(?:Device|Platform|Context)[^>]*>+\d*")
WORST = ("passed", "skipped", "failed")

Outcomes = dict[str, str]


def run_tests(
    path: Path, env: Mapping[str, str], log: Path, *, limit_s: float, test_limit_s: float, args: Sequence[str]
) -> Outcomes:
    """Return how each test of a file ended, by its name without the device.

    Where it runs on several devices the worst counts. Where the process ends before its last test that one
    has failed, and those after it are not in the result: "(the rest)" has.
    """
    command = [sys.executable, "-m", "pytest", "-v", "--tb=short", "--color=no", "-p", "no:cacheprovider"]
    command += [f"--timeout={test_limit_s:g}", "--rootdir", str(path.parent), "-c", "/dev/null", *args]
    status = _run([*command, path.name], path.parent, env, log, limit_s)
    printed = log.read_text(errors="replace")
    outcomes: Outcomes = {}
    for name, outcome in REPORT.findall(printed):
        plain = DEVICE.sub("", name).replace("[]", "").replace("[-", "[")
        seen = outcomes.get(plain, "passed")
        outcomes[plain] = max(seen, OUTCOMES[outcome], key=WORST.index)
    if status not in (0, 1, 5):  # pytest's: all passed, some failed, none found
        outcomes[f"{path.name}::(the rest)"] = "failed"
    return outcomes


def run_example(path: Path, env: Mapping[str, str], log: Path, *, limit_s: float) -> Outcomes:
    """Return how an example ended."""
    command = [sys.executable, path.name, *ARGUMENTS.get(path.name, [])]
    status = _run(command, path.parent, env, log, limit_s)
    return {path.name: "passed" if status == 0 else "failed"}


def _run(command: Sequence[str], folder: Path, env: Mapping[str, str], log: Path, limit_s: float) -> int:
    """Run a command within a time; its whole process group ends with it, and with this process's own end."""
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
