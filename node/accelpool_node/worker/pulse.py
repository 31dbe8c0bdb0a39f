"""Signs of life for the agent: every second, and a word before this process may fall silent.

A driver that compiles, links or loads a binary may keep every thread of the process from running meanwhile,
as not every one of these calls lets the interpreter go. That is no driver that hangs.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from accelpool_node import control
from accelpool_wire import messages as m

SILENT: frozenset[type[m.Message]] = frozenset({
    m.BuildProgram, m.CompileProgram, m.LinkProgram, m.GetProgramBinaries, m.CreateProgramWithBinary,
    m.CreateProgramWithIL, m.CreateProgramWithBuiltInKernels, m.CreateKernel,
})  # fmt: skip
"""Messages that a driver may take long to carry out, with the interpreter held."""


class Pulse:
    """Tells the agent that this process lives.

    Args:
        agent: Where it listens.
        busy_s: Says how long the oldest command has been waited for, in seconds.
        traffic: Says what the session has moved.
    """

    def __init__(
        self, agent: socket.socket, busy_s: Callable[[], float], traffic: Callable[[], control.Traffic]
    ) -> None:
        self._agent = agent
        self._busy_s = busy_s
        self._traffic = traffic
        self._may_be_silent = False
        self._sending = threading.Lock()  # what was said last is what is so

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            OSError: The agent is gone.
        """
        with self._sending:
            alive = control.Alive(self._busy_s(), self._traffic(), self._may_be_silent)
            control.send(self._agent, alive)

    @contextlib.contextmanager
    def silence(self) -> Iterator[None]:
        """Have the agent know that it may take long to hear from us again."""
        self._may_be_silent = True
        with contextlib.suppress(OSError):  # that the agent is gone is noticed elsewhere
            self.beat()
        try:
            yield
        finally:
            self._may_be_silent = False
