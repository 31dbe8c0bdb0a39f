"""Completion in a real shell, by its Tab key."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

import accelpool

from ..conftest import Pool
from .cli_rig import PROGRAM, Cli
from .terminal_rig import Terminal, terminal

BASH, ZSH, FISH = (shutil.which(shell) for shell in ("bash", "zsh", "fish"))
needs_bash = pytest.mark.skipif(BASH is None, reason="there is no bash")
needs_zsh = pytest.mark.skipif(ZSH is None, reason="there is no zsh")
needs_fish = pytest.mark.skipif(FISH is None, reason="there is no fish")
WORDS = [
    ("accelpool expl", "accelpool explain"),
    ("accelpool lease ext", "accelpool lease extend"),
    ("accelpool node drain n", "accelpool node drain node-1"),
]


@contextmanager
def bash(cli: Cli, pool: Pool | None, **extra: str) -> Iterator[Terminal]:
    """Run a bash that completes our words."""
    path = f"{Path(PROGRAM).parent}:/usr/bin:/bin"
    variables = cli.variables(pool, PATH=path, PS1="$ ", **extra)
    with terminal([str(BASH), "--norc", "--noprofile", "-i"], variables, cwd=cli.home) as shown:
        shown.type('eval "$(accelpool completion bash)"; bind "set bell-style none"; echo "re""ady"\n')
        shown.shows("\nready")
        shown.type("clear\n")
        shown.until(lambda: shown.text.strip() == "$")
        yield shown


@needs_bash
@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("accelpool expl", "accelpool explain"),
        ("accelpool lease ext", "accelpool lease extend"),
        ("accelpool node dr", "accelpool node drain"),
        ("accelpool devices --w", "accelpool devices --wide"),
        ("accelpool webhook rem", "accelpool webhook remove"),
        ("accelpool completion f", "accelpool completion fish"),
        ("accelpool node drain n", "accelpool node drain node-1"),
        ("accelpool node join-token create n", "accelpool node join-token create node-1"),
    ],
)
def test_tab_completes_commands_options_and_nodes(cli: Cli, null_pool, typed: str, line: str) -> None:
    with bash(cli, null_pool) as shown:
        shown.type(f"{typed}\t")
        shown.shows(f"$ {line}")


@needs_bash
def test_tab_completes_the_ids_of_leases_and_devices(cli: Cli, null_pool) -> None:
    with accelpool.connect(null_pool.url, null_pool.token) as broker, broker.acquire() as context:
        device = next(one for one in broker.devices() if context.lease.id in one["leases"])
        with bash(cli, null_pool) as shown:
            shown.type(f"accelpool lease show {context.lease.id[:8]}\t")
            shown.shows(f"$ accelpool lease show {context.lease.id}")
            shown.type("\x15")
            shown.type(f"accelpool run --device {device['id'][:8]}\t")
            shown.shows(f"$ accelpool run --device {device['id']}")


@needs_bash
def test_tab_says_nothing_where_no_pool_answers(cli: Cli) -> None:
    with bash(cli, None, ACCELPOOL_URL="http://127.0.0.1:1", ACCELPOOL_TOKEN="t") as shown:
        shown.type("accelpool release lse\techo\n")
        shown.shows("lseecho")
        assert shown.screen.display[0].rstrip() == "$ accelpool release lseecho"


@contextmanager
def zsh(cli: Cli, pool: Pool) -> Iterator[Terminal]:
    """Run a zsh that completes our words."""
    variables = cli.variables(pool, PATH=f"{Path(PROGRAM).parent}:/usr/bin:/bin", PS1="%% ")
    with terminal([str(ZSH), "-f", "-i"], variables, cwd=cli.home) as shown:
        shown.type("autoload -U compinit; compinit -u -D; unsetopt zle_bracketed_paste\n")
        shown.type('eval "$(accelpool completion zsh)"; echo "re""ady"\n')
        shown.shows("\nready")
        yield shown


@contextmanager
def fish(cli: Cli, pool: Pool) -> Iterator[Terminal]:
    """Run a fish that completes our words."""
    variables = cli.variables(pool, PATH=f"{Path(PROGRAM).parent}:/usr/bin:/bin")
    with terminal([str(FISH), "--no-config", "-i"], variables, cwd=cli.home) as shown:
        shown.type('accelpool completion fish | source; echo "re""ady"\n')
        shown.shows("\nready")
        yield shown


@needs_zsh
@pytest.mark.parametrize(("typed", "line"), WORDS)
def test_tab_completes_in_zsh(cli: Cli, null_pool, typed: str, line: str) -> None:
    with zsh(cli, null_pool) as shown:
        shown.type(f"{typed}\t")
        shown.shows(line)


@needs_fish
@pytest.mark.parametrize(("typed", "line"), WORDS)
def test_tab_completes_in_fish(cli: Cli, null_pool, typed: str, line: str) -> None:
    with fish(cli, null_pool) as shown:
        shown.type(f"{typed}\t")
        shown.shows(line)


@needs_zsh
def test_tab_runs_no_program_that_a_clients_name_is(cli: Cli, null_pool) -> None:
    name = r"a \$(touch run-by-tab) \`touch run-by-tab\` $(touch run-by-tab) \"; touch run-by-tab; \""
    rest = {"headers": {"Authorization": f"Bearer {null_pool.token}"}, "timeout": 30}
    id = requests.post(f"{null_pool.url}/leases", json={"client": name}, **rest).json()["id"]
    with zsh(cli, null_pool) as shown:
        shown.type(f"accelpool release {id[:8]}\t")
        shown.shows(f"accelpool release {id}")
    requests.delete(f"{null_pool.url}/leases/{id}", **rest)
    assert not (cli.home / "run-by-tab").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shells_script_is_one_that_it_understands(cli: Cli, shell: str) -> None:
    script = cli.call("completion", shell).stdout
    assert f"_ACCELPOOL_COMPLETE=complete_{shell}" in script
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    assert cli.call("completion", "tcsh").exit_code == 2
