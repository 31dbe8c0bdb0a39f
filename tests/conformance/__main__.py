"""PyOpenCL's own tests against a pool on this machine, beside the same tests on the local devices.

    pip download --no-binary pyopencl --no-deps pyopencl==$(installed version)
    python -m tests.conformance pyopencl-2026.1.4.tar.gz [test_array.py ...] [--local] [-- -k sort]

The tests are read from PyOpenCL's source distribution. For the pool their imports are redirected as those of
PyOpenCL's own modules are, in a copy in a temporary folder; nothing of theirs is kept.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from tests.conftest import Pool

from accelpool.upper_layer import redirected

FILES = ["test_algorithm.py", "test_array.py", "test_clmath.py", "test_clrandom.py"]


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="accelpool-conformance-") as name:
        folder = Path(name)
        theirs = _unpacked(options.sdist, folder)
        results = {"pool": _on_pool(theirs, folder, options)}
        if options.local:
            results["local"] = _run(theirs, folder / "local.xml", options, {})
    _print(results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sdist", type=Path, help="PyOpenCL's source distribution, .tar.gz")
    parser.add_argument("files", nargs="*", default=FILES, help="test files of it")
    parser.add_argument("--local", action="store_true", help="run the tests on the local devices too")
    parser.add_argument("--select", default="", help="devices, as PYOPENCL_TEST names them")
    parser.add_argument("--timeout", type=int, default=300, help="seconds per test")
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:end])
    options.pytest_args = words[end + 1 :]
    return options


def _unpacked(sdist: Path, folder: Path) -> Path:
    """Return the folder of PyOpenCL's tests."""
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (tests,) = folder.glob("*/test")
    return tests


def _on_pool(theirs: Path, folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Return the outcome of each test on a pool."""
    copies = folder / "redirected"
    copies.mkdir()
    for path in theirs.glob("*.py"):
        (copies / path.name).write_text(ast.unparse(redirected(path.read_text())))
    (folder / "pool").mkdir()
    pool = Pool(folder=folder / "pool")
    pool.start()
    try:
        env = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token}
        return _run(copies, folder / "pool.xml", options, env)
    finally:
        pool.stop()


def _run(tests: Path, report: Path, options: argparse.Namespace, env: dict[str, str]) -> dict[str, str]:
    """Return the outcome of each test by its name."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=short", f"--junit-xml={report}"]
    command += ["-p", "no:cacheprovider", f"--timeout={options.timeout}", "--rootdir", str(tests)]
    command += ["-c", "/dev/null", *options.pytest_args, *options.files]
    selected = {"PYOPENCL_TEST": options.select} if options.select else {}
    subprocess.run(command, cwd=tests, env={**os.environ, **selected, **env}, check=False)
    if not report.exists():
        return {}
    outcomes = {}
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        outcomes[f"{case.get('classname')}::{case.get('name')}"] = kinds.pop() if kinds else "passed"
    return outcomes


def _print(results: dict[str, dict[str, str]]) -> None:
    for where, outcomes in results.items():
        counts = Counter(outcomes.values())
        print(f"{where:6}", *(f"{counts[kind]} {kind}" for kind in ("passed", "failure", "error", "skipped")))
    for name, outcome in results["pool"].items():
        if outcome in ("failure", "error"):
            print(f"  {outcome} on the pool: {name}")


if __name__ == "__main__":
    begin = time.monotonic()
    status = main()
    print(f"{time.monotonic() - begin:.0f} s")
    sys.exit(status)
