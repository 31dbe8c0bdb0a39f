"""`accelpool login` and `trust`: against a broker that runs, and an issuer that does, too."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Pool
from ..issuer_rig import CLIENT, Issuer, running
from .cli_rig import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    yield from Cli(tmp_path).until_the_end_of_the_test()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as found:
        yield found


@pytest.fixture
def rules(cli: Cli, null_pool: Pool) -> Iterator[list[str]]:
    """The options that make rules; what is made here is taken away again."""
    yield []
    for rule in cli.json("trust", "list", pool=null_pool)["trust_rules"]:
        cli.json("trust", "remove", rule["id"], pool=null_pool)


def saved(cli: Cli) -> Any:
    path = cli.home / ".config" / "accelpool" / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    return json.loads(path.read_text())


def add_people(cli: Cli, pool: Pool, issuer: Issuer) -> Any:
    return cli.json(
        "trust", "add", "people", "--issuer", issuer.url, "--client-id", CLIENT, "--role", "member",
        "--tenant", "vision", pool=pool,
    )  # fmt: skip


@pytest.mark.usefixtures("rules")
def test_somebody_logs_in_with_a_browser_elsewhere(cli: Cli, null_pool: Pool, issuer: Issuer) -> None:
    add_people(cli, null_pool, issuer)
    issuer.decision = ["authorization_pending", "granted"]
    done = cli.call("login", "--url", null_pool.url)
    assert done.exit_code == 0, done.output
    assert (
        f"Open {issuer.url}/activate in a browser, on any machine, and enter the code WDJB-MJHT"
        in done.stderr
    )
    assert f"Logged in to {null_pool.url} as mira-" in done.stdout
    assert issuer.forms[0] == {"client_id": CLIENT, "scope": "openid profile email"}
    kept = saved(cli)
    assert kept["url"] == null_pool.url
    assert kept["token"] not in done.output
    who = cli.json("whoami")
    assert (who["role"], who["tenants"]) == ("member", ["vision"])
    assert who["account"].startswith("mira-")
    assert len(cli.json("devices")["devices"]) == 4


@pytest.mark.usefixtures("rules")
def test_a_refusal_and_an_issuer_that_is_none_are_told(cli: Cli, null_pool: Pool, issuer: Issuer) -> None:
    done = cli.call("login", "--url", null_pool.url)
    assert (done.exit_code, "its issuers: none" in done.stderr) == (4, True)
    add_people(cli, null_pool, issuer)
    issuer.decision = ["access_denied"]
    done = cli.call("login", "--url", null_pool.url, "--json")
    assert done.exit_code == 4
    assert json.loads(done.stdout)["error"]["type"] == "login-failed"
    done = cli.call("login", "--url", null_pool.url, "--issuer", "https://another.example")
    assert (done.exit_code, issuer.url in done.stderr) == (4, True)
    assert not (cli.home / ".config").exists()
    assert cli.call("login").exit_code == 3


def add_job(cli: Cli, pool: Pool, issuer: Issuer, *options: str) -> Any:
    account = f"ci-{issuer.url.rpartition(':')[2]}"
    cli.json("account", "create", account, "--service", "--tenant", "vision", pool=pool)
    return cli.json(
        "trust", "add", "solver", "--issuer", issuer.url, "--audience", pool.url, "--account", account,
        "--claim", "repository=acme/solver", "--claim", "ref=refs/heads/*", "--minutes", "10", *options,
        pool=pool,
    )  # fmt: skip


@pytest.mark.usefixtures("rules")
def test_a_job_of_github_logs_in(cli: Cli, null_pool: Pool, issuer: Issuer) -> None:
    made = add_job(cli, null_pool, issuer)["trust_rule"]
    assert made["claims"] == {"repository": "acme/solver", "ref": "refs/heads/*"}
    job = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/github?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        "ACCELPOOL_URL": null_pool.url,
    }
    told = cli.json("login", "--ci", **job)["login"]
    assert told["account"] == made["account"]
    assert cli.json("whoami")["account"] == made["account"]
    assert "tokens" not in cli.json("whoami")["scopes"]


@pytest.mark.usefixtures("rules")
def test_a_job_of_gitlab_logs_in_once(cli: Cli, null_pool: Pool, issuer: Issuer) -> None:
    made = add_job(cli, null_pool, issuer, "--scope", "leases:read")["trust_rule"]
    job = {"ACCELPOOL_ID_TOKEN": issuer.token(aud=null_pool.url), "ACCELPOOL_URL": null_pool.url}
    assert cli.json("login", "--ci", **job)["login"]["account"] == made["account"]
    assert cli.json("whoami")["scopes"] == ["leases:read"]
    done = cli.call("login", "--ci", **job)
    assert done.exit_code == 4
    assert "was exchanged before" in done.stderr
    assert job["ACCELPOOL_ID_TOKEN"] not in done.output


def test_what_is_no_job_is_told_so(cli: Cli, null_pool: Pool) -> None:
    done = cli.call("login", "--ci", "--url", null_pool.url)
    assert done.exit_code == 4
    assert "id-token: write" in done.stderr


@pytest.mark.usefixtures("rules")
def test_rules_are_listed_and_removed(cli: Cli, null_pool: Pool, issuer: Issuer) -> None:
    made = add_job(cli, null_pool, issuer)["trust_rule"]
    listed = cli.call("trust", "list", pool=null_pool).stdout
    assert made["id"] in listed
    assert "ref=refs/heads/*, repository=acme/solver" in listed
    assert "is gone" in cli.call("trust", "remove", made["id"], pool=null_pool).stdout
    assert cli.json("trust", "list", pool=null_pool)["trust_rules"] == []


@pytest.mark.parametrize("claim", ["repository", "=x", "repository=", "ref=again"])
def test_a_claim_that_is_none_is_wrong_usage(cli: Cli, null_pool: Pool, claim: str) -> None:
    options = ["--issuer", "https://x.example", "--claim", "ref=x", "--claim", claim, "--account", "a"]
    done = cli.call("trust", "add", "r", *options, pool=null_pool)
    assert done.exit_code == 2
    assert "NAME=TEXT" in done.output
