"""Programs that nobody changed, on a pool of this machine's devices, through the native driver.

    python -m tests.applications [clinfo hashcat ...] [--device intel] [--no-install]

Each runs under `accelpool run`, and its result is checked. What is missing of Debian's packages is installed
by apt where this is run by root; otherwise those that need it are skipped. Exits with 1 if one fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.applications import computations, debian, listings, piglit
from tests.applications.application import Application, Unfit, Wrong
from tests.sides import Sides, chosen, end_in_order_on_sigterm, opened

ALL = [*listings.APPLICATIONS, *computations.APPLICATIONS, *piglit.APPLICATIONS]


def main() -> int:
    """Run what was asked for, print it; 1 if an application failed."""
    options = _options()
    end_in_order_on_sigterm()
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="accelpool-applications-") as name:
        wanted = [one for one in ALL if not options.names or one.name in options.names]
        for one in wanted:
            debian.obstacle(one.packages, may_install=options.install)  # what is hidden has to be there
        hidden = [one.hidden for one in wanted if one.hidden and Path(one.hidden).is_dir()]
        with opened(Path(name), chosen(options.device), hidden) as sides:
            for one in wanted:
                began = time.monotonic()
                outcome, detail = run(one, sides, Path(name), may_install=options.install)
                counted[outcome] += 1
                print(f"{one.name:10} {outcome:8} {time.monotonic() - began:5.0f} s  {detail}", flush=True)
    print(", ".join(f"{counted[outcome]} {outcome}" for outcome in ("passed", "failed", "skipped")))
    return 1 if counted["failed"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    names = [one.name for one in ALL]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; default: all")
    parser.add_argument("--device", help="how its name begins, as in `accelpool devices`: intel, fpga, ...")
    parser.add_argument("--no-install", dest="install", action="store_false", help="skip what is not there")
    options = parser.parse_args()
    if unknown := set(options.names).difference(names):
        parser.error(f"no application {', '.join(sorted(unknown))}")
    return options


def run(one: Application, sides: Sides, folder: Path, *, may_install: bool) -> tuple[str, str]:
    """Return how an application ended, and what it said or why it was not run."""
    if reason := debian.obstacle(one.packages, may_install=may_install):
        return "skipped", reason
    own = folder / one.name
    own.mkdir()
    try:
        return "passed", one.check(sides, own)
    except Unfit as unfit:
        return "skipped", str(unfit)
    except Wrong as wrong:
        return "failed", str(wrong)


if __name__ == "__main__":
    sys.exit(main())
