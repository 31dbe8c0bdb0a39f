"""The first code of every child process: die with its parent, then become a module.

    python -P child.py PARENT_PID MODULE ARGUMENT...

The kernel kills the child when the thread that started it ends (PR_SET_PDEATHSIG), so children are started
from the main thread alone. A parent that was gone before that took hold is seen by its process id. This file
is run by its path, so that nothing else has to be loaded first.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1
ORPHAN = 4


def main() -> None:
    """Run a module as `__main__`, tied to the parent's life."""
    parent, module = int(sys.argv[1]), sys.argv[2]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(ORPHAN)
    sys.argv[:] = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
