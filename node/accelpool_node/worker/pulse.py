"""Signs of life for the agent: every second, and a word before this process may fall silent.

A driver that compiles, links or loads a binary may keep every thread of the process from running meanwhile,
as not every one of these calls lets the interpreter go. That is no driver that hangs.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Protocol

from accelpool_node import control
from accelpool_wire import messages as m

SILENT: frozenset[type[m.Message]] = frozenset({
    m.BuildProgram, m.CompileProgram, m.LinkProgram, m.GetProgramBinaries, m.CreateProgramWithBinary,
    m.CreateProgramWithIL, m.CreateProgramWithBuiltInKernels, m.CreateKernel,
})  # fmt: skip
"""Messages that a driver may take long to carry out, with the interpreter held."""


class Alive(Protocol):
    """Says how the process is."""

    def __call__(self, *, may_be_silent: bool) -> control.Alive:
        """Return the message that says so."""
        ...


class Pulse:
    """Tells the agent that this process lives.

    Args:
        say: Says something to the agent.
        alive: Says how it is.
    """

    def __init__(self, say: Callable[[control.Alive], None], alive: Alive) -> None:
        self._say = say
        self._alive = alive
        self._may_be_silent = False
        self._sending = threading.Lock()  # what was said last is what is so

    def beat(self) -> None:
        """Give a sign of life.

        Raises:
            OSError: The agent is gone.
        """
        with self._sending:
            self._say(self._alive(may_be_silent=self._may_be_silent))

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
