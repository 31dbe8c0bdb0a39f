"""A worker process and the channel to it: what `control.py` says, from the agent's side.

STARTING ──Ready──▶ WARM ──Serve──▶ SERVING ──▶ the process ends
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable
from enum import Enum

import msgspec

from accelpool_node import control
from accelpool_node.agent.processes import Child, Processes
from accelpool_node.drivers import DriverEnvironment

log = logging.getLogger(__name__)

MODULE = "accelpool_node.worker"


class State(Enum):
    """How far a worker is."""

    STARTING = "starting"
    WARM = "warm"
    SERVING = "serving"


class Worker:
    """A worker process and the channel to it.

    Args:
        environment: Its driver environment.
        processes: Starts it.
        on_message: Called with every message of its.
        on_end: Called once its process has ended, after its last message.
        exit_limit_s: How long it may live once it has closed the channel.
        is_secure: Whether it does TLS with whom it serves.

    Attributes:
        state: How far it is.
        certificate_sha256: Of its certificate, once it is warm; empty without TLS.
    """

    def __init__(
        self,
        environment: DriverEnvironment,
        processes: Processes,
        on_message: Callable[[Worker, control.ToAgent], None],
        on_end: Callable[[Worker], None],
        exit_limit_s: float,
        *,
        is_secure: bool = False,
    ) -> None:
        self.state = State.STARTING
        self.certificate_sha256 = ""
        self._is_secure = is_secure
        self.on_message = on_message
        self.on_end = on_end
        self._environment = environment
        self._processes = processes
        self._exit_limit_s = exit_limit_s
        self._child: Child | None = None
        self._channel: socket.socket | None = None

    def start(self) -> None:
        """Start the process.

        Raises:
            OSError: There is no room for it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = ["--control-fd", str(theirs.fileno()), "--backend", self._environment.backend]
            arguments += ["--tls"] if self._is_secure else []
            try:
                self._child = self._processes.start(
                    self._environment,
                    MODULE,
                    arguments,
                    self._ended,
                    keep=(theirs.fileno(),),
                    stdout=subprocess.DEVNULL,  # a kernel's printf must not fill, or forge, the node's log
                )
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        self._channel = ours
        asyncio.get_running_loop().add_reader(ours, self._receive)

    @property
    def pid(self) -> int:
        """Its process id, 0 before it is started."""
        return self._child.pid if self._child else 0

    @property
    def ending(self) -> str:
        """How it ended, in words; "" while it lives."""
        return self._child.ending if self._child else "was never started"

    def send(self, message: control.ToWorker, descriptors: tuple[int, ...] = ()) -> None:
        """Send it a message.

        Raises:
            OSError: It is gone, or does not listen.
        """
        if self._channel is None:
            raise BrokenPipeError(f"worker {self.pid} has closed its channel")
        control.send(self._channel, message, descriptors)

    def serves(self, session: str, lease: str) -> None:
        """Have what it says in the log from now on told as a session's."""
        if self._child and self._child.log:
            self._child.log.of_session(session, lease)

    def bound(self, share_bytes: int) -> None:
        """Bound its memory to what its session may have, as far as that is for the agent to do.

        Raises:
            OSError: The kernel refuses.
        """
        if self._child:
            self._child.bound(share_bytes)

    def kill(self) -> None:
        """Kill it; `on_end` tells when it is gone."""
        if self._child:
            self._child.kill()

    def _receive(self) -> None:
        """Take all that has arrived."""
        while self._channel is not None:
            try:
                message = control.receive_at_agent(self._channel)
            except BlockingIOError:
                return
            except ConnectionResetError:
                message = None  # it left without reading what was on its way to it
            except (OSError, msgspec.MsgspecError, ValueError) as error:
                log.warning("worker %d sent nonsense: %s", self.pid, error)
                self._close()
                self.kill()
                return
            if message is None:
                self._close()
                asyncio.get_running_loop().call_later(self._exit_limit_s, self.kill)
                return
            self.on_message(self, message)

    def _close(self) -> None:
        if self._channel is not None:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()
            self._channel = None

    def _ended(self) -> None:
        self._receive()
        self._close()
        self.on_end(self)
