"""A notebook in this process: IPython's own shell, with a clock that only a test moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from accelpool.ipython import load, unload
from accelpool.ipython.magics import AccelpoolMagics

TWICE = "%%opencl\nkernel void twice(global float *x) { x[get_global_id(0)] *= 2; }"
SETUP = """
import numpy as np, accelpool as cl
numbers = np.arange(1000, dtype=np.float32)
x = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=numbers)
"""
READ = "out = np.empty_like(numbers); cl.enqueue_copy(queue, out, x); out"


class Clock:
    """Seconds, as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Notebook:
    """A shell with the extension loaded.

    Attributes:
        shell: IPython's.
        clock: What its idling is measured by.
        magics: What the extension registered.
    """

    shell: InteractiveShell
    clock: Clock
    magics: AccelpoolMagics

    @classmethod
    def begin(cls) -> Notebook:
        """Return a new notebook. The pool is that of the environment."""
        config = Config()
        config.HistoryManager.enabled = False
        shell, clock = InteractiveShell(config=config), Clock()
        shell.colors = "nocolor"
        return cls(shell, clock, load(shell, clock))

    def run(self, cell: str) -> Any:
        """Run a cell that works, and return its value."""
        result = self.shell.run_cell(cell)
        result.raise_error()
        return result.result

    def fail(self, cell: str) -> BaseException:
        """Run a cell that fails, and return its error; what is shown of it is on stdout or stderr."""
        result = self.shell.run_cell(cell)
        assert result.error_in_exec is not None
        return result.error_in_exec

    def idle(self, minutes: float) -> None:
        """Let time pass without a cell, and look whether the lease is to be parked."""
        self.clock.now += minutes * 60
        self.magics.parker.look()

    def end(self) -> None:
        """Unload the extension."""
        unload(self.shell)

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]


def state(broker, notebook):
    """How the pool says that the notebook's lease is."""
    return {lease["id"]: lease["state"] for lease in broker.leases()}[notebook["ctx"].lease.id]
