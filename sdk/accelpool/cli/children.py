"""One child process: started, awaited until it is ready, ended. The kernel tells of its end (pidfd)."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelpool.cli import child
from accelpool.cli.failures import StartFailed
from accelpool_wire.private_file import PRIVATE_DIR, PRIVATE_FILE

MAX_READY_BYTES = 64 * 1024
MAX_TAIL_BYTES = 8 * 1024
STOP_LIMIT_S = 10.0


def command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of a child that runs a module and dies with this process's main thread."""
    return [sys.executable, "-P", child.__file__, str(os.getpid()), module, *arguments]


class Child:
    """A child process that prints one line of JSON, {"ready": ...}, once it works; it dies with this process.

    Start it from the main thread.

    Args:
        name: What people call it.
        module: The module that it runs.
        arguments: Its arguments.
        variables: Its environment.
        log_path: Where its stderr goes.
    """

    def __init__(
        self,
        *,
        name: str,
        module: str,
        arguments: Sequence[str],
        variables: Mapping[str, str],
        log_path: Path,
    ) -> None:
        self.name = name
        self.module = module
        self.arguments: list[str] = list(arguments)
        self.variables: dict[str, str] = dict(variables)
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1

    @property
    def pid(self) -> int:
        """Its process id, 0 before its start."""
        return self._process.pid if self._process else 0

    @property
    def is_running(self) -> bool:
        """Whether it was started and not yet seen to have ended."""
        return self._pidfd >= 0

    def start(self) -> None:
        """Start it, in a process group of its own: Ctrl-C on the terminal is this process's to handle.

        Raises:
            StartFailed: There is no room for a process, or its log cannot be written.
        """
        assert not self.is_running, "a child is started once until it has ended"
        try:
            self.log_path.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)
            try:
                self._process = subprocess.Popen(
                    command(self.module, self.arguments),
                    env=self.variables,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
            finally:
                os.close(log)
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError as error:
            raise StartFailed(f"the {self.name} did not start: {error}") from error

    def wait_ready(self, limit_s: float) -> Any:
        """Return what the child says when it is ready.

        Raises:
            StartFailed: It ended, said something else, or said nothing in time.
        """
        line = self._read_line(time.monotonic() + limit_s, limit_s)
        try:
            return json.loads(line)["ready"]
        except (ValueError, KeyError, TypeError) as error:
            raise StartFailed(f"the {self.name} did not say that it is ready, but: {line[:200]!r}") from error

    def descriptors(self) -> tuple[int, ...]:
        """Return what becomes readable when the child ends or prints something."""
        output = self._output()
        return (self._pidfd,) if output is None else (self._pidfd, output)

    def drain(self) -> None:
        """Throw away what the child has printed: a full pipe would stop it."""
        output = self._output()
        if output is not None and _is_readable(output, 0.0) and not os.read(output, MAX_READY_BYTES):
            self._close_output()

    def reap(self) -> int | None:
        """Return the exit code if the child has ended, a negative signal number if one killed it."""
        if self._process is None or not self.is_running:
            return None
        status = self._process.poll()
        if status is not None:
            os.close(self._pidfd)
            self._pidfd = -1
            self._close_output()
        return status

    def stop(self, limit_s: float = STOP_LIMIT_S) -> None:
        """Ask the child to end, and kill it if it has not ended in time. Stopping twice is stopping once."""
        if self._process is None or not self.is_running:
            return
        self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + limit_s
        while not self._has_ended():
            if time.monotonic() >= deadline:
                self._process.kill()
                deadline = time.monotonic() + limit_s
            self._wait(min(0.2, max(0.0, deadline - time.monotonic())))
            self.drain()
        self.reap()

    def last_words(self) -> str:
        """Return the last line of the log that is not empty, without the program's name before it."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - MAX_TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last.removeprefix(f"accelpool {self.name}: ")

    def _read_line(self, deadline: float, limit_s: float) -> bytes:
        line = b""
        output = self._output()
        while output is not None and not line.endswith(b"\n") and len(line) < MAX_READY_BYTES:
            if not _is_readable(output, deadline - time.monotonic()):
                raise StartFailed(
                    f"the {self.name} was not ready within {limit_s:g} s; "
                    f"its last words: {self.last_words() or 'none'}"
                )
            part = os.read(output, 4096)
            if not part:
                raise StartFailed(f"the {self.name} did not start: {self._ending()}")
            line += part
        return line

    def _ending(self) -> str:
        """Return why the child ended, in its own words if it had any."""
        self._wait(1.0)
        status = self.reap()
        return self.last_words() or f"it ended with exit code {status} and without a word"

    def _wait(self, limit_s: float) -> bool:
        return _is_readable(self._pidfd, limit_s)

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _output(self) -> int | None:
        stream = self._process.stdout if self._process else None
        return None if stream is None or stream.closed else stream.fileno()

    def _close_output(self) -> None:
        if self._process and self._process.stdout:
            self._process.stdout.close()


def _is_readable(descriptor: int, limit_s: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(max(0.0, limit_s) * 1000))
