"""A builder's process for tests, without an agent."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from accelpool_node.builder import control

from ..conftest import children, command, wait_until
from .worker_rig import Target, confinement

START_S = 60.0


@dataclass
class Builder:
    """A builder and the agent's end of its control channel.

    Attributes:
        target: What it builds for.
        folder: Where its compilers' are.
        able: The devices that it serves.
    """

    target: Target
    folder: Path = field(init=False)
    able: list[str] = field(init=False)
    process: subprocess.Popen[bytes] = field(init=False)
    agent: socket.socket = field(init=False)

    def __enter__(self) -> Builder:
        self.agent, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = self.target.environment
        arguments = ["--control-fd", str(theirs.fileno()), "--backend", environment.backend]
        place = confinement().begin(environment)
        self.folder = place.folder / "compilers"
        arguments += ["--device", self.target.device, "--sandbox", place.policy.encoded()]
        with theirs:
            self.process = subprocess.Popen(
                [environment.python, "-m", "accelpool_node.builder", *arguments],
                pass_fds=[theirs.fileno()],
                env=place.variables,
                cwd=place.folder,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.agent.settimeout(START_S)
        able = control.receive_at_agent(self.agent)
        assert isinstance(able, control.Able), able
        self.able = able.devices
        return self

    def __exit__(self, *_: object) -> None:
        self.agent.close()
        self.process.wait(START_S)

    def connect(self) -> socket.socket:
        """Return a worker's connection."""
        ours, theirs = socket.socketpair()
        with theirs:
            control.send(self.agent, control.Serve(), (theirs.fileno(),))
        ours.settimeout(START_S)
        return ours

    def counts(self) -> control.Counts:
        """Return what it has done."""
        control.send(self.agent, control.Count())
        counts = control.receive_at_agent(self.agent)
        assert isinstance(counts, control.Counts), counts
        return counts

    def nursery(self) -> int:
        """Return the process that forks its compilers."""
        return next(pid for pid in children(self.process.pid) if "nursery" in command(pid))

    def compilers(self) -> list[int]:
        """Return the processes of its compilers."""
        return children(self.nursery())

    def spare(self) -> int:
        """Return the compiler that waits for its build, once it is the only one: the first made the trial."""
        wait_until(
            lambda: len(self.folders()) == 1 and "1" not in self.folders() and len(self.compilers()) == 1
        )
        return self.compilers()[0]

    def folders(self) -> list[str]:
        """Return the names of the folders of its compilers."""
        return [path.name for path in self.folder.iterdir() if path.name.isdigit()]

    def kill(self) -> None:
        """End it as a crash would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(START_S)
