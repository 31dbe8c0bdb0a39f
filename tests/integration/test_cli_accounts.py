"""`accelpool account`, `token`, `whoami`, `audit`, `node join-token`: letting others in."""

from __future__ import annotations

import stat

import pytest

import accelpool
from accelpool.credentials import Credentials, save
from accelpool.errors import Unauthorized

from ..conftest import Pool
from .cli_rig import Cli


def test_an_admin_lets_somebody_in_and_out_again(cli: Cli, null_pool: Pool) -> None:
    made = cli.json("account", "create", "mira", "--tenant", "vision", pool=null_pool)["account"]
    assert (made["kind"], made["role"], made["tenants"]) == ("user", "member", ["vision"])
    token = cli.json("token", "create", "laptop", "--account", "mira", pool=null_pool)["token"]
    who = cli.json("whoami", pool=null_pool, ACCELPOOL_TOKEN=token["token"])
    assert (who["account"], who["role"], who["token"]) == ("mira", "member", token["id"])
    assert cli.call("devices", pool=null_pool, ACCELPOOL_TOKEN=token["token"]).exit_code == 0
    assert cli.call("account", "list", pool=null_pool, ACCELPOOL_TOKEN=token["token"]).exit_code == 4
    assert "disabled" in cli.call("account", "disable", "mira", pool=null_pool).stdout
    refused = cli.call("devices", pool=null_pool, ACCELPOOL_TOKEN=token["token"])
    assert (refused.exit_code, "account mira is disabled" in refused.stderr) == (4, True)
    assert cli.call("account", "enable", "mira", pool=null_pool).exit_code == 0
    assert (
        cli.json("account", "change", "mira", "--role", "operator", pool=null_pool)["account"]["tenants"]
        == []
    )
    listed = {one["name"]: one["role"] for one in cli.json("account", "list", pool=null_pool)["accounts"]}
    assert (listed["admin"], listed["mira"]) == ("admin", "operator")


def test_a_member_without_a_tenant_is_told_apart_and_what_gives_it_one(
    cli: Cli, null_pool: Pool, driver: dict[str, str]
) -> None:
    remedy = "`accelpool account change carl --tenant TENANT`"
    done = cli.call("account", "create", "carl", pool=null_pool)
    assert (done.exit_code, remedy in done.stderr) == (0, True)
    token = cli.json("token", "create", "t", "--account", "carl", pool=null_pool)["token"]["token"]
    refused = cli.run("acquire", "--shell", pool=null_pool, **{**driver, "ACCELPOOL_TOKEN": token})
    assert (refused.returncode, remedy in refused.stderr) == (4, True)
    told = cli.call("tenants", pool=null_pool, ACCELPOOL_TOKEN=token).stdout
    assert told == "None that this account may see. A pool without tenants charges everybody as `default`.\n"
    assert remedy not in cli.call("account", "create", "olga", "--role", "operator", pool=null_pool).stderr


def test_a_tenant_that_is_not_there_is_told(cli: Cli, null_pool: Pool) -> None:
    assert cli.call("tenant", "there", pool=null_pool).exit_code == 0
    for command in ("create", "change"):
        words = ("account", command, "dora", "--tenant", "there", "--tenant", "theer")
        done = cli.call(*words, pool=null_pool)
        assert done.exit_code == 0
        [told] = [line for line in done.stderr.splitlines() if "no tenant" in line]
        assert told.startswith("There is no tenant theer yet: `accelpool tenant theer` makes it")
    assert (
        "no tenant" not in cli.call("account", "change", "dora", "--tenant", "there", pool=null_pool).stderr
    )


def test_a_name_that_is_taken_is_no_second_account(cli: Cli, null_pool: Pool) -> None:
    for code in (0, 1):
        done = cli.call("account", "create", "emil", "--role", "operator", pool=null_pool)
        assert done.exit_code == code
    assert "`accelpool account change emil`" in done.stderr


def test_a_mistake_is_told_by_the_option_that_it_is_in(
    cli: Cli, null_pool: Pool, driver: dict[str, str]
) -> None:
    for words, told in (
        (("token", "create", "t", "--scope", "foo"), "accelpool: --scope: 'foo' is none of leases:read,"),
        (("acquire", "--shell", "--where", "("), "accelpool: --where: "),
    ):
        assert cli.run(*words, pool=null_pool, **driver).stderr.startswith(told)
    done = cli.call("token", "create", "t", "--days", "0", pool=null_pool)
    assert (done.exit_code, "more than 0, not 0" in done.stderr) == (2, True)


