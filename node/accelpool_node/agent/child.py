"""The first code of every child process of an agent: die with it, then become a module.

    python -m accelpool_node.agent.child AGENT_PID MODULE ARGUMENT...

The kernel kills the child when the thread that started it ends (PR_SET_PDEATHSIG), so the agent starts
children from its main thread alone. An agent that was gone before that took hold is seen by its process id.
"""

from __future__ import annotations

import contextlib
import resource
import runpy
import sys
from pathlib import Path

from accelpool_node.sandbox.privileges import die_with


def main() -> None:
    """Run a module as `__main__`, tied to the agent's life."""
    agent, module = int(sys.argv[1]), sys.argv[2]
    die_with(agent)
    _expect_the_worst()
    sys.argv[:] = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _expect_the_worst() -> None:
    """Leave no core file with a client's data behind, and be the first to go when memory runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
