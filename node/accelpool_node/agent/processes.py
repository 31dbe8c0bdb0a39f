"""Child processes: started from the main thread, recorded on disk, noticed at once when they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO

from accelpool_node.agent.child_log import ChildLog, allowance_of_node
from accelpool_node.agent.confinement import Confinement, Jail
from accelpool_node.agent.state_dir import StateDir
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.sandbox.bubblewrap import FIRST_PROCESS, KILLED

BOOTSTRAP = "accelpool_node.agent.child"


class Child:
    """A child process, leader of a session and a process group of its own.

    Attributes:
        pid: Its process id.
        ending: Once it is gone, how: "exited with status 1", "was killed by signal 9 (SIGKILL)".
        log: What it says in the agent's log; None if that goes elsewhere.
    """

    def __init__(self, process: subprocess.Popen[bytes], jail: Jail, log: ChildLog | None = None) -> None:
        self.pid = process.pid
        self.log = log
        self.ending = ""
        self._why = ""
        self._process = process
        self._jail = jail

    def kill(self, why: str = "") -> None:
        """Kill it with its own children; whoever started it is told when it is gone.

        Args:
            why: Told with its ending.
        """
        self._why = self._why or why
        if not self.ending:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            if self._jail.group:
                self._jail.group.kill()

    def bound(self, share_bytes: int) -> None:
        """Have its control group, if there is one, bound its memory to what its session may have.

        Raises:
            OSError: The kernel refuses.
        """
        if self._jail.group:
            self._jail.group.bound(share_bytes)

    def reap(self) -> None:
        """Take note of the end of a process that has ended.

        Until here its id is its own, so its process group can be cleared of what it left behind.
        """
        self.kill()
        status = self._process.wait()
        if self._jail.bubblewrap and status > KILLED:
            status = KILLED - status
        how = describe_exit(status)
        self.ending = f"{how}: {self._why}" if self._why else how


class Processes:
    """The children of this agent.

    Args:
        state: Where they are recorded.
        confinement: What they may do, and where.
    """

    def __init__(self, state: StateDir, confinement: Confinement) -> None:
        self._state = state
        self._confinement = confinement
        self._running: dict[int, tuple[Child, Jail]] = {}
        self._is_open = True
        self._in_log = allowance_of_node(time.monotonic())

    def start(
        self,
        environment: DriverEnvironment,
        module: str,
        arguments: Sequence[str],
        on_end: Callable[[], None],
        *,
        keep: tuple[int, ...] = (),
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: IO[bytes] | None = None,
    ) -> Child:
        """Start a module of ours under a driver environment, in a folder of its own.

        It is told by its option `--sandbox` what it may do.

        Args:
            environment: Its variables and its Python.
            module: Its name.
            arguments: Its arguments.
            on_end: Called on the loop once it has ended.
            keep: Descriptors that it inherits.
            stdout: Where its output goes.
            stderr: Where its errors go; None for the agent's log, as `child_log` says.

        Raises:
            OSError: There is no room for a process, or all are being killed.
        """
        if not self._is_open:
            raise InterruptedError("no more processes are started")
        jail = self._confinement.begin(environment)
        errors = None
        try:
            errors = None if stderr else ChildLog(self._in_log)
            command = _command(environment.python, jail, module, arguments)
            process = subprocess.Popen(
                [*(jail.group.enter if jail.group else ()), *command],
                env=jail.variables,
                cwd=jail.folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors.entrance if errors else stderr,
                pass_fds=keep,
                start_new_session=True,
            )
        except OSError:
            self._clear_up(jail, errors)
            raise
        child = Child(process, jail, errors)
        try:
            watch = os.pidfd_open(child.pid)
            self._state.add_child(child.pid, command)
        except OSError:
            child.kill()
            child.reap()
            self._clear_up(jail, errors)
            raise
        if errors:
            errors.begin(f"process {child.pid} ({module.rpartition('.')[2]} of {environment.name})")
        self._running[child.pid] = child, jail
        asyncio.get_running_loop().add_reader(watch, self._ended, child, watch, jail, errors, on_end)
        return child

    def jails(self) -> dict[Child, Jail]:
        """Return the children that run, and where each lives."""
        return dict(self._running.values())

    def _ended(
        self, child: Child, watch: int, jail: Jail, errors: ChildLog | None, on_end: Callable[[], None]
    ) -> None:
        asyncio.get_running_loop().remove_reader(watch)
        os.close(watch)
        child.reap()
        self._state.remove_child(child.pid)
        del self._running[child.pid]
        self._clear_up(jail, errors)
        on_end()

    def _clear_up(self, jail: Jail, errors: ChildLog | None) -> None:
        if errors:
            errors.end()
        self._confinement.end(jail)

    async def kill_all(self, limit_s: float) -> None:
        """Kill every child, start no more, and wait until nothing is left of them, for a while at most."""
        self._is_open = False
        for child, _ in tuple(self._running.values()):
            child.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                while self._running:
                    await asyncio.sleep(0.01)
                await self._confinement.finish()


def _command(python: str, jail: Jail, module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of a module of ours in its jail, once it is in its control group."""
    wrapped, parent = [], os.getpid()
    if jail.bubblewrap:
        wrapped, parent = jail.bubblewrap.command(jail.policy, jail.variables, python), FIRST_PROCESS
    own = [python, "-P", "-m", BOOTSTRAP, str(parent), module, *arguments]
    return [*wrapped, *own, "--sandbox", jail.policy.encoded()]


def describe_exit(status: int) -> str:
    """Return in words how a process ended, from `subprocess`'s return code."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = "unnamed"
    return f"was killed by signal {-status} ({name})"
