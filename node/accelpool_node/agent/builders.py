"""The builders: one process for each driver environment that sessions use, from its first session on.

    (no process) ──start──▶ STARTING ──Able──▶ serving ──▶ the process ends ──pause──▶ start

A builder is never waited for: while there is none, workers are told so and build for themselves.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
from collections.abc import Callable

import msgspec

from accelpool_node.agent.processes import Child, Processes
from accelpool_node.builder import control
from accelpool_node.drivers import DriverEnvironment

log = logging.getLogger(__name__)

MODULE = "accelpool_node.builder"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0


class Builder:
    """The builder of one driver environment; another process takes the place of one that ends.

    Args:
        environment: Its driver environment.
        processes: Starts it.
        devices: Returns the names of the devices that it is to serve.

    Attributes:
        pid: The process that serves now, or 0.
        counts: What it last said it had done.
    """

    def __init__(
        self,
        environment: DriverEnvironment,
        processes: Processes,
        devices: Callable[[], list[str]],
    ) -> None:
        self.pid = 0
        self.counts = control.Counts()
        self._environment = environment
        self._processes = processes
        self._devices = devices
        self._child: Child | None = None
        self._channel: socket.socket | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._pause_s = FIRST_PAUSE_S
        self._is_open = True

    def start(self) -> None:
        """Have it start, if it does not run and did not just fail."""
        devices = self._devices()
        if self._child or self._retry or not self._is_open or not devices:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            arguments = ["--control-fd", str(theirs.fileno()), "--backend", self._environment.backend]
            arguments += [f"--device={name}" for name in devices]
            try:
                self._child = self._processes.start(
                    self._environment,
                    MODULE,
                    arguments,
                    self._ended,
                    keep=(theirs.fileno(),),
                    stdout=subprocess.DEVNULL,
                )
            except OSError as error:
                ours.close()
                self._pause(f"could not be started: {error}")
                return
        ours.setblocking(False)
        self._channel = ours
        asyncio.get_running_loop().add_reader(ours, self._receive)

    def connect(self) -> socket.socket | None:
        """Return a connection to it for a worker, or None if it serves nobody now."""
        if not self.pid or self._channel is None:
            self.start()
            return None
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                control.send(self._channel, control.Serve(), (theirs.fileno(),))
            except OSError:  # it is gone, or has more to do than it can
                ours.close()
                return None
        return ours

    def ask_counts(self) -> None:
        """Have it say what it has done, for the log."""
        if self.pid and self._channel is not None:
            try:
                control.send(self._channel, control.Count())
            except OSError:
                return

    def close(self) -> None:
        """End it, and start no more."""
        self._is_open = False
        if self._retry:
            self._retry.cancel()
        if self._child:
            self._child.kill()

    # ---- what it says ------------------------------------------------------------------------------------

    def _receive(self) -> None:
        """Take all that has arrived."""
        while self._channel is not None:
            try:
                message = control.receive_at_agent(self._channel)
            except BlockingIOError:
                return
            except (OSError, msgspec.MsgspecError, ValueError):
                message = None
            if message is None:
                self._close_channel()
                if self._child:
                    self._child.kill()
                return
            self._heard(message)

    def _heard(self, message: control.ToAgent) -> None:
        name = self._environment.name
        if isinstance(message, control.Able):
            self.pid = self._child.pid if self._child else 0
            self._pause_s = FIRST_PAUSE_S
            log.info("builder %d of %s serves %s", self.pid, name, ", ".join(message.devices) or "no device")
        elif message != self.counts:
            self.counts = message
            log.info(
                "builder of %s: %d hits, %d misses, %d left to workers; keeps %d products, %d bytes",
                *(name, message.hits, message.misses, message.declined, message.entries, message.bytes),
            )

    def _close_channel(self) -> None:
        self.pid = 0
        if self._channel is not None:
            asyncio.get_running_loop().remove_reader(self._channel)
            self._channel.close()
            self._channel = None

    def _ended(self) -> None:
        self._receive()
        self._close_channel()
        ending = self._child.ending if self._child else "ended"
        self._child = None
        if self._is_open:
            self._pause(ending)

    def _pause(self, trouble: str) -> None:
        log.error("the builder of %s %s; next try in %g s", self._environment.name, trouble, self._pause_s)
        self._retry = asyncio.get_running_loop().call_later(self._pause_s, self._try_again)
        self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _try_again(self) -> None:
        self._retry = None
        self.start()