def test_a_token_is_made_rotated_and_revoked(cli: Cli, null_pool: Pool) -> None:
    path = cli.home / "ci.token"
    done = cli.call(
        *("token", "create", "ci", "--scope", "leases", "--scope", "compute", "--days", "30"),
        *("--file", str(path)),
        pool=null_pool,
    )
    assert (done.exit_code, done.stdout) == (0, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = path.read_text().strip()
    [old] = [one for one in cli.json("token", "list", pool=null_pool)["tokens"] if one["name"] == "ci"]
    assert old["scopes"] == ["compute", "leases", "leases:read"]
    rotated = cli.call("token", "rotate", old["id"], "--overlap", "0", pool=null_pool)
    new = rotated.stdout.strip()
    assert new.startswith("apu_")
    assert cli.call("leases", pool=null_pool, ACCELPOOL_TOKEN=new).exit_code == 0
    assert cli.call("leases", pool=null_pool, ACCELPOOL_TOKEN=secret).exit_code == 4
    id = next(one["id"] for one in cli.json("token", "list", pool=null_pool)["tokens"] if one["name"] == "ci")
    assert id in cli.call("token", "revoke", id, pool=null_pool).stdout
    assert cli.call("leases", pool=null_pool, ACCELPOOL_TOKEN=new).exit_code == 4
    table = cli.call("token", "list", pool=null_pool).stdout
    assert "revoked" in table
    assert f"rotated to {id}" in table
    assert secret not in table


def test_a_program_goes_on_with_the_token_that_the_credentials_file_has_after_a_rotation(
    cli: Cli, null_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = cli.json("token", "create", "program", pool=null_pool)["token"]
    path = cli.home / "accelpool" / "credentials.json"
    save(Credentials(url=null_pool.url, token=old["token"]), path)
    for name in ("ACCELPOOL_URL", "ACCELPOOL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(cli.home))
    with accelpool.connect() as broker, accelpool.connect(null_pool.url, old["token"]) as given:
        assert broker.whoami()["token"] == old["id"]
        new = cli.json("token", "rotate", old["id"], "--overlap", "0", pool=null_pool)["token"]
        with pytest.raises(Unauthorized, match="expired"):
            broker.whoami()
        save(Credentials(url=null_pool.url, token=new["token"]), path)
        assert broker.whoami()["token"] == new["id"]
        with pytest.raises(Unauthorized, match="expired"):
            given.whoami()


def test_a_file_that_is_there_is_not_written_over_nor_a_token_made_for_it(cli: Cli, null_pool: Pool) -> None:
    path = cli.home / "mine"
    path.write_text("kept")
    before = cli.json("token", "list", pool=null_pool)
    done = cli.call("token", "create", "t", "--file", str(path), pool=null_pool)
    assert (done.exit_code, path.read_text()) == (1, "kept")
    assert cli.call("token", "create", "t", "--file", "/nowhere/t", pool=null_pool).exit_code == 1
    assert cli.json("token", "list", pool=null_pool) == before


def test_the_audit_log_is_shown(cli: Cli, null_pool: Pool) -> None:
    cli.json("account", "create", "noted", pool=null_pool)
    [entry] = cli.json("audit", "--object", "/accounts/noted", "--hours", "1", pool=null_pool)["audit"]
    assert (entry["account"], entry["action"], entry["outcome"]) == ("admin", "post_account", "done")
    for _ in range(2):
        assert cli.call("leases", pool=null_pool, ACCELPOOL_TOKEN="nobodys").exit_code == 4
    table = cli.call("audit", "--action", "list_leases", "--limit", "1", pool=null_pool).stdout
    assert "unauthorized" in table
    assert "times" in table
    assert cli.call("audit", "--account", "nobody", pool=null_pool).stdout.strip() == "Nothing."


def test_join_tokens_are_made_shown_and_taken_back(cli: Cli, null_pool: Pool) -> None:
    path = cli.home / "join.token"
    made = cli.json("node", "join-token", "create", "n9", "--file", str(path), pool=null_pool)["join_token"]
    assert "token" not in made
    assert path.read_text().startswith("apj_")
    other = cli.home / "other.token"
    done = cli.call("node", "join-token", "create", "n9", "--file", str(other), pool=null_pool)
    assert f"It is in {other}." in done.stderr
    shown = cli.call("node", "join-token", "create", pool=null_pool)
    assert shown.stdout.startswith("apj_")
    assert "any new node" in shown.stderr
    table = cli.call("node", "join-token", "list", pool=null_pool).stdout
    assert made["id"] in table
    assert cli.call("node", "join-token", "revoke", made["id"], pool=null_pool).exit_code == 0
    assert made["id"] not in cli.call("node", "join-token", "list", pool=null_pool).stdout
