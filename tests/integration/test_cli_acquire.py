"""`accelpool acquire --shell` and `release`: several commands under one lease."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from accelpool.rest import RestClient

from ..conftest import Pool, wait_until
from .cli_rig import PROGRAM, Cli, checked

ACQUIRE = f'eval "$({PROGRAM} acquire --shell --compute 0.5)"'


def shell(cli: Cli, pool: Pool, driver: dict[str, str], script: str, name: str = "bash"):
    """Run a script to its end."""
    return subprocess.run(
        [name, "-c", script],
        env=cli.variables(pool, **driver),
        capture_output=True,
        text=True,
        timeout=60,
    )


def acquired(cli: Cli, pool: Pool, driver: dict[str, str], holder: str):
    """Take a lease for a process, and return what is told of it."""
    told = cli.run("acquire", "--json", "--holder", holder, pool=pool, **driver).stdout
    return checked(json.loads(told), "acquire")


def state(pool: Pool, id: str) -> str:
    """Return a lease's state."""
    rest = RestClient(pool.url, pool.token)
    found = rest.request("GET", f"/leases/{id}").body["state"]
    rest.close()
    return found


@pytest.mark.parametrize("name", ["bash", "sh"])
def test_commands_share_a_lease_until_it_is_released(cli: Cli, null_pool, driver, name: str) -> None:
    script = f"""
        {ACQUIRE}
        cat "$ACCELPOOL_LEASE_FILE"
        sh -c 'echo $ACCELPOOL_LEASE; ls $OCL_ICD_VENDORS'
        {PROGRAM} release
        test -e "$ACCELPOOL_LEASE_FILE" || echo gone
        ls $OCL_ICD_VENDORS
    """
    done = shell(cli, null_pool, driver, script, name)
    assert done.stderr == ""
    content, id, *rest = done.stdout.splitlines()
    assert json.loads(content)["lease"] == id
    assert rest == ["accelpool.icd", f"Lease {id} is released.", "gone", "accelpool.icd"]
    assert list((cli.home / "runtime").iterdir()) == []
    cli.assert_nothing_is_left()


def test_the_lease_ends_with_the_shell(cli: Cli, null_pool, driver) -> None:
    done = shell(cli, null_pool, driver, f"{ACQUIRE}; echo $ACCELPOOL_LEASE; kill -9 $$")
    assert done.returncode == -signal.SIGKILL
    wait_until(lambda: state(null_pool, done.stdout.strip()) == "released")
    cli.assert_nothing_is_left()


def test_the_lease_may_be_another_processs(cli: Cli, null_pool, driver) -> None:
    with cli.running("broker", "--port", "0") as broker:  # any process that runs on
        broker.line()
        pid = str(broker.process.pid)
        told = acquired(cli, null_pool, driver, pid)
        assert Path(told["variables"]["ACCELPOOL_LEASE_FILE"]).exists()
        assert state(null_pool, told["lease"]) == "active"
        broker.end()
    wait_until(lambda: state(null_pool, told["lease"]) == "released")
    cli.assert_nothing_is_left()


def test_a_lease_whose_keeper_was_killed_can_be_released(cli: Cli, null_pool, driver) -> None:
    told = acquired(cli, null_pool, driver, str(os.getpid()))
    path = told["variables"]["ACCELPOOL_LEASE_FILE"]
    os.kill(json.loads(Path(path).read_text())["keeper"]["pid"], signal.SIGKILL)
    cli.assert_nothing_is_left()
    done = cli.call("release", pool=null_pool, ACCELPOOL_LEASE_FILE=path)
    assert done.stdout == f"Lease {told['lease']} is released.\n"
    assert list((cli.home / "runtime").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["acquire"], {}, 2, "--shell is missing"),
        (["acquire", "--shell"], {"ACCELPOOL_LEASE_FILE": "/etc/passwd"}, 1, "has a lease already"),
        (["acquire", "--shell", "--holder", "4194305"], {}, 1, "there is no process 4194305"),
        (["acquire", "--shell", "--memory", "99TiB"], {}, 125, ""),
        (["release"], {}, 2, "LEASE is missing"),
        (["release"], {"ACCELPOOL_LEASE_FILE": "/nonexistent"}, 1, "there is no lease any more"),
        (["release"], {"ACCELPOOL_LEASE_FILE": "/etc/passwd"}, 1, "/etc/passwd is no lease file"),
    ],
)
def test_what_cannot_be_is_told(
    cli: Cli, null_pool, driver, arguments: list[str], variables: dict[str, str], code: int, words: str
) -> None:
    done = cli.run(*arguments, pool=null_pool, **driver, **variables)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in " ".join(done.stderr.replace("│", " ").split())
    assert list((cli.home / "runtime").iterdir()) == []
    cli.assert_nothing_is_left()
