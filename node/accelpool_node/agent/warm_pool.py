"""Workers ready before they are needed.

A warm worker has loaded its driver, so that opening a session costs one message. The pool starts the next one
as soon as one is taken. One that does not get ready costs a growing pause, and whoever waits is told why.
"""

from __future__ import annotations

import asyncio
import logging

from accelpool_node import control
from accelpool_node.agent.processes import Processes
from accelpool_node.agent.workers import State, Worker
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.sandbox.policy import Sandbox
from accelpool_wire.errors import Unavailable

log = logging.getLogger(__name__)

REPLACE_PAUSE_S, FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0, 60.0


class WarmPool:
    """Workers of one driver environment, ready before they are needed.

    Args:
        environment: Theirs.
        processes: Starts them.
        size: How many idle ones to keep.
        sandbox: What was said to confine them; one that is confined otherwise serves nobody. None for any.
        start_limit_s: How long one may take to be ready.
        exit_limit_s: How long one may take to exit.
        is_secure: Whether they do TLS with whom they serve.

    Attributes:
        starts: How many were started.
        failures: How many could not be started, or ended before they were ready.
    """

    def __init__(
        self,
        environment: DriverEnvironment,
        processes: Processes,
        *,
        size: int,
        start_limit_s: float,
        exit_limit_s: float,
        sandbox: Sandbox | None = None,
        is_secure: bool = False,
    ) -> None:
        self.starts = self.failures = 0
        self._is_secure = is_secure
        self._environment = environment
        self._processes = processes
        self._size = size
        self._sandbox = sandbox
        self._start_limit_s = start_limit_s
        self._exit_limit_s = exit_limit_s
        self._idle: list[Worker] = []
        self._starting: dict[Worker, asyncio.TimerHandle] = {}
        self._waiting: list[asyncio.Future[Worker]] = []
        self._is_open = True
        self._trouble = ""
        self._pause_s = FIRST_PAUSE_S
        self._retry: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> int:
        """How many are ready."""
        return len(self._idle)

    @property
    def starting(self) -> int:
        """How many are about to be."""
        return len(self._starting)

    def resize(self, size: int) -> None:
        """Keep so many idle workers from now on."""
        self._size = size
        surplus, self._idle = self._idle[size:], self._idle[:size]
        for worker in surplus:
            worker.kill()
        self.refill()

    async def take(self) -> Worker:
        """Return a warm worker, which is the caller's from now on: it has to take over both callbacks.

        Raises:
            Unavailable: None can be started now.
        """
        if not self._is_open:
            raise Unavailable("the node is shutting down")
        if self._idle:
            asyncio.get_running_loop().call_soon(self.refill)
            return self._hand_over(self._idle.pop(0))
        if self._trouble:
            raise Unavailable(self._trouble)
        waiting: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self.refill()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.done() and not waiting.cancelled() and not waiting.exception():
                waiting.result().kill()
            raise

    def refill(self) -> None:
        """Start the workers that are missing."""
        while (
            self._is_open
            and not self._retry
            and len(self._idle) + len(self._starting) < self._size + len(self._waiting)
        ):
            self._start_one()

    def close(self) -> None:
        """Kill all that are not taken, and start no more."""
        self._is_open = False
        if self._retry:
            self._retry.cancel()
        for worker in (*self._idle, *self._starting):
            worker.kill()
        self._disappoint("the node is shutting down")

    def _start_one(self) -> None:
        worker = Worker(
            self._environment,
            self._processes,
            self._heard,
            self._lost,
            exit_limit_s=self._exit_limit_s,
            is_secure=self._is_secure,
        )
        try:
            worker.start()
        except OSError as error:
            self._pause(f"no worker of {self._environment.name} could be started: {error}")
            return
        self.starts += 1
        timer = asyncio.get_running_loop().call_later(self._start_limit_s, worker.kill)
        self._starting[worker] = timer

    def _heard(self, worker: Worker, message: control.ToAgent) -> None:
        """Take a starting worker's Ready; nothing else is due from one that serves nobody."""
        if not isinstance(message, control.Ready) or worker.state is not State.STARTING:
            worker.kill()
            return
        if self._sandbox is not None and message.sandbox != self._sandbox:
            log.error("worker %d is confined by %s, not %s", worker.pid, message.sandbox, self._sandbox)
            worker.kill()
            return
        self._starting.pop(worker).cancel()
        self._trouble, self._pause_s = "", FIRST_PAUSE_S
        worker.state, worker.certificate_sha256 = State.WARM, message.certificate_sha256
        while self._waiting:
            waiting = self._waiting.pop(0)
            if not waiting.done():
                waiting.set_result(self._hand_over(worker))
                return
        self._idle.append(worker)

    def _hand_over(self, worker: Worker) -> Worker:
        worker.state = State.SERVING
        return worker

    def _lost(self, worker: Worker) -> None:
        """Take note that a worker that served nobody has ended."""
        timer = self._starting.pop(worker, None)
        if worker in self._idle:
            self._idle.remove(worker)
        if timer:
            timer.cancel()
            self._pause(f"a worker of {self._environment.name} {worker.ending} before it was ready")
        elif self._is_open and self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(REPLACE_PAUSE_S, self._try_again)

    def _pause(self, trouble: str) -> None:
        """Start nothing for a while; whoever waits is told."""
        if not self._is_open:
            return
        self.failures += 1
        log.error("%s; next try in %g s", trouble, self._pause_s)
        self._trouble = trouble
        self._disappoint(trouble)
        if self._retry is None:
            self._retry = asyncio.get_running_loop().call_later(self._pause_s, self._try_again)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    def _try_again(self) -> None:
        self._retry = None
        self.refill()

    def _disappoint(self, trouble: str) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(Unavailable(trouble))
        self._waiting.clear()
