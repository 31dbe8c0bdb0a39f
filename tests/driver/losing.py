"""A node that dies under a program."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .lease_file import all_leased, leased

END_S = 200


def lose_the_node(programs: Any, name: str, pool: Any, folder: Path) -> None:
    """Run a program that says "running", kill its node's agent then, and see that it ends well."""
    programs.compiled(name)  # that it does not compile is no reason to start an agent anew
    with leased(pool.url, pool.token, folder, {"kind": "any"}) as lease_file:
        try:
            run_and_lose(programs, name, lease_file, pool.agent.kill)
        finally:
            pool.start_agent()


def lose_the_second_node(programs: Any, name: str, pool: Any, folder: Path) -> None:
    """The same, with a lease of two nodes' devices and the death of the second one."""
    programs.compiled(name)
    with all_leased(pool.url, pool.token, folder) as lease_file:
        try:
            run_and_lose(programs, name, lease_file, pool.agents[2].kill)
        finally:
            pool.start_agent(2)


def lose_the_worker(programs: Any, name: str, pool: Any, folder: Path) -> None:
    """The same, with the death of its worker alone."""
    with leased(pool.url, pool.token, folder, {"kind": "any"}) as lease_file:
        run_and_lose(programs, name, lease_file, pool.kill_workers)


def run_and_lose(programs: Any, name: str, lease_file: Path, lose: Callable[[], None]) -> None:
    """Run a program until it says "running", do something, and see that it ends well."""
    program = subprocess.Popen(
        [programs.compiled(name)], env=programs.environment(lease_file), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert program.stdout
    try:
        said = program.stdout.readline()
        lose()
        _, complaint = program.communicate(timeout=END_S)
    finally:
        program.kill()
    assert (said, program.returncode) == ("running\n", 0), complaint
