"""Piglit's tests of OpenCL's API: a conformance suite that others have written."""

from __future__ import annotations

import re
from pathlib import Path

from tests.applications.application import Application, Wrong, output_of
from tests.sides import Side, Sides

LIMIT_S = 1800
RESULT = re.compile(r"^((?:api|custom|program)/.+): (\w+)$", re.MULTILINE)
GOOD = {"pass", "warn"}
TESTS = ("^api@", "^custom@", "^program@build@")  # those that run programs, another 600, test the compiler


def results(printed: str) -> dict[str, str]:
    """Return the result of each test by its name, of what `piglit summary console` prints."""
    return dict(RESULT.findall(printed))


def lost(local: dict[str, str], driver: dict[str, str]) -> list[str]:
    """Return the tests that are good locally and not on the pool."""
    return sorted(name for name, how in local.items() if how in GOOD and driver.get(name) not in GOOD)


def check_piglit(sides: Sides, folder: Path) -> str:
    """Compare the results of the local device and the pool's."""
    local, driver = (_run(side, folder) for side in (sides.local, sides.driver))
    if not local:
        raise Wrong("piglit ran no test")
    if names := lost(local, driver):
        raise Wrong("; ".join(f"{name}: {driver.get(name, 'not run')}" for name in names))
    passed = sum(result in GOOD for result in driver.values())
    return f"{passed} of {len(driver)} tests pass, locally {sum(r in GOOD for r in local.values())}"


def _run(side: Side, folder: Path) -> dict[str, str]:
    """Run the tests, and return their results."""
    target = str(folder / f"{side.name}-results")
    filters = [word for pattern in TESTS for word in ("--include-tests", pattern)]
    command = ["piglit", "run", *filters, "--no-concurrency", "--overwrite", "cl", target]
    output_of(side, command, folder, limit_s=LIMIT_S)
    return results(output_of(side, ["piglit", "summary", "console", target], folder))


APPLICATIONS = [Application(name="piglit", packages=("piglit",), check=check_piglit)]
