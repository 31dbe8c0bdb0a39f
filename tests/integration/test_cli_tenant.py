"""`accelpool tenant` changes what is named, and nothing else."""

from __future__ import annotations

import pytest

from accelpool.cli.tenants import change_rules
from accelpool.errors import PreconditionFailed
from accelpool.rest import Answer, RestClient

from ..conftest import Pool
from .cli_rig import Cli


def rules(cli: Cli, pool: Pool, *arguments: str) -> tuple[object, ...]:
    told = cli.json("tenant", *arguments, pool=pool)["tenant"]
    limits = ("devices", "memory_bytes", "device_hours")
    return (
        told["weight"],
        *(told[f"quota_{each}"] for each in limits),
        told["idle_after_s"],
        told["max_priority"],
    )


def test_a_rule_that_is_not_named_stays(cli: Cli, null_pool: Pool) -> None:
    others = ("--memory-bytes", "1024", "--device-hours", "10", "--idle-after", "60", "--max-priority", "3")
    assert rules(cli, null_pool, "kept/a", "--weight", "2", *others) == (2.0, None, 1024, 10.0, 60.0, 3)
    assert rules(cli, null_pool, "kept/a", "--devices", "8") == (2.0, 8.0, 1024, 10.0, 60.0, 3)
    assert rules(cli, null_pool, "kept/a", "--reset") == (2.0, 8.0, 1024, 10.0, 60.0, 3)


def test_a_limit_is_taken_away_by_name(cli: Cli, null_pool: Pool) -> None:
    rules(cli, null_pool, "freed", "--devices", "8", "--memory-bytes", "1024", "--max-priority", "3")
    found = rules(cli, null_pool, "freed", "--memory-bytes", "none", "--max-priority", "none")
    assert found == (1.0, 8.0, None, None, None, None)


def test_without_an_option_its_rules_are_shown(cli: Cli, null_pool: Pool) -> None:
    rules(cli, null_pool, "seen", "--devices", "8", "--weight", "2")
    assert rules(cli, null_pool, "seen") == (2.0, 8.0, None, None, None, None)
    shown = cli.call("tenant", "seen", pool=null_pool).stdout.splitlines()
    assert shown[0].split()[:2] == ["TENANT", "WEIGHT"]
    assert shown[1].split()[:2] == ["seen", "2.0"]


def test_a_tenant_that_is_not_there_is_made(cli: Cli, null_pool: Pool) -> None:
    assert cli.call("tenant", "made", pool=null_pool).stdout.startswith("Tenant made is new.\n")


@pytest.mark.parametrize(("option", "value"), [("--devices", "many"), ("--memory-bytes", "1.5")])
def test_what_is_no_limit_is_refused(cli: Cli, null_pool: Pool, option: str, value: str) -> None:
    done = cli.call("tenant", "odd", option, value, pool=null_pool)
    assert (done.exit_code, f"'{value}' is neither a" in done.stderr) == (2, True)


def test_what_somebody_else_has_changed_meanwhile_stays(cli: Cli, null_pool: Pool) -> None:
    rest = RestClient(null_pool.url, null_pool.token)
    missing = Answer(body=None, retry_after_s=None)
    rules(cli, null_pool, "shared", "--weight", "2")  # made since it was looked for
    assert change_rules(rest, "shared", missing, {"quota_devices": 8.0})["weight"] == 2.0
    read = rest.request("GET", "/tenants/shared")
    rules(cli, null_pool, "shared", "--weight", "3")
    assert change_rules(rest, "shared", read, {"max_priority": 1})["weight"] == 3.0
    assert rules(cli, null_pool, "shared") == (3.0, 8.0, None, None, None, 1)
    with pytest.raises(PreconditionFailed, match="tenant shared is not as"):
        change_rules(rest, "shared", read, {"weight": 9}, tries=1)
    rest.close()
