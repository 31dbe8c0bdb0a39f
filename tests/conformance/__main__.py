"""PyOpenCL's own tests and examples against a pool on this machine, beside the same on the local device.

    python -m tests.conformance [test_array.py demo.py ...] [--driver] [--local] [-- -k sort]

They are read from PyOpenCL's source distribution. With --driver they run as they are, on PyOpenCL itself,
which finds the pool's device by the native driver under `accelpool run`. Without it their imports are
redirected to the SDK as those of PyOpenCL's own modules are, in a copy in a temporary folder; nothing of
theirs is kept. docs/conformance.md says more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.conformance.reasons import reason, table
from tests.conformance.runs import Outcomes, run_example, run_tests
from tests.conformance.source import Source, fetch, unpack
from tests.sides import Side, chosen, end_in_order_on_sigterm, opened

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "accelpool" / "conformance"
KNOWN = {"sdk": "Known differences", "driver": "Known differences through the driver"}


def main() -> int:
    """Run what was asked for, print it; 1 if something passes locally alone and nobody knows why."""
    options = _options()
    end_in_order_on_sigterm()
    with tempfile.TemporaryDirectory(prefix="accelpool-conformance-") as name:
        folder = Path(name)
        source = unpack(options.sdist or fetch(options.cache), folder)
        with opened(folder, chosen(options.device)) as sides:
            pool = sides.driver if options.driver else sides.sdk
            results = {
                side.name: _run_all(source, side, options, folder)
                for side in ([pool, sides.local] if options.local else [pool])
            }
    return _report(pool.name, results)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", help="test files and examples; default: all")
    parser.add_argument("--sdist", type=Path, help="PyOpenCL's source distribution; default: downloaded once")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where it is downloaded to")
    parser.add_argument("--driver", action="store_true", help="PyOpenCL itself, through the native driver")
    parser.add_argument("--local", action="store_true", help="run all on the local device too")
    parser.add_argument("--device", help="how its name begins, as in `accelpool devices`: intel, fpga, ...")
    parser.add_argument("--logs", type=Path, help="a folder for what the runs print")
    parser.add_argument("--timeout", type=float, default=120, help="seconds per test and example")
    parser.add_argument("--file-timeout", type=float, default=900, help="seconds per file of tests")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    options.pytest_args = words[end + 1 :]
    return options


def _run_all(source: Source, side: Side, options: argparse.Namespace, folder: Path) -> dict[str, Outcomes]:
    """Return the outcomes by file."""
    root = source.ours if side.name == "sdk" else source.theirs
    left_out = table("Examples that are not run")
    wanted = [root / "test" / path.name for path in sorted((root / "test").glob("test_*.py"))]
    wanted += [path for path in sorted((root / "examples").glob("*.py")) if path.name not in left_out]
    logs = options.logs or folder
    logs.mkdir(exist_ok=True, parents=True)
    found = {}
    for path in wanted:
        if options.files and path.name not in options.files:
            continue
        began, log = time.monotonic(), logs / f"{side.name}-{path.name}.log"
        if path.parent.name == "test":
            limits = {"limit_s": options.file_timeout, "test_limit_s": options.timeout}
            found[path.name] = run_tests(path, side, log, **limits, args=options.pytest_args)
        else:
            found[path.name] = run_example(path, side, log, limit_s=options.timeout)
        counts = _counts(found[path.name])
        print(f"{side.name:6} {path.name:36} {counts}  {time.monotonic() - began:5.0f} s", flush=True)
    return found


def _counts(outcomes: Outcomes) -> str:
    counted = Counter(outcomes.values())
    return "  ".join(f"{counted[kind]:4} {kind}" for kind in ("passed", "failed", "skipped"))


def _report(pool: str, results: dict[str, dict[str, Outcomes]]) -> int:
    """Print the totals, and what passes locally alone; return the exit status."""
    known, unexplained = table(KNOWN[pool]), 0
    for name, why in table("Examples that are not run").items():
        print(f"       {name:36} not run: {why}")
    by_side = {
        side: {name: outcome for part in files.values() for name, outcome in part.items()}
        for side, files in results.items()
    }
    for side, outcomes in by_side.items():
        print(f"{side:6} {'all':36} {_counts(outcomes)}")
    ours, theirs = by_side[pool], by_side.get("local")
    if theirs is None:
        differing = [name for name, how in ours.items() if how == "failed"]
    else:
        differing = [name for name, how in theirs.items() if how == "passed" and ours.get(name) != "passed"]
    for name in differing:
        why = reason(name, known)
        unexplained += why is None
        print(f"  {ours.get(name, 'not run')}: {name}: {why or 'NOT EXPLAINED'}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
