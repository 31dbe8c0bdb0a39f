"""`accelpool run` and `shell`: programs that nobody changed, under a lease. No driver is needed for it."""

import json
import os
import pty
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accelpool.rest import RestClient

from ..conftest import Pool, running, wait_until
from .cli_rig import PROGRAM, STOP_S, Cli, Running

SHOW = """
import json, os, stat
path = os.environ["ACCELPOOL_LEASE_FILE"]
mode = [stat.S_IMODE(os.stat(one).st_mode) for one in (path, os.path.dirname(path))]
print(json.dumps({"variables": dict(os.environ), "file": json.load(open(path)), "mode": mode}))
"""
STOPPED = 'trap "echo resume""d" CONT; echo u""p; while :; do sleep 0.05; done'
SLEEP = "echo up; exec sleep 60"


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one null device, which nobody else uses."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("run-pool"), backend="null:1"))


def leases(pool: Pool) -> list[dict]:
    """Return the leases that are active or queued."""
    rest = RestClient(pool.url, pool.token)
    found = [lease for lease in rest.pages("/leases") if lease["state"] in ("active", "queued")]
    rest.close()
    return found


def assert_given_back(pool: Pool, cli: Cli, state: str = "released") -> None:
    """Fail unless the last lease was given back and nothing of it is left, at once."""
    rest = RestClient(pool.url, pool.token)
    assert rest.pages("/leases")[0]["state"] == state
    rest.close()
    assert list((cli.home / "runtime").iterdir()) == []
    cli.assert_nothing_is_left()


@contextmanager
def other_lease(pool: Pool) -> Iterator[str]:
    """Have the pool's only device, and yield the lease's id."""
    rest = RestClient(pool.url, pool.token)
    lease = rest.request("POST", "/leases", json={"ttl_s": 3600}, params={"wait_s": 10}, wait_s=10).body
    assert lease["state"] == "active"
    yield lease["id"]
    rest.request("DELETE", f"/leases/{lease['id']}")
    rest.close()


@contextmanager
def sleeping(cli: Cli, pool: Pool, driver: dict[str, str], *options: str) -> Iterator[Running]:
    """Run a command that says "up" and sleeps."""
    variables = cli.variables(pool, **driver)
    given = {name: variables[name] for name in variables if name.startswith(("ACCELPOOL_", "XDG_"))}
    with cli.running("run", *options, "sh", "-c", SLEEP, **given) as command:
        assert command.line() == "up\n"
        yield command


def test_a_command_sees_the_driver_and_its_lease(cli: Cli, pool: Pool, driver) -> None:
    done = cli.run("run", "--memory", "25%", "--", sys.executable, "-c", SHOW, pool=pool, **driver)
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["mode"] == [0o600, 0o700]
    assert set(told["file"]) == {"lease", "expires_at", "endpoints", "keeper"}
    (endpoint,) = told["file"]["endpoints"]
    assert set(endpoint) == {"node", "environment", "host", "port", "token"}
    variables = told["variables"]
    assert variables["ACCELPOOL_LEASE"] == told["file"]["lease"]
    library = driver["ACCELPOOL_DRIVER_PATH"]
    assert variables["OCL_ICD_FILENAMES"] == library
    assert (Path(variables["OCL_ICD_VENDORS"]) / "accelpool.icd").read_text() == f"{library}\n"
    assert_given_back(pool, cli)


def test_input_output_and_exit_code_pass_through(cli: Cli, pool: Pool, driver) -> None:
    done = subprocess.run(
        [PROGRAM, "run", "sh", "-c", "tr a-z A-Z; echo done >&2; exit 7"],
        env=cli.variables(pool, **driver),
        input="one\ntwo\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "ONE\nTWO\n", "done\n")
    assert_given_back(pool, cli)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_shows_in_the_exit_code(cli: Cli, pool: Pool, driver, number) -> None:
    with sleeping(cli, pool, driver) as command:
        assert command.end(number) == (128 + number, "")
    assert_given_back(pool, cli)


def test_a_command_that_handles_a_signal_goes_on(cli: Cli, pool: Pool, driver) -> None:
    script = "trap 'echo heard; exit 3' TERM; echo up; while :; do sleep 0.05; done"
    variables = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token, **driver}
    with cli.running("run", "bash", "-c", script, **variables) as command:
        assert command.line() == "up\n"
        command.process.send_signal(signal.SIGTERM)
        assert command.line() == "heard\n"
        assert command.process.wait(STOP_S) == 3
    assert_given_back(pool, cli)


def test_a_run_that_is_killed_takes_the_command_with_it_and_gives_the_lease_back(
    cli: Cli, pool: Pool, driver
) -> None:
    with sleeping(cli, pool, driver) as command:
        (lease,) = leases(pool)
        assert lease["ends_with_session"] is False
        command.process.kill()
        wait_until(lambda: not leases(pool))
    cli.assert_nothing_is_left()
    assert_given_back(pool, cli)


def test_a_lease_that_is_lost_does_not_end_the_command_but_shows_in_its_failure(
    cli: Cli, pool: Pool, driver
) -> None:
    with sleeping(cli, pool, driver, "--ttl", "5") as command:
        (lease,) = leases(pool)
        cli.call("release", lease["id"], pool=pool)
        wait_until(lambda: list((cli.home / "runtime").iterdir()) == [])
        assert command.process.poll() is None
        code, words = command.end(signal.SIGTERM)
    assert code == 123
    (line,) = words.splitlines()
    assert line.startswith(
        f"accelpool: lease {lease['id']} was lost; OpenCL calls under it fail from now on: "
    )
    assert_given_back(pool, cli)


