"""Who is let in once a pool was restored: what was revoked since is not, where that is asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.deployment.backup_rig import run

from accelpool_broker import state_dir
from accelpool_broker.testing import BrokerInProcess, FakeClock


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pool.backup"


@pytest.fixture
def stolen(tmp_path: Path, file: Path) -> Iterator[str]:
    """Return a member's token that was revoked after the backup."""
    with BrokerInProcess(tmp_path / "old", FakeClock()) as old:
        old.register("n1", "gpu")
        old.json("PUT", "/tenants/vision", {})
        old.json("POST", "/accounts", {"name": "mira", "role": "member", "tenants": ["vision"]})
        made = old.json("POST", "/tokens", {"name": "laptop", "account": "mira"})
        assert run("save", file, tmp_path / "old", None) == 0
        old.json("DELETE", f"/tokens/{made['id']}")
        yield made["token"]


def test_a_restore_can_revoke_all_tokens_but_the_first_admins_and_nodes(
    tmp_path: Path, url: str | None, file: Path, stolen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("restore", file, tmp_path / "new", url, "--revoke-tokens") == 0
    assert "and revoked the tokens of users and services (1)" in capsys.readouterr().err
    with BrokerInProcess(tmp_path / "new", FakeClock(), database_url=url) as new:
        assert new.call("GET", "/whoami", role=stolen).status_code == 401
        assert new.json("GET", "/whoami")["account"] == "admin"
        assert new.report("n1", sequence=5)["leases"] == []
        [mira] = new.json("GET", "/tokens?account=mira")["items"]
        assert mira["revoked_at"] is not None
        assert new.json("POST", "/tokens", {"name": "laptop", "account": "mira"})["token"]


def test_what_a_rule_that_is_called_like_the_tokens_file_made_is_no_token_of_it(
    tmp_path: Path, url: str | None, file: Path
) -> None:
    old = tmp_path / "old"
    with BrokerInProcess(old, FakeClock()) as first:
        first.json("POST", "/accounts", {"name": "mira", "role": "member", "tenants": []})
        exchanged = first.json("POST", "/tokens", {"name": "laptop", "account": "mira"})["token"]
    with closing(sqlite3.connect(old / state_dir.DATABASE)) as database, database:  # of an earlier version
        database.execute("UPDATE tokens SET name = 'tokens.json', rule = 'rul_1' WHERE account = 'mira'")
    with BrokerInProcess(old, FakeClock()) as again:
        assert again.json("GET", "/whoami", role=exchanged)["account"] == "mira"
    assert run("save", file, old, None) == 0
    assert run("restore", file, tmp_path / "new", url, "--revoke-tokens") == 0
    with BrokerInProcess(tmp_path / "new", FakeClock(), database_url=url) as new:
        assert new.call("GET", "/whoami", role=exchanged).status_code == 401
        assert new.json("GET", "/whoami")["account"] == "admin"


def test_a_restore_says_that_revoked_tokens_let_in_again(
    tmp_path: Path, file: Path, stolen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("restore", file, tmp_path / "new", None) == 0
    told = capsys.readouterr().err
    assert "tokens that were revoked since then let in again" in told
    assert "--revoke-tokens" in told
    with BrokerInProcess(tmp_path / "new", FakeClock()) as new:
        assert new.json("GET", "/whoami", role=stolen)["account"] == "mira"


def test_a_restore_beside_a_running_broker_says_to_stop_it(
    tmp_path: Path, file: Path, stolen: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    with state_dir.locked(folder, "this one"):
        assert run("restore", file, folder, None, "--force") == 1
    told = capsys.readouterr().err
    assert f"a broker runs with {folder} already, process " in told
    assert told.endswith(": stop it, and all others of its pool, and restore then\n")
    assert "--port" not in told
