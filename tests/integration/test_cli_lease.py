"""What the command line does with a lease, and what shows a pool at a glance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

import accelpool
from accelpool.rest import RestClient

from .cli_rig import Cli

Ask = Callable[..., dict]


@pytest.fixture
def ask(null_pool) -> Iterator[Ask]:
    """Asks for a lease of the null pool, which ends with the test."""
    rest, made = RestClient(null_pool.url, null_pool.token), []

    def one(**wanted: object) -> dict:
        made.append(rest.request("POST", "/leases", json={"client": "it", "ttl_s": 3600, **wanted}).body)
        return made[-1]

    yield one
    for lease in made:
        rest.request("DELETE", f"/leases/{lease['id']}")
    rest.close()


def test_a_lease_is_shown_with_its_part_its_holder_and_until_when_its_token_is_good(
    cli: Cli, null_pool, ask: Ask
) -> None:
    lease = ask(compute=0.25)
    text = cli.call("lease", "show", lease["id"], pool=null_pool).stdout
    assert text.startswith(f"Lease {lease['id']} is active.\n")
    assert "null/null-0" in text
    assert "25%, 256 MiB" in text
    assert "opens sessions on node-1 until 2" in text
    document = cli.json("lease", "show", lease["id"], pool=null_pool)
    assert "token" not in document["lease"]["endpoints"][0]
    assert document["tokens"][0]["expires_at"] > document["lease"]["created_at"]


def test_a_lease_lasts_as_long_as_it_is_told(cli: Cli, null_pool, ask: Ask) -> None:
    lease = ask(ttl_s=60)
    changed = cli.json("lease", "extend", lease["id"], "--ttl", "4000", pool=null_pool)["lease"]
    assert changed["ttl_s"] == 4000
    assert changed["expires_at"] > lease["expires_at"]
    told = cli.call("lease", "extend", lease["id"], "--ttl", "4000", pool=null_pool).stdout
    assert told.startswith(f"Lease {lease['id']} lasts until 2")
    wrong = cli.call("lease", "extend", lease["id"], "--ttl", "soon", pool=null_pool)
    assert wrong.exit_code == 2


def test_a_lease_in_use_is_resized_and_its_session_goes_on(cli: Cli, null_pool, wait_until) -> None:
    with accelpool.connect(null_pool.url, null_pool.token) as broker, broker.acquire(compute=0.5) as context:
        done = cli.call(
            "lease", "resize", context.lease.id, "--compute", "75%", "--memory", "100MiB", pool=null_pool
        )
        assert "75%, 100 MiB" in done.stdout
        accelpool.CommandQueue(context).finish()
        shown: list[dict] = []

        def has_session() -> bool:
            shown[:] = cli.json("lease", "show", context.lease.id, pool=null_pool)["sessions"]
            return bool(shown)

        wait_until(has_session)  # its node tells of it
        assert [one["node"] for one in shown] == ["node-1"]
        held = cli.json("lease", "show", context.lease.id, pool=null_pool)["lease"]["shares"]
        assert [(share["compute"], share["memory_bytes"]) for share in held] == [(0.75, 100 << 20)]


def test_a_part_that_is_not_there_is_refused(cli: Cli, null_pool, ask: Ask) -> None:
    device = cli.json("devices", pool=null_pool)["devices"][0]["id"]
    lease, _ = ask(compute=0.5, device=device), ask(compute=0.25, device=device)
    done = cli.call("lease", "resize", lease["id"], "--compute", "0.8", pool=null_pool)
    assert done.exit_code == 1
    assert "0.75 of its compute that no other lease has" in done.stderr
    done = cli.call("lease", "resize", lease["id"], "--memory", "100GiB", pool=null_pool)
    assert done.exit_code == 125
    shares = cli.json("lease", "show", lease["id"], pool=null_pool)["lease"]["shares"]
    assert [share["compute"] for share in shares] == [0.5]


@pytest.mark.parametrize(
    ("options", "words"),
    [((), "--memory or --compute is missing"), (("--memory", "25%"), "an amount such as 2GiB"),
     (("--memory", "much"), "such as '2GiB'"), (("--compute", "half"), "such as '25%', not 'half'")],
)  # fmt: skip
def test_a_wrong_size_is_wrong_usage(cli: Cli, null_pool, options: tuple[str, ...], words: str) -> None:
    done = cli.call("lease", "resize", "lse_any", *options, pool=null_pool)
    assert done.exit_code == 2
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_smi_shows_who_has_which_part_of_what(cli: Cli, idle_pool, ask: Ask) -> None:
    lease = ask(compute=0.25)
    text = cli.call("smi", pool=idle_pool).stdout
    assert "4 devices, 3 free; 1 lease active, 0 queued" in text
    headings = ("DEVICE", "NODE", "TEMP", "POWER", "MEMORY", "UTIL", "LENT", "HELD BY")
    assert all(heading in text for heading in headings)
    [line] = [line for line in text.splitlines() if line.startswith(lease["id"])]
    assert line.split()[1:5] == ["node-1", "null/null-0", "25%,", "256"]


def test_explain_names_the_leases_that_are_in_the_way(cli: Cli, null_pool, ask: Ask) -> None:
    device = cli.json("devices", pool=null_pool)["devices"][1]["id"]
    holder, waiting = ask(device=device), ask(device=device)
    text = cli.call("lease", "explain", waiting["id"], pool=null_pool).stdout
    assert "is queued at position 1" in text
    assert f"It waits for enough of these to end: {holder['id']}." in text


def test_the_bench_measures_a_device_and_gives_it_back(cli: Cli, idle_pool) -> None:
    told = cli.json("bench", pool=idle_pool)
    assert told["device"]["node"] == "node-1"
    assert told["is_right"] is None
    assert {"launches", "read 64 MiB", "empty kernel and back"} <= {one["name"] for one in told["figures"]}
    assert all(one["pool"] > 0 and one["local"] is None for one in told["figures"])
    assert cli.json("smi", pool=idle_pool)["leases"] == []


@pytest.mark.opencl
def test_the_bench_compares_with_this_machines_device_and_checks_the_result(cli: Cli, opencl_pool) -> None:
    told = cli.json("bench", "--kind", "cpu", "--local", pool=opencl_pool)
    assert told["is_right"] is True
    assert [one["name"] for one in told["figures"] if one["local"] is None] == ["acquire"]
    text = cli.call("bench", "--kind", "cpu", pool=opencl_pool).stdout
    assert "matmul 256 x 256" in text
    assert "LOCAL" not in text
