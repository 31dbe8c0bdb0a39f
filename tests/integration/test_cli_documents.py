"""What commands print with --json is as their schemas say; `cli.json` checks it, here and in all tests."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

import accelpool

from .cli_rig import Cli, checked


def test_what_shows_a_pool(cli: Cli, null_pool) -> None:
    with (
        accelpool.connect(null_pool.url, null_pool.token) as broker,
        broker.acquire(max_duration=60) as context,
    ):
        waiting = broker.reserve(starts_at=time.time() + 600, ends_at=time.time() + 900)
        for name in (("devices",), ("leases",), ("lease", "list"), ("lease", "ls"), ("nodes",), ("smi",)):
            document = cli.json(*name, pool=null_pool)
            assert document[next(iter(document))], name
        for id in (context.lease.id, waiting.id):
            assert cli.json("lease", "show", id, pool=null_pool)["lease"]["id"] == id
            cli.json("explain", id, pool=null_pool)
            cli.json("lease", "explain", id, pool=null_pool)
        cli.json("lease", "release", waiting.id, pool=null_pool)
        cli.json("release", waiting.id, pool=null_pool)


def test_what_changes_a_lease(cli: Cli, null_pool) -> None:
    with accelpool.connect(null_pool.url, null_pool.token) as broker, broker.acquire(compute=0.5) as context:
        cli.json("lease", "extend", context.lease.id, "--ttl", "120", pool=null_pool)
        cli.json("lease", "resize", context.lease.id, "--compute", "25%", pool=null_pool)


def test_what_operators_do(cli: Cli, null_pool) -> None:
    for words in (("cordon",), ("uncordon",), ("label", "node-1", "rack=b7"), ("label", "node-1", "rack="),
                  ("taint",), ("drain",), ("uncordon",)):  # fmt: skip
        name, *rest = words
        cli.json("node", name, *(rest or ["node-1"]), pool=null_pool)
    made = cli.json("node", "join-token", "create", "node-9", pool=null_pool)["join_token"]
    assert cli.json("node", "join-token", "list", pool=null_pool)["join_tokens"]
    cli.json("node", "join-token", "revoke", made["id"], pool=null_pool)
    assert cli.json("audit", "--limit", "5", pool=null_pool)["audit"]


def test_a_tainted_node_is_told_to_take_only_who_tolerates_it(cli: Cli, null_pool) -> None:
    told = cli.call("node", "taint", "node-1", "lab", pool=null_pool).stdout
    cli.json("node", "taint", "node-1", pool=null_pool)
    assert told == "Node node-1 takes new leases; only requests that tolerate lab get its devices.\n"


def test_what_admins_do(cli: Cli, null_pool) -> None:
    cli.json("tenant", "documents", "--devices", "8", pool=null_pool)
    assert cli.json("tenants", pool=null_pool)["tenants"]
    cli.json("account", "create", "document-ci", "--service", "--tenant", "documents", pool=null_pool)
    cli.json("account", "change", "document-ci", "--tenant", "documents/a", pool=null_pool)
    assert cli.json("account", "list", pool=null_pool)["accounts"]
    made = cli.json("token", "create", "t", "--account", "document-ci", "--days", "1", pool=null_pool)[
        "token"
    ]
    again = cli.json("token", "rotate", made["id"], pool=null_pool)["token"]
    assert cli.json("token", "list", "--account", "document-ci", pool=null_pool)["tokens"]
    cli.json("token", "revoke", again["id"], pool=null_pool)
    cli.json("account", "disable", "document-ci", pool=null_pool)
    cli.json("account", "enable", "document-ci", pool=null_pool)
    rule = cli.json(
        "trust", "add", "r", "--issuer", "https://issuer.example.org", "--audience", "a", "--claim", "sub=me",
        "--account", "document-ci", pool=null_pool,
    )["trust_rule"]  # fmt: skip
    assert cli.json("trust", "list", pool=null_pool)["trust_rules"]
    cli.json("trust", "remove", rule["id"], pool=null_pool)
    cli.json("whoami", pool=null_pool)


def test_what_needs_no_pool(cli: Cli, null_pool, tmp_path: Path) -> None:
    authority = str(tmp_path / "ca")
    cli.json("ca", "create", authority)
    cli.json("ca", "issue", authority, "--host", "localhost")
    cli.json("ca", "renew", authority)
    for name in (("version",), ("kernels",), ("kernels", "saxpy"), ("doctor", "--backend", "null:1")):
        cli.json(*name)
    cli.json("credentials", pool=null_pool)


def test_the_simulators(cli: Cli) -> None:
    done = cli.run("simulate", "--generate", "ci", "--jobs", "20", "--hours", "1", "--json")
    checked(json.loads(done.stdout), "simulate")


@pytest.mark.parametrize("arguments", [("release", "lse_none"), ("lease", "show", "lse_none")])
def test_a_failure_is_as_its_schema_says(cli: Cli, null_pool, arguments: tuple[str, ...]) -> None:
    done = cli.call(*arguments, "--json", pool=null_pool)
    assert done.exit_code == 1
    checked(json.loads(done.stdout), "error")


def test_the_schema_of_a_command_is_printed_and_wrong_ones_are_refused(cli: Cli) -> None:
    told = json.loads(cli.call("schema", "lease", "show").stdout)
    assert told["title"] == "accelpool lease show --json"
    assert "lease show" in cli.call("schema").stdout.splitlines()
    assert cli.call("schema", "run").exit_code == 2
