"""`%load_ext accelpool`: kernels in cells, and a lease that is parked while the notebook idles.

    %accelpool gpu --compute 0.5     takes a lease: `ctx` and `queue` are there
    %%opencl                         builds the cell, and has its kernels under their names
    %accelpool                       shows the lease; `park` and `release` do so

IPython is imported here and nowhere else.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from IPython.core.interactiveshell import InteractiveShell

from accelpool.ipython.idle_parker import IdleParker
from accelpool.ipython.magics import AccelpoolMagics
from accelpool.ipython.notebook_lease import NotebookLease

__all__ = ["load", "unload"]

REGISTERED = AccelpoolMagics.__name__
MAGICS = (("line", "accelpool"), ("cell", "opencl"))


def load(shell: InteractiveShell, clock: Callable[[], float] = time.monotonic) -> AccelpoolMagics:
    """Register the magics with a shell and return them; a thread looks after the lease until `unload`.

    Args:
        shell: IPython's.
        clock: Seconds from any start, never going back.
    """
    lease = NotebookLease(shell.user_ns, clock)
    magics = AccelpoolMagics(shell, lease, IdleParker(lease, clock))
    shell.register_magics(magics)
    magics.begin()
    return magics


def unload(shell: InteractiveShell) -> None:
    """Give the lease back and take the magics away; unloading twice is unloading once."""
    manager = shell.magics_manager
    magics = manager.registry.pop(REGISTERED, None)
    if isinstance(magics, AccelpoolMagics):
        for kind, name in MAGICS:
            manager.magics[kind].pop(name, None)
        magics.end()