def test_a_keeper_that_is_killed_is_told_and_its_lease_given_back_at_the_end(
    cli: Cli, pool: Pool, driver
) -> None:
    with sleeping(cli, pool, driver) as command:
        (path,) = (cli.home / "runtime").glob("*/lease.json")
        os.kill(json.loads(path.read_text())["keeper"]["pid"], signal.SIGKILL)
        assert b"the process that renews lease" in command.process.stderr.readline()
        assert command.end(signal.SIGTERM)[0] == 123
    assert_given_back(pool, cli)


def test_the_lease_file_is_replaced_when_the_lease_is_renewed(cli: Cli, pool: Pool, driver) -> None:
    with sleeping(cli, pool, driver, "--ttl", "5"):
        (path,) = (cli.home / "runtime").glob("*/lease.json")
        before = json.loads(path.read_text())
        wait_until(lambda: json.loads(path.read_text())["expires_at"] != before["expires_at"])
        after = json.loads(path.read_text())
        assert after["endpoints"][0]["token"] != before["endpoints"][0]["token"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_waits_is_told_why_and_gets_the_device_in_turn(cli: Cli, pool: Pool, driver) -> None:
    variables = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token, **driver}
    with other_lease(pool) as id, cli.running("run", "echo", "mine", **variables) as command:
        line = command.process.stderr.readline().decode()
        assert line.startswith("accelpool: lease lse_")
        assert "waits at position 1: " in line
        cli.call("release", id, pool=pool)
        assert command.line() == "mine\n"
        assert command.process.wait(STOP_S) == 0
    assert_given_back(pool, cli)


def test_who_is_interrupted_while_he_waits_withdraws(cli: Cli, pool: Pool, driver) -> None:
    variables = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token, **driver}
    with other_lease(pool), cli.running("run", "true", **variables) as command:
        command.process.stderr.readline()
        assert command.end(signal.SIGTERM) == (130, "accelpool: interrupted\n")
        assert_given_back(pool, cli, "withdrawn")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--wait", "0", "true"], 124, "was not granted within 0 s"),
        (["--count", "2", "true"], 125, ""),
        (["--memory", "99TiB", "true"], 125, ""),
        (["--", "no-such-program"], 127, "no-such-program: there is no such program"),
        (["--", "/etc/passwd"], 126, "/etc/passwd is no program that may be run"),
        (["--memory", "much", "true"], 2, "memory is bytes"),
        (["--starts-at", "soon", "--ends-at", "later", "true"], 2, "soon"),
        ([], 2, "COMMAND"),
    ],
)
def test_without_a_lease_nothing_is_run(
    cli: Cli, pool: Pool, driver, arguments: list[str], code: int, words: str
) -> None:
    with other_lease(pool):
        done = cli.run("run", *arguments, pool=pool, **driver)
        assert (done.returncode, done.stdout) == (code, "")
        assert words in " ".join(done.stderr.replace("│", " ").split())
        assert [lease["state"] for lease in leases(pool)] == ["active"]
    assert list((cli.home / "runtime").iterdir()) == []
    cli.assert_nothing_is_left()


def test_without_the_driver_it_says_what_to_install(cli: Cli, pool: Pool, driver) -> None:
    done = cli.run("run", "true", pool=pool, **driver | {"ACCELPOOL_DRIVER_PATH": "/nonexistent.so"})
    assert (done.returncode, done.stderr) == (
        5, "accelpool: ACCELPOOL_DRIVER_PATH names no file: /nonexistent.so\n",
    )  # fmt: skip


def test_a_shell_is_the_users_own(cli: Cli, pool: Pool, driver) -> None:
    done = subprocess.run(
        [PROGRAM, "shell"],
        env=cli.variables(pool, **driver, SHELL="/bin/bash"),
        input='test -f "$ACCELPOOL_LEASE_FILE" && echo "$0"; exit 5\n',
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (5, "/bin/bash\n", "")
    assert_given_back(pool, cli)


class Terminal:
    """A shell with job control on a terminal."""

    def __init__(self, variables: dict[str, str]) -> None:
        self._seen = ""
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], {**variables, "PS1": "ready> "})

    def type(self, text: str) -> None:
        """Type something, a control character for instance."""
        os.write(self._terminal, text.encode())

    def until(self, text: str) -> str:
        """Return what the terminal shows until it shows a text."""
        while text not in self._seen:
            self._seen += os.read(self._terminal, 4096).decode()
        shown, _, self._seen = self._seen.partition(text)
        return shown

    def close(self) -> None:
        """End the shell."""
        os.close(self._terminal)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def test_a_terminal_stops_resumes_and_interrupts_the_command(cli: Cli, pool: Pool, driver) -> None:
    terminal = Terminal(cli.variables(pool, **driver))
    try:
        terminal.until("ready> ")
        terminal.type(f"{PROGRAM} run bash -c '{STOPPED}'\n")
        terminal.until("up\r\n")
        terminal.type("\x1a")
        terminal.until("Stopped")
        terminal.until("ready> ")
        assert len(leases(pool)) == 1
        terminal.type("fg; echo code=$?\n")
        terminal.until("resumed\r\n")
        terminal.type("\x03")
        terminal.until("code=130")
        assert leases(pool) == []
    finally:
        terminal.close()
