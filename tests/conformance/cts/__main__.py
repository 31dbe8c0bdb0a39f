"""Khronos' conformance tests through the native driver, beside the same on the local device.

    python -m tests.conformance.cts BUILD [--device intel] [--only api,basic] [-- ARGUMENT ...]

BUILD is a folder in which OpenCL-CTS was built. Each test runs in a process of its own, on the device as this
machine has it, then on the same device of a pool. Exits with 1 if one passes locally and fails on the pool.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.cts.harness import FAILED, PASSED, Suite, suites
from tests.sides import Sides, chosen, end_in_order_on_sigterm, opened

Outcomes = dict[str, tuple[str, str]]  # by test: locally, through the driver


def main() -> int:
    """Run what was asked for, print it; 1 if something passes locally and fails through the driver."""
    options = _options()
    end_in_order_on_sigterm()
    found = [one for one in suites(options.build) if _is_wanted(one, options.only)]
    if not found:
        sys.exit(f"{options.build} has no programs test_* of these suites")
    with tempfile.TemporaryDirectory(prefix="accelpool-cts-") as name:
        options.logs = options.logs or Path(name)
        options.logs.mkdir(exist_ok=True, parents=True)
        with opened(Path(name), chosen(options.device)) as sides:
            outcomes = dict(_run_all(found, sides, options))
    return report(outcomes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=Path, help="where OpenCL-CTS was built")
    parser.add_argument("--device", help="how its name begins, as in `accelpool devices`: intel, fpga, ...")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), help="suites: api,basic,images/clGetInfo"
    )
    parser.add_argument("--tests", type=lambda text: text.split(","), help="tests of these names")
    parser.add_argument("--timeout", type=float, default=300, help="seconds per test")
    parser.add_argument("--logs", type=Path, help="a folder for what the tests print")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    options.args = words[end + 1 :]
    return options


def _is_wanted(suite: Suite, only: list[str] | None) -> bool:
    return only is None or any(suite.is_named(word) for word in only)


def _run_all(
    found: list[Suite], sides: Sides, options: argparse.Namespace
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each test's name and how it ended locally and through the driver."""
    for suite in found:
        for test in suite.tests(sides.local):
            if options.tests and test not in options.tests:
                continue
            name = f"{suite.name} {test}"
            stem = name.replace("/", "-").replace(" ", "-")
            local, driver = (
                suite.run(
                    test,
                    side,
                    options.logs / f"{side.name}-{stem}.log",
                    limit_s=options.timeout,
                    args=options.args,
                )
                for side in (sides.local, sides.driver)
            )
            print(f"{name:60} local {local:8} driver {driver}", flush=True)
            yield name, (local, driver)


def report(outcomes: Outcomes) -> int:
    """Print the totals, and what passes locally alone; return the exit status."""
    for index, side in enumerate(("local", "driver")):
        counted = Counter(both[index] for both in outcomes.values())
        counts = "  ".join(f"{counted[kind]:4} {kind}" for kind in ("passed", "failed", "skipped"))
        print(f"{side:6} {counts}")
    differing = {name: driver for name, (local, driver) in outcomes.items() if local == PASSED != driver}
    for name, driver in differing.items():
        print(f"  {driver}: {name}")
    return 1 if FAILED in differing.values() else 0


if __name__ == "__main__":
    sys.exit(main())
