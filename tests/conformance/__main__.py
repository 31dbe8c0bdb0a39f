"""PyOpenCL's own tests and examples against a pool on this machine, beside the same on the local devices.

    python -m tests.conformance [test_array.py demo.py ...] [--local] [-- -k sort]

They are read from PyOpenCL's source distribution. For the pool their imports are redirected as those of
PyOpenCL's own modules are, in a copy in a temporary folder; nothing of theirs is kept. docs/conformance.md
says more.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

from tests.conformance.reasons import reason, table
from tests.conformance.runs import Outcomes, run_example, run_tests
from tests.conformance.source import fetch, unpack
from tests.conftest import Pool

INTEL = Path(sys.prefix) / "lib" / "libintelocl.so"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "accelpool" / "conformance"
POOL, LOCAL = "pool", "local"


def main() -> int:
    """Run what was asked for, print it; 1 if something passes locally alone and nobody knows why."""
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="accelpool-conformance-") as name:
        folder = Path(name)
        source = unpack(options.sdist or fetch(options.cache), folder)
        results: dict[str, dict[str, Outcomes]] = {}
        with _pool(folder) as variables:
            results[POOL] = _run_all(source.ours, variables, options, folder)
        if options.local:
            results[LOCAL] = _run_all(source.theirs, _local_variables(folder, options), options, folder)
    return _report(results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", help="test files and examples; default: all")
    parser.add_argument("--sdist", type=Path, help="PyOpenCL's source distribution; default: downloaded once")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where it is downloaded to")
    parser.add_argument("--local", action="store_true", help="run all on the local devices too")
    parser.add_argument("--select", default="Intel" if INTEL.exists() else "", help="a platform; '' for all")
    parser.add_argument("--logs", type=Path, help="a folder for what the runs print")
    parser.add_argument("--timeout", type=float, default=120, help="seconds per test and example")
    parser.add_argument("--file-timeout", type=float, default=900, help="seconds per file of tests")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    options.pytest_args = words[end + 1 :]
    return options


def _stop(number: int, _frame: object) -> NoReturn:
    """End as after an exception: processes are ended, the pool is stopped, the folder is removed."""
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


@contextlib.contextmanager
def _pool(folder: Path) -> Iterator[Mapping[str, str]]:
    """Start a pool of this machine's devices; yield the variables by which it is found."""
    (folder / "pool").mkdir()
    pool = Pool(folder=folder / "pool")
    try:
        pool.start()
        yield {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token}
    finally:
        for daemon in (getattr(pool, "agent", None), getattr(pool, "broker", None)):
            if daemon is not None and hasattr(daemon, "process"):
                daemon.stop()


def _local_variables(folder: Path, options: argparse.Namespace) -> Mapping[str, str]:
    """Return the variables by which a local PyOpenCL finds the driver that the pool's node has."""
    if options.select != "Intel":
        return {}
    vendors = folder / "vendors"
    vendors.mkdir()
    (vendors / "intel.icd").write_text(f"{INTEL}\n")
    return {"OCL_ICD_VENDORS": str(vendors)}


def _run_all(
    root: Path, variables: Mapping[str, str], options: argparse.Namespace, folder: Path
) -> dict[str, Outcomes]:
    """Return the outcomes by file."""
    left_out = table("Examples that are not run")
    wanted = [root / "test" / path.name for path in sorted((root / "test").glob("test_*.py"))]
    wanted += [path for path in sorted((root / "examples").glob("*.py")) if path.name not in left_out]
    select = {"PYOPENCL_TEST": options.select, "PYOPENCL_CTX": options.select} if options.select else {}
    env = {**variables, **select, "PYOPENCL_NO_CACHE": "1"}
    logs = options.logs or folder
    logs.mkdir(exist_ok=True, parents=True)
    where = POOL if "ACCELPOOL_URL" in variables else LOCAL
    found = {}
    for path in wanted:
        if options.files and path.name not in options.files:
            continue
        began, log = time.monotonic(), logs / f"{where}-{path.name}.log"
        if path.parent.name == "test":
            limits = {"limit_s": options.file_timeout, "test_limit_s": options.timeout}
            found[path.name] = run_tests(path, env, log, **limits, args=options.pytest_args)
        else:
            found[path.name] = run_example(path, env, log, limit_s=options.timeout)
        counts = _counts(found[path.name])
        print(f"{where:6} {path.name:36} {counts}  {time.monotonic() - began:5.0f} s", flush=True)
    return found


def _counts(outcomes: Outcomes) -> str:
    counted = Counter(outcomes.values())
    return "  ".join(f"{counted[kind]:4} {kind}" for kind in ("passed", "failed", "skipped"))


def _report(results: dict[str, dict[str, Outcomes]]) -> int:
    """Print the totals, and what passes locally alone; return the exit status."""
    known, unexplained = table("Known differences"), 0
    for name, why in table("Examples that are not run").items():
        print(f"       {name:36} not run: {why}")
    for where, files in results.items():
        print(f"{where:6} {'all':36} {_counts({k: v for part in files.values() for k, v in part.items()})}")
    ours = {name: outcome for part in results[POOL].values() for name, outcome in part.items()}
    if LOCAL in results:
        theirs = {name: outcome for part in results[LOCAL].values() for name, outcome in part.items()}
        differing = [name for name, how in theirs.items() if how == "passed" and ours.get(name) != "passed"]
    else:
        differing = [name for name, how in ours.items() if how == "failed"]
    for name in differing:
        why = reason(name, known)
        unexplained += why is None
        print(f"  {ours.get(name, 'not run')}: {name}: {why or 'NOT EXPLAINED'}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
