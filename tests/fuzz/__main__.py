"""Fuzzing: `python -m tests.fuzz TARGET [--minutes N]`; see docs/fuzzing.md.

`frames` and `sessions` need atheris, which `make fuzz` installs; `api` needs what the tests need.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shlex
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path

from . import corpus

ROOT = Path(__file__).parents[2]
ATHERIS = ROOT / ".fuzz"
TARGETS = {"frames": "frame_target", "sessions": "session_target"}
MOST_INPUTS = 600  # kept of a target
LIMITS = (
    "-max_len=4096",
    "-timeout=20",
    "-rss_limit_mb=2048",
    "-malloc_limit_mb=512",
    "-print_final_stats=1",
)
API_EXAMPLES = 60  # of each call, in each round


def main() -> int:
    """Fuzz one target for a while; return whether anything was found as the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "api"])
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    if options.target == "api":
        return fuzz_api(options.minutes)
    return fuzz(options.target, options.minutes)


def fuzz(target: str, minutes: float) -> int:
    """Fuzz a target on from its corpus, and keep what adds to it; the exit status is libFuzzer's."""
    with tempfile.TemporaryDirectory(prefix="accelpool-fuzz-") as name:
        folder = Path(name)
        found, grown, merged = folder / "found", folder / "grown", folder / "merged"
        for each in (found, grown, merged):
            each.mkdir()
        corpus.unpack(corpus.load(target), grown)
        launcher = _launcher(folder, target)
        seconds = round(minutes * 60)
        limit = f"-max_total_time={seconds}"
        status = _run(launcher, limit, f"-artifact_prefix={found}/", *LIMITS, str(grown))
        for content in corpus.collect(found):
            print(f"found, to add to tests/fuzz/corpus/{target}.txt:\n{b64encode(content).decode()}")
        if _run(launcher, "-merge=1", *LIMITS, str(merged), str(grown)) == 0:
            corpus.save(target, sorted(corpus.collect(merged), key=len)[:MOST_INPUTS])
    return status


def _launcher(folder: Path, target: str) -> str:
    """Write the program that starts the fuzzing process, and return its path."""
    launcher = folder / "launcher"
    command = shlex.join([sys.executable, "-m", "tests.fuzz.guided", str(launcher), TARGETS[target]])
    launcher.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    launcher.chmod(0o700)
    return str(launcher)


def _run(launcher: str, *arguments: str) -> int:
    variables = {**os.environ, "PYTHONPATH": str(ATHERIS)}
    return subprocess.run([launcher, *arguments], env=variables, cwd=ROOT, check=False).returncode


def fuzz_api(minutes: float) -> int:
    """Try the API with one seed after the other; stop at the first that finds something."""
    from .api_target import failures

    deadline = time.monotonic() + minutes * 60
    while time.monotonic() < deadline:
        seed = secrets.randbits(32)
        found = failures(seed, API_EXAMPLES)
        print(f"seed {seed}: {len(found)} failures", *found, sep="\n\n", flush=True)
        if found:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
