"""The conventions of the programs of Khronos' OpenCL-CTS, as far as running them takes.

`PROGRAM -h` prints usage, then "Test names:" and each test's name on a line that begins with a tab. Where it
describes them instead, as many as they are, newer ones have `PROGRAM --list`, which prints these lines alone.
`PROGRAM NAME ...` runs these tests, exits with 0 if none failed, and writes into the file that
CL_CONFORMANCE_RESULTS_FILENAME names: {"cmd": ..., "results": {NAME: "pass" | "fail" | "skip"}}.
CL_DEVICE_TYPE, CL_PLATFORM_INDEX and CL_DEVICE_INDEX choose the device. Programs with a command line of their
own may list nothing, or write no file: then all that they do is one test, and their status is the outcome.

Source: OpenCL-CTS, test_common/harness/testHarness.cpp and parseParameters.cpp.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.sides import Side

OUTCOMES = {"pass": "passed", "fail": "failed", "skip": "skipped"}
FAILED, PASSED = "failed", "passed"
EVERYTHING = "(all)"
FOLDER = "test_conformance"
LIST_S = 60
NAME = re.compile(r"^\t(\S+)$", re.MULTILINE)
# Each side shows one platform with one device, of whatever type: what the caller has set wins.
CHOICE = {"CL_DEVICE_TYPE": "all", "CL_PLATFORM_INDEX": "0", "CL_DEVICE_INDEX": "0"}


@dataclass(frozen=True, kw_only=True)
class Suite:
    """One program of the CTS.

    Attributes:
        name: Its folder's path, such as "api" or "images/clGetInfo".
        program: Where it is.
    """

    name: str
    program: Path

    def is_named(self, word: str) -> bool:
        """Whether a word means it: its name, an outer folder, or its program's name without `test_`."""
        return word in {self.name, self.name.partition("/")[0], self.program.name.removeprefix("test_")}

    def tests(self, side: Side, limit_s: float = LIST_S) -> list[str]:
        """Return the names of its tests, EVERYTHING alone where it lists none."""
        return self._listed("-h", side, limit_s) or self._listed("--list", side, limit_s) or [EVERYTHING]

    def _listed(self, word: str, side: Side, limit_s: float) -> list[str]:
        """Return what it lists if it is asked so."""
        try:
            done = subprocess.run(
                [str(self.program), word],
                cwd=self.program.parent,
                env=dict(side.variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            return []
        _, heading, listed = done.stdout.decode(errors="replace").rpartition("Test names:\n")
        is_a_list = heading or (word == "--list" and done.returncode == 0)
        return NAME.findall(listed) if is_a_list else []

    def run(self, test: str, side: Side, log: Path, *, limit_s: float, args: Sequence[str] = ()) -> str:
        """Return how a test ended: passed, failed or skipped. One that hangs or crashes has failed."""
        results = log.with_suffix(".json")
        results.unlink(missing_ok=True)
        choice = {name: os.environ.get(name, value) for name, value in CHOICE.items()}
        variables = {**choice, "CL_CONFORMANCE_RESULTS_FILENAME": str(results)}
        words = [str(self.program), *([] if test == EVERYTHING else [test]), *args]
        status = side.run(words, self.program.parent, log, limit_s=limit_s, **variables)
        return FAILED if status else _outcome(results)


def _outcome(results: Path) -> str:
    """Return what a program that ended well says of its tests: skipped if all were."""
    try:
        found = set(json.loads(results.read_text())["results"].values())
    except (OSError, ValueError, KeyError):
        return PASSED
    return next((OUTCOMES[word] for word in ("fail", "pass", "skip") if word in found), PASSED)


def suites(build: Path) -> list[Suite]:
    """Return the programs of a build folder of the CTS, or of its folder `test_conformance`."""
    root = build / FOLDER if (build / FOLDER).is_dir() else build
    programs = [path for path in sorted(root.rglob("test_*")) if path.is_file() and os.access(path, os.X_OK)]
    return [Suite(name=str(path.parent.relative_to(root)), program=path.absolute()) for path in programs]
