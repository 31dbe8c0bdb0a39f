"""A node that dies under a program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from .lease_file import leased

END_S = 60


def lose_the_node(programs: Any, name: str, pool: Any, folder: Path) -> None:
    """Run a program that says "running", kill its node's agent then, and see that it ends well."""
    with leased(pool.url, pool.token, folder, {"kind": "any"}) as lease_file:
        program = subprocess.Popen(
            [programs.compiled(name)], env=programs.environment(lease_file), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert program.stdout
        said = program.stdout.readline()
        pool.agent.kill()
        try:
            _, complaint = program.communicate(timeout=END_S)
        finally:
            program.kill()
            pool.start_agent()
        assert (said, program.returncode) == ("running\n", 0), complaint
