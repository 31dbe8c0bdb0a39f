"""`accelpool webhook`: being told of leases at an address of one's own."""

from __future__ import annotations

import stat

import pytest

from ..conftest import Pool
from .cli_rig import Cli

ADDRESS = "https://hooks.example.org/told"


def test_a_webhook_is_added_stopped_enabled_and_removed(cli: Cli, null_pool: Pool) -> None:
    made = cli.json("webhook", "add", ADDRESS, "--kind", "lease.lost", pool=null_pool)["webhook"]
    assert (made["url"], made["kinds"], made["secret"][:6]) == (ADDRESS, ["lease.lost"], "whsec_")
    id = made["id"]
    assert cli.json("webhook", "disable", id, pool=null_pool)["webhook"]["state"] == "disabled"
    assert "is disabled: admin disabled it." in cli.call("webhook", "show", id, pool=null_pool).stdout
    assert cli.json("webhook", "enable", id, pool=null_pool)["webhook"]["state"] == "active"
    assert cli.call("webhook", "enable", id, pool=null_pool).stdout == f"Webhook {id} is active.\n"
    [listed] = cli.json("webhook", "list", pool=null_pool)["webhooks"]
    assert listed == cli.json("webhook", "show", id, pool=null_pool)["webhook"]
    assert listed == {key: value for key, value in made.items() if key != "secret"}
    table = cli.call("webhook", "list", pool=null_pool).stdout
    assert (id in table, ADDRESS in table, made["secret"] in table) == (True, True, False)
    assert cli.json("webhook", "remove", id, pool=null_pool)["webhook"] == {"id": id}
    assert cli.call("webhook", "list", pool=null_pool).stdout == "No webhooks.\n"


def test_the_secret_alone_is_on_the_standard_output_or_in_a_file(cli: Cli, null_pool: Pool) -> None:
    shown = cli.call("webhook", "add", ADDRESS, pool=null_pool)
    assert shown.stdout.startswith("whsec_")
    assert shown.stdout.count("\n") == 1
    path = cli.home / "hook.secret"
    made = cli.json("webhook", "add", ADDRESS, "--file", str(path), pool=null_pool)["webhook"]
    assert "secret" not in made
    assert path.read_text().startswith("whsec_")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = cli.json("webhook", "list", pool=null_pool)["webhooks"]
    assert cli.call("webhook", "add", ADDRESS, "--file", str(path), pool=null_pool).exit_code == 1
    assert cli.json("webhook", "list", pool=null_pool)["webhooks"] == listed  # none was made for nothing
    for hook in listed:
        cli.json("webhook", "remove", hook["id"], pool=null_pool)


def test_a_tenant_that_is_not_there_is_told(cli: Cli, null_pool: Pool) -> None:
    added = cli.call("webhook", "add", ADDRESS, "--tenant", "mispelt", pool=null_pool)
    assert "There is no tenant mispelt yet" in added.stderr
    [hook] = cli.json("webhook", "list", pool=null_pool)["webhooks"]
    cli.json("webhook", "remove", hook["id"], pool=null_pool)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "http://hooks.example.org/"), "a webhook's URL begins with https://, not http://"),
        (("add", "https://127.0.0.1/"), "accelpool: "),
        (("add", ""), "ADDRESS: "),
        (("add", ADDRESS, "--kind", "node.lost"), "kinds begin with `lease`"),
        (("show", "hok_none"), "there is no webhook hok_none"),
        (("remove", "hok_none"), "there is no webhook hok_none"),
        (("remove", ADDRESS), "there is nothing at /webhooks/https://"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    cli: Cli, null_pool: Pool, arguments: tuple[str, ...], told: str
) -> None:
    done = cli.call("webhook", *arguments, pool=null_pool)
    assert (done.exit_code, told in done.stderr, done.stderr.count("\n")) == (1, True, 1)


def test_members_see_their_own_webhooks(cli: Cli, null_pool: Pool) -> None:
    cli.json("account", "create", "hook-owner", "--tenant", "hooks", pool=null_pool)
    token = cli.json("token", "create", "t", "--account", "hook-owner", pool=null_pool)["token"]["token"]
    theirs = cli.json("webhook", "add", ADDRESS, pool=null_pool)["webhook"]
    assert cli.json("webhook", "list", pool=null_pool, ACCELPOOL_TOKEN=token)["webhooks"] == []
    assert cli.call("webhook", "show", theirs["id"], pool=null_pool, ACCELPOOL_TOKEN=token).exit_code == 1
    cli.json("webhook", "remove", theirs["id"], pool=null_pool)
