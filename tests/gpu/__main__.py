"""Everything that wants NVIDIA's hardware: `python -m tests.gpu [--minutes N]`, on a machine that has some.

The contract suite, the kernel library and the SDK's mirrors: each file runs in a process of its own, several
at once, on CUDA and on NVIDIA's OpenCL; then times are taken. It prints a table, and what failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from accelpool_node.sandbox.policy import Mode

from ..conftest import SANDBOX_VARIABLE
from ..integration.worker_rig import (
    Target,
    cuda_targets,
    opencl_targets,
)
from . import confined

TESTS = Path(__file__).parents[1]
FILES = ("contract/test_backend_*.py", "gpu/test_*.py")
OPENCL_FILES = ("device/test_*.py",)
AT_ONCE = 6
MOST_FAILURES = 6
SHOWN_CHARACTERS = 1500
MEASURE_LIMIT_S = 90
WHOLE_BENCH_S = 240
LEAST_S = 10


@dataclass
class Outcome:
    """What came of a file's tests."""

    file: str
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    took_s: float = 0.0
    trouble: str = ""


def main() -> int:
    """Run everything, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpu")
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--opencl", action="store_true", help="NVIDIA's OpenCL, too")
    parser.add_argument("files", nargs="*", help="parts of names of files; all without any")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    targets = _targets(with_opencl=options.opencl)
    for target in targets:
        print(f"{target.id}: {target.fault or 'works'}", flush=True)
    if not any(target.is_cuda and not target.fault for target in targets):
        print("no CUDA device works")
        return 1
    os.environ[SANDBOX_VARIABLE] = _sandbox(next(target for target in targets if target.is_cuda))
    marks = "cuda or opencl" if options.opencl else "cuda"
    patterns = (*FILES, *OPENCL_FILES) if options.opencl else FILES
    files = [
        path
        for pattern in patterns
        for path in sorted(TESTS.glob(pattern))
        if not options.files or any(part in str(path) for part in options.files)
    ]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        outcomes = list(threads.map(lambda path: _run(path, marks, until), files))
    _print_table(outcomes)
    _measure(until)
    return 1 if any(one.failures or one.trouble for one in outcomes) else 0


def _targets(*, with_opencl: bool) -> list[Target]:
    found = cuda_targets()
    if with_opencl:
        found = [*found, *(target for target in opencl_targets() if "NVIDIA" in target.platform)]
    return found


def _sandbox(target: Target) -> str:
    """Return the mode in which a worker's driver works; which one it is, is told."""
    for mode in (Mode.AUTO, Mode.OFF):
        os.environ[SANDBOX_VARIABLE] = mode
        code = (
            "from tests.integration.worker_rig import *\n"
            "with Worker(cuda_targets()[0]) as worker:\n"
            "    print(worker.ready)\n"
            "    connection = worker.connect()\n"
            "    from tests.integration.wire_client import Client\n"
            "    client = Client(connection)\n"
            "    context = client.context()\n"
            "    print(client.build(client.program(context, '__kernel void f(__global int *a) {}')))\n"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
        print(f"sandbox {mode}: {run.stdout[-900:]} {run.stderr[-6000:]}", flush=True)
        if run.returncode == 0:
            return mode
        if mode is Mode.AUTO:
            confined.show()
    return Mode.OFF


def _run(path: Path, marks: str, until: float) -> Outcome:
    name = f"{path.parent.name}/{path.stem.removeprefix('test_').removeprefix('backend_')}"
    outcome, began = Outcome(name), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-m", marks, "-p", "no:cacheprovider"]
        command += [
            f"--maxfail={MOST_FAILURES}",
            f"--junitxml={report}",
            "-o",
            "junit_logging=system-err",
            "-W",
            "ignore::DeprecationWarning",
        ]
        try:
            run = subprocess.run(
                [*command, str(path)],
                capture_output=True,
                text=True,
                timeout=max(1.0, until - time.monotonic()),
            )
            if run.returncode not in (0, 1, 5):
                outcome.trouble = f"{run.stdout[-1000:]}{run.stderr[-1000:]}"
        except subprocess.TimeoutExpired as error:
            outcome.trouble = f"not over in time: {str(error.stdout or '')[-800:]}"
        if report.exists():
            _read(report, outcome, "cuda" if path.parent.name == "gpu" else "opencl")
    outcome.took_s = time.monotonic() - began
    print(f"{outcome.file}: {dict(outcome.counts)} in {outcome.took_s:.0f} s", flush=True)
    return outcome


def _read(report: Path, outcome: Outcome, default: str) -> None:
    """Count what a report has; tests that are of one face alone do not name it."""
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        face = "cuda" if "cuda:" in case.get("name", "") else "opencl"
        bad = next((part for part in case if part.tag in ("failure", "error")), None)
        if bad is not None:
            outcome.counts[f"{face} failed"] += 1
            printed = (case.findtext("system-err") or "")[-SHOWN_CHARACTERS:]
            outcome.failures.append(
                (case.get("name", ""), f"{(bad.text or '')[-SHOWN_CHARACTERS:]}{printed}")
            )
        elif case.find("skipped") is not None:
            outcome.counts[f"{face} skipped"] += 1
        else:
            outcome.counts[f"{face} passed"] += 1


def _print_table(outcomes: list[Outcome]) -> None:
    columns = [f"{face} {what}" for face in ("cuda", "opencl") for what in ("passed", "failed", "skipped")]
    for outcome in outcomes:
        for name, text in outcome.failures:
            print(f"---- {outcome.file} {name}\n{text}")
        if outcome.trouble:
            print(f"---- {outcome.file}\n{outcome.trouble}")
    print(f"{'':24}" + "".join(f"{column:>16}" for column in columns))
    for outcome in outcomes:
        print(f"{outcome.file:24}" + "".join(f"{outcome.counts[column]:>16}" for column in columns))
    total = sum((outcome.counts for outcome in outcomes), Counter())
    print(f"{'all':24}" + "".join(f"{total[column]:>16}" for column in columns), flush=True)


def _measure(until: float) -> None:
    """Take times of a worker alone, then of the whole way with all that the bench measures."""
    _in_time(["tests.gpu.measure"], min(time.monotonic() + MEASURE_LIMIT_S, until))
    quick = ["--quick"] if until - time.monotonic() < WHOLE_BENCH_S else []
    _in_time(["bench", "--api", "cuda", "--sandbox", os.environ[SANDBOX_VARIABLE], *quick], until)


def _in_time(module: list[str], until: float) -> None:
    left_s = until - time.monotonic()
    if left_s < LEAST_S:
        print(f"no time is left for {module[0]}", flush=True)
        return
    try:
        subprocess.run([sys.executable, "-m", *module], timeout=left_s, check=False)
    except subprocess.TimeoutExpired:
        print(f"{module[0]} was not over in time", flush=True)


if __name__ == "__main__":
    sys.exit(main())
