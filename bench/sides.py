"""The coordinator's end of the child processes: one each for the pool, the local library and the floor."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

ANSWER_LIMIT_S = 20.0
TRACE_S = 0.5
END_LIMIT_S = 20.0


class SideError(Exception):
    """A side could not do what it was asked, or is gone."""


class SideProcess:
    """A child process that runs blocks of operations; see `bench.side`. A context manager that ends it.

    Args:
        name: "pool", "local" or "floor".
        parameters: What it works on.
        variables: Its environment.
        python: What runs it; its modules are found as they are here, unless `variables` say where.
    """

    def __init__(
        self,
        name: str,
        parameters: Mapping[str, str],
        variables: Mapping[str, str],
        *,
        python: str = sys.executable,
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [python, "-P", "-m", "bench.side", name, json.dumps(parameters)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables},
        )
        self._unread = b""

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            SideError: It failed, or the child is gone.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
        except OSError as error:
            raise SideError(f"{self.name}: the process is gone ({self._process.poll()})") from error
        answer: dict[str, Any] = json.loads(self._line())
        if "error" in answer:
            raise SideError(f"{self.name}: {answer['error']}")
        return answer

    def _line(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        while b"\n" not in self._unread:
            ready, _, _ = select.select([stdout], [], [], ANSWER_LIMIT_S)
            piece = os.read(stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                self._kill()
                why = "it ended" if ready else f"no answer within {ANSWER_LIMIT_S:g} s"
                raise SideError(f"{self.name}: {why} ({self._process.wait()})")
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _kill(self) -> None:
        """End the child; it tells on stderr where it hangs, if it does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGUSR1)
            time.sleep(TRACE_S)
            self._process.kill()

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(END_LIMIT_S)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
