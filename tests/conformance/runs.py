"""Runs one file of tests, or one example, in a process group of its own, and says how each test ended."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.sides import Side

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
    path: Path, side: Side, log: Path, *, limit_s: float, test_limit_s: float, args: Sequence[str]
) -> Outcomes:
    """Return how each test of a file ended, by its name without the device.

    Where it runs on several devices the worst counts. Where the process ends before its last test that one
    has failed, and those after it are not in the result: "(the rest)" has.
    """
    command = [sys.executable, "-m", "pytest", "--disable-plugin-autoload", "-p", "pytest_timeout"]
    command += ["-v", "--tb=short", "--color=no", "-p", "no:cacheprovider"]
    command += [f"--timeout={test_limit_s:g}", "--rootdir", str(path.parent), "-c", "/dev/null", *args]
    status = side.run([*command, path.name], path.parent, log, limit_s=limit_s, **_selection(side))
    printed = log.read_text(errors="replace")
    outcomes: Outcomes = {}
    for name, outcome in REPORT.findall(printed):
        plain = DEVICE.sub("", name).replace("[]", "").replace("[-", "[")
        seen = outcomes.get(plain, "passed")
        outcomes[plain] = max(seen, OUTCOMES[outcome], key=WORST.index)
    if status not in (0, 1, 5):  # pytest's: all passed, some failed, none found
        outcomes[f"{path.name}::(the rest)"] = "failed"
    return outcomes


def run_example(path: Path, side: Side, log: Path, *, limit_s: float) -> Outcomes:
    """Return how an example ended."""
    command = [sys.executable, path.name, *ARGUMENTS.get(path.name, [])]
    status = side.run(command, path.parent, log, limit_s=limit_s, **_selection(side))
    return {path.name: "passed" if status == 0 else "failed"}


def _selection(side: Side) -> dict[str, str]:
    """Return the variables by which tests and examples choose the device among those that are visible."""
    return {"PYOPENCL_TEST": side.platform, "PYOPENCL_CTX": side.platform, "PYOPENCL_NO_CACHE": "1"}
