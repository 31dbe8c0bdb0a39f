"""The newcomer's path, timed: `python -m tests.newcomer`, or `make newcomer`.

It clones this repository, as it is committed, into an empty home folder, and does there what README.md says,
by its own words: the commands after `$ `, in their order, and its first program while the pool is up. It
downloads what they download, and takes the port that they take. `make test`, which takes long, is left out.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .doc_blocks import ROOT, blocks, typed

LEFT_OUT = {"make test"}
SERVES = ".venv/bin/accelpool up"  # until Ctrl-C
IS_UP = "accelpool is up at"
LIMIT_S = 1800.0


@dataclass
class Newcomer:
    """Somebody with a clone and an empty home, who follows the README, and how long each step took."""

    home: Path
    steps: list[tuple[str, float]] = field(default_factory=list)

    @property
    def clone(self) -> Path:
        """Where the clone is."""
        return self.home / "accelpool"

    @property
    def environment(self) -> dict[str, str]:
        """What a login with an empty home knows: nothing of a pool, no caches."""
        left = ("ACCELPOOL_", "XDG_", "VIRTUAL_ENV", "PYTHON", "MAKE", "MFLAGS")
        env = {name: value for name, value in os.environ.items() if not name.startswith(left)}
        return {**env, "HOME": str(self.home)}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step, and say that it is under way."""
        print(f"  {name} ...", file=sys.stderr)
        began = time.monotonic()
        yield
        self.steps.append((name, time.monotonic() - began))

    def do(self, name: str, *command: str, cwd: Path | None = None) -> str:
        """Run a command to its end; what it says is shown if it fails.

        Raises:
            SystemExit: It failed.
        """
        with self.step(name):
            done = subprocess.run(
                command,
                cwd=cwd or self.clone,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
        if done.returncode:
            raise SystemExit(f"{done.stdout}\n{name}: exit code {done.returncode}")
        return done.stdout

    @contextmanager
    def serving(self, command: str) -> Iterator[None]:
        """Run a pool in another terminal, until Ctrl-C."""
        with self.step(command):
            pool = subprocess.Popen(
                command.split(), cwd=self.clone, env=self.environment, stdout=subprocess.PIPE, text=True
            )
            assert pool.stdout
            timer = threading.Timer(LIMIT_S, pool.kill)
            timer.start()
            is_up = any(line.startswith(IS_UP) for line in pool.stdout)  # up to that line
            timer.cancel()
        try:
            if not is_up:
                raise SystemExit(f"{command}: it did not come up")
            yield
        finally:
            with self.step("Ctrl-C"):
                pool.send_signal(signal.SIGINT)
                pool.communicate(timeout=60)


def commands() -> list[str]:
    """What the README has one type, in its order."""
    said = [line for block in blocks(ROOT / "README.md") if block.is_code for line in typed(block.text)]
    return [command for command in said if command not in LEFT_OUT]


def program() -> str:
    """The README's first program."""
    return next(block.text for block in blocks(ROOT / "README.md") if block.language == "python")


def follow(newcomer: Newcomer) -> None:
    """Do what the README says, from the clone to the result of the first program."""
    newcomer.do("git clone", "git", "clone", "--quiet", str(ROOT), str(newcomer.clone), cwd=newcomer.home)
    *before, serve = commands()
    if serve != SERVES:
        raise SystemExit(f"README.md ends with {serve!r}, not {SERVES!r}: teach tests/newcomer.py the rest")
    for command in before:
        newcomer.do(command, *command.split())
    with newcomer.serving(serve):
        newcomer.do("the fifteen lines", ".venv/bin/python", "-c", program())
        newcomer.do("the fifteen lines, again", ".venv/bin/python", "-c", program())


def table(steps: list[tuple[str, float]]) -> str:
    """Return the steps as a table."""
    rows = [*steps, ("in all", sum(seconds for _, seconds in steps))]
    return "\n".join(f"| {name} | {seconds:.1f} s |" for name, seconds in rows)


def main() -> None:
    """Time the path, and print a table."""
    if subprocess.run(["git", "-C", str(ROOT), "diff", "--quiet", "HEAD"], check=False).returncode:
        print("note: what is not committed is not in the clone", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="newcomer") as home:
        newcomer = Newcomer(Path(home))
        load = os.getloadavg()[0]
        follow(newcomer)
    cores = len(os.sched_getaffinity(0))
    print(f"{platform.machine()}, {cores} cores, load {load:.1f} before and {os.getloadavg()[0]:.1f} after\n")
    print(f"| step | time |\n|---|--:|\n{table(newcomer.steps)}")


if __name__ == "__main__":
    main()
