"""The program `accelpool` as its users run it: as a process, with a home folder of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
from typer.testing import CliRunner, Result

from accelpool.cli.documents.commands import DOCUMENTS, schema
from accelpool.cli.main import app

from ..conftest import Pool, clean_environment, command, wait_until

PROGRAM = str(Path(sys.executable).parent / "accelpool")
LIMIT_S = 120.0
STOP_S = 60.0


@dataclass(frozen=True)
class Cli:
    """Runs commands with a home folder of its own, which also marks the processes that they leave."""

    home: Path

    def variables(self, pool: Pool | None = None, **extra: str) -> dict[str, str]:
        """Return the environment of a command; with a pool, one that points to it."""
        points = {} if pool is None else {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token}
        return {**clean_environment(self.home), **points, **extra}

    def run(
        self, *arguments: str, pool: Pool | None = None, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [PROGRAM, *arguments],
            env=self.variables(pool, **extra),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    def call(self, *arguments: str, pool: Pool | None = None, **extra: str) -> Result:
        """Run a command to its end in this process, which saves the start of one.

        Not for what sets signal handlers or becomes another program: `up`, `demo`, `broker`, `node`.
        """
        variables = self.variables(pool, **extra)
        dropped = {name: None for name in os.environ if name not in variables}
        return CliRunner().invoke(app, arguments, env={**dropped, **variables})

    def json(self, *arguments: str, pool: Pool | None = None, **extra: str) -> Any:
        """Call a command with --json, which must end well; return its document, as its schema has it."""
        done = self.call(*arguments, "--json", pool=pool, **extra)
        assert done.exit_code == 0, done.output
        return checked(json.loads(done.stdout), *arguments)

    @contextmanager
    def running(self, *arguments: str, **extra: str) -> Iterator[Running]:
        """Start a command that runs on; the end of the block is its end."""
        process = subprocess.Popen(
            [PROGRAM, *arguments],
            env=self.variables(**extra),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            yield Running(process)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(STOP_S)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def until_the_end_of_the_test(self) -> Iterator[Cli]:
        """Yield it; kill what a failed test has left."""
        yield self
        for pid in self.processes():
            _kill(pid)

    def processes(self) -> list[int]:
        """Return the ids of the processes with this home folder."""
        mark = f"HOME={self.home}".encode()
        return [
            int(folder.name)
            for folder in Path("/proc").iterdir()
            if folder.name.isdigit() and mark in _environment(folder)
        ]

    def assert_nothing_is_left(self) -> None:
        """Fail if a process with this home folder is still there after a while."""
        wait_until(lambda: not self.processes())


@dataclass(frozen=True)
class Running:
    """A command that runs on."""

    process: subprocess.Popen[bytes]

    def line(self) -> str:
        """Return the next line that it prints."""
        return self._read_until(b"\n")

    def document(self) -> Any:
        """Return the JSON document that it prints."""
        return json.loads(self._read_until(b"\n}\n"))

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send it a signal; return its exit code and what it said on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=STOP_S)
        return self.process.returncode, errors.decode()

    def _read_until(self, end: bytes) -> str:
        assert self.process.stdout is not None
        descriptor, found, deadline = self.process.stdout.fileno(), b"", time.monotonic() + LIMIT_S
        while not found.endswith(end):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(descriptor, 1) if ready else b""
            assert part, f"it ended or was silent after {found!r}"
            found += part
        return found.decode()


def checked(document: Any, *arguments: str) -> Any:
    """Return a command's document; fail if it is not as the schema of the command says."""
    words = next(
        words for count in (3, 2, 1) if (words := " ".join(arguments[:count])) in DOCUMENTS
    )  # the longest name
    jsonschema.validate(document, schema(words), format_checker=jsonschema.FormatChecker())
    return document


def pid_of(module: str, cli: Cli) -> int:
    """Return the id of the process of a home folder that runs a module, 0 if there is none."""
    return next((pid for pid in cli.processes() if module in command(pid).split()), 0)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _environment(folder: Path) -> list[bytes]:
    try:
        return (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
