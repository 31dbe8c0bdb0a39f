"""The command line in a terminal, as its users see it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from accelpool.rest import RestClient

from ..conftest import Pool
from .cli_rig import PROGRAM, Cli
from .terminal_rig import Terminal, terminal

LEAVES_SCREEN, SHOWS_CURSOR = b"\x1b[?1049l", b"\x1b[?25h"
COLOUR = b"\x1b[1m"
RED = b"\x1b[31m"
CLIENT = "a-client"


@contextmanager
def running(cli: Cli, pool: Pool, *arguments: str, **extra: str) -> Iterator[Terminal]:
    """Run a command on a pool in a terminal of 80 by 24."""
    variables = cli.variables(pool, **extra)
    with terminal([PROGRAM, *arguments], variables, cwd=cli.home) as shown:
        yield shown


@pytest.fixture
def rest(null_pool: Pool) -> Iterator[RestClient]:
    """A way to the broker; the leases that it was asked for end with the test."""
    client = RestClient(null_pool.url, null_pool.token)
    yield client
    for one in client.pages("/leases", {"state": "active"}):
        if one["client"] == CLIENT:
            client.request("DELETE", f"/leases/{one['id']}")
    client.close()


def lease(rest: RestClient, **wanted: object) -> dict:
    return rest.request("POST", "/leases", json={"client": CLIENT, "ttl_s": 3600, **wanted}).body


def test_top_shows_a_lease_as_soon_as_there_is_one_and_no_longer(cli: Cli, idle_pool, rest) -> None:
    with running(cli, idle_pool, "top", "--interval", "3600") as shown:  # it hears of it
        shown.shows("4 devices, 4 free; 0 leases active, 0 queued")
        made = lease(rest)
        shown.shows("3 free; 1 lease active")
        shown.shows("a-client")
        rest.request("DELETE", f"/leases/{made['id']}")
        shown.shows("4 free; 0 leases active")
        shown.type("q")
        assert shown.end() == 0


def test_the_terminal_is_as_before_however_top_ends(cli: Cli, null_pool) -> None:
    for end, code in ((lambda it: it.type("q"), 0), (lambda it: it.type("\x03"), 130),
                      (lambda it: it.process.send_signal(signal.SIGTERM), 130)):  # fmt: skip
        with running(cli, null_pool, "top") as shown:
            before = shown.settings()
            shown.shows("4 devices")
            assert shown.settings() != before
            assert shown.screen.cursor.hidden
            end(shown)
            assert shown.end() == code
            assert shown.settings() == before
            assert not shown.screen.cursor.hidden
            assert LEAVES_SCREEN in shown.written
            assert SHOWS_CURSOR in shown.written


def test_top_fits_in_a_window_of_any_size(cli: Cli, idle_pool, rest) -> None:
    for _ in range(16):
        lease(rest, compute=0.05, memory_bytes=1 << 20)
    with running(cli, idle_pool, "top") as shown:
        shown.shows("... 3 more")
        assert all(line in shown.text for line in ("DEVICE", "null/null-3", "LEASE"))
        shown.resize(120, 40)
        shown.until(lambda: shown.text.count("a-client") == 16)
        shown.resize(60, 12)
        shown.until(lambda: "... 14 more" in shown.text and "16 leases" in shown.screen.display[0])
        shown.type("q")
        assert shown.end() == 0


def test_top_sorts_and_narrows_by_keys(cli: Cli, null_pool) -> None:
    with running(cli, null_pool, "top") as shown:
        shown.shows("s: by node")
        shown.type("r")
        shown.until(lambda: 0 < shown.text.find("null-3") < shown.text.find("null-0"))
        shown.type("rs")
        shown.shows("s: by util")
        shown.type("/NULL-2")
        shown.until(lambda: "null-2" in shown.text and "null-1" not in shown.text)
        shown.type("q")
        shown.shows("/NULL-2q_")  # it is a letter like others there
        shown.type("\x1b")
        shown.shows("null-1")
        shown.type("q")
        assert shown.end() == 0


def test_top_says_that_the_broker_is_away_and_goes_on(cli: Cli, null_pool) -> None:
    variables = cli.variables(null_pool, ACCELPOOL_URL="http://127.0.0.1:1")
    with terminal([PROGRAM, "top"], variables, cwd=cli.home) as shown:
        shown.shows("nobody answers at http://127.0.0.1:1")
        shown.type("q")
        assert shown.end() == 0


def test_top_without_a_terminal_says_what_to_use(cli: Cli, null_pool) -> None:
    done = cli.run("top", pool=null_pool)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == ("accelpool: top needs a terminal: `accelpool smi` shows the same once, anywhere\n")


def test_colours_are_for_terminals_that_want_them(cli: Cli, null_pool) -> None:
    with running(cli, null_pool, "smi") as shown:
        assert shown.end() == 0
        assert COLOUR in shown.written
    assert "\x1b" not in cli.run("smi", pool=null_pool).stdout


@pytest.mark.parametrize(("no_color", "is_red"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_means_none(cli: Cli, null_pool, no_color: dict[str, str], is_red: bool) -> None:
    variables = cli.variables(null_pool, ACCELPOOL_URL="http://127.0.0.1:1", **no_color)
    with terminal([PROGRAM, "top"], variables, cwd=cli.home) as shown:
        shown.shows("nobody answers")
        shown.type("q")
        assert shown.end() == 0
        assert (RED in shown.written) is is_red


WAIT = """
import accelpool as cl
with cl.progress(), cl.acquire(device="{device}") as context:
    print("granted", flush=True)
"""


def test_a_wait_in_the_queue_has_a_line_that_goes_once_it_is_over(cli: Cli, null_pool, rest) -> None:
    device = rest.pages("/devices")[0]["id"]
    taken = lease(rest, device=device)
    code = WAIT.format(device=device)
    with terminal([sys.executable, "-c", code], cli.variables(null_pool), cwd=cli.home) as shown:
        shown.shows("waiting at position 1")
        rest.request("DELETE", f"/leases/{taken['id']}")
        shown.shows("granted")
        assert shown.end() == 0
        assert "waiting at" not in shown.text
        assert not shown.screen.cursor.hidden


def test_a_wait_that_is_interrupted_leaves_the_terminal_as_it_was(cli: Cli, null_pool, rest) -> None:
    device = rest.pages("/devices")[0]["id"]
    lease(rest, device=device)
    code = WAIT.format(device=device)
    with terminal([sys.executable, "-c", code], cli.variables(null_pool), cwd=cli.home) as shown:
        before = shown.settings()
        shown.shows("waiting at position 1")
        shown.type("\x03")
        assert shown.end() != 0
        assert shown.settings() == before
        assert not shown.screen.cursor.hidden
    assert rest.pages("/leases", {"state": "queued"}) == []


def test_a_command_that_waits_says_so_in_a_terminal(cli: Cli, null_pool, rest) -> None:
    device = rest.pages("/devices")[0]["id"]
    taken = lease(rest, device=device)
    with running(cli, null_pool, "bench", "--device", device) as shown:
        shown.shows("waiting at position 1")
        rest.request("DELETE", f"/leases/{taken['id']}")
        shown.shows("matmul 256 x 256")
        assert shown.end() == 0
        assert "waiting at" not in shown.text
