"""Backups: what makes a pool, out of one database and into another; nothing is good twice after a restore."""

from __future__ import annotations

import gzip
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from tests.deployment.backup_rig import run

from accelpool_broker.store import open_engine
from accelpool_broker.store.fence import JUMP
from accelpool_broker.store.migrate import config
from accelpool_broker.testing import BrokerInProcess, FakeClock
from accelpool_wire import lease_token

DEVICES = ("gpu:d1", "gpu:d2:opencl:pci-1", "gpu:d3:cuda:pci-1", "cpu")
Place = list[str]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_url") if request.param == "postgresql" else None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pool.backup"


@pytest.fixture
def renew(url: str | None, tmp_path: Path) -> Iterator[Callable[[], tuple[Path, str | None]]]:
    """Return a place for another broker: a folder, and the same PostgreSQL server's database, emptied."""

    def make() -> tuple[Path, str | None]:
        if url is not None:
            _empty(url)
        return tmp_path / "new", url

    return make


def _empty(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def claims(lease: dict[str, Any], broker: BrokerInProcess) -> lease_token.LeaseClaims:
    key = broker.services.access._key.public_key()
    return lease_token.decode(lease["endpoints"][0]["token"], lambda *signed: key.verify(*signed) is None)


def newest(found: lease_token.LeaseClaims) -> int:
    return max(share.epoch for share in found.shares)


def test_a_restored_pool_has_what_the_saved_one_had(
    tmp_path: Path, clock: FakeClock, url: str | None, file: Path, renew: Any
) -> None:
    with BrokerInProcess(tmp_path / "old", clock, database_url=url) as old:
        old.register("n1", *DEVICES)
        old.json("PUT", "/tenants/vision", {"weight": 2.5, "quota_devices": 3})
        old.json("POST", "/accounts", {"name": "mira", "role": "member", "tenants": ["vision"]})
        held = old.lease(ttl_s=600, kind="gpu")
        waits = old.lease(ttl_s=600, count=3)
        assert run("save", file, tmp_path / "old", url) == 0
        before = {path: old.json("GET", path) for path in ("/tenants", "/accounts", "/nodes")}
    folder, new_url = renew()
    assert run("restore", file, folder, new_url) == 0
    with BrokerInProcess(folder, clock, database_url=new_url) as new:
        assert {path: new.json("GET", path) for path in before} == before
        assert new.json("GET", f"/leases/{held['id']}")["state"] == "active"
        assert new.json("GET", f"/leases/{waits['id']}")["state"] == "queued"
        states = {device["name"]: device["state"] for device in new.json("GET", "/devices")["items"]}
        assert sorted(states.values()).count("free") == len(DEVICES) - (2 if states["d2"] == "leased" else 1)
        assert (
            claims(new.json("GET", f"/leases/{held['id']}"), old).lease == held["id"]
        )  # the key is the same


def test_a_pool_goes_from_sqlite_to_postgresql_and_back(
    tmp_path: Path, clock: FakeClock, postgres_url: str, file: Path
) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        old.register("n1", *DEVICES)
        held = old.lease(ttl_s=600, kind="cpu")
        key = old.services.access._key
    assert run("save", file, tmp_path / "old", None) == 0
    assert run("restore", file, tmp_path / "shared", postgres_url) == 0
    with BrokerInProcess(tmp_path / "shared", clock, database_url=postgres_url) as shared:
        assert shared.services.access._key.private_bytes_raw() == key.private_bytes_raw()
        another = shared.lease(ttl_s=600, kind="gpu")  # numbers go on where they were
        assert another["state"] == "active"
    assert run("save", file, tmp_path / "shared", postgres_url) == 0
    assert run("restore", file, tmp_path / "back", None) == 0
    with BrokerInProcess(tmp_path / "back", clock) as back:
        leases = {lease["id"]: lease["state"] for lease in back.json("GET", "/leases")["items"]}
        assert leases == {held["id"]: "active", another["id"]: "active"}
        assert back.services.access._key.private_bytes_raw() == key.private_bytes_raw()


def test_what_was_granted_after_the_backup_is_outdated_by_the_next_grant(
    tmp_path: Path, clock: FakeClock, url: str | None, file: Path, renew: Any
) -> None:
    with BrokerInProcess(tmp_path / "old", clock, database_url=url) as old:
        old.register("n1", "gpu")
        assert run("save", file, tmp_path / "old", url) == 0
        forgotten = old.lease(ttl_s=600)
        told = old.report("n1", sequence=1)
    folder, new_url = renew()
    run("restore", file, folder, new_url)
    with BrokerInProcess(folder, clock, database_url=new_url) as new:
        assert new.call("GET", f"/leases/{forgotten['id']}").status_code == 404
        granted = new.lease(ttl_s=600)
        assert newest(claims(granted, new)) > newest(claims(forgotten, new)) + JUMP // 2
        now = new.report("n1", sequence=2, seen_revision=told["revision"])  # is answered at once
        assert [lease["id"] for lease in now["leases"]] == [granted["id"]]
        assert now["revision"] > told["revision"] + JUMP // 2


def test_who_follows_events_is_told_that_those_after_the_backup_are_gone(
    tmp_path: Path, clock: FakeClock, url: str | None, file: Path, renew: Any
) -> None:
    with BrokerInProcess(tmp_path / "old", clock, database_url=url) as old:
        old.register("n1", "gpu")
        assert run("save", file, tmp_path / "old", url) == 0
        old.lease(ttl_s=600)
        seen = old.json("GET", "/events")["items"][0]["number"]
    folder, new_url = renew()
    run("restore", file, folder, new_url)
    with BrokerInProcess(folder, clock, database_url=new_url) as new:
        assert new.call("GET", f"/events?after={seen}").status_code == 410
        new.lease(ttl_s=600)
        told = new.json("GET", f"/events?after={seen}")["items"]  # all of the new ones
        assert [event["kind"] for event in told] == ["lease.queued", "lease.active"]
        assert told[0]["number"] > JUMP


def test_a_lease_that_was_ended_after_the_backup_is_there_until_it_expires(
    tmp_path: Path, clock: FakeClock, file: Path
) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        old.register("n1", "gpu")
        held = old.lease(ttl_s=60)
        run("save", file, tmp_path / "old", None)
    clock.move(3600)
    run("restore", file, tmp_path / "new", None)
    with BrokerInProcess(tmp_path / "new", clock) as new:
        new.report("n1", sequence=9)
        assert new.json("GET", f"/leases/{held['id']}")["state"] == "active"
        new.pass_time(14)
        new.report("n1", sequence=10)
        new.pass_time(2)  # nobody has renewed it
        assert new.json("GET", f"/leases/{held['id']}")["state"] == "expired"


def test_who_still_has_a_lease_renews_it_after_the_restore(
    tmp_path: Path, clock: FakeClock, file: Path
) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        old.register("n1", "gpu")
        held = old.lease(ttl_s=60)
        run("save", file, tmp_path / "old", None)
    clock.move(3600)
    run("restore", file, tmp_path / "new", None)
    with BrokerInProcess(tmp_path / "new", clock) as new:
        assert new.json("PATCH", f"/leases/{held['id']}", {"ttl_s": 60})["state"] == "active"
        new.report("n1", sequence=9)
        new.pass_time(10)
        new.report("n1", sequence=10)
        new.pass_time(10)
        assert new.json("GET", f"/leases/{held['id']}")["state"] == "active"


def test_a_join_token_cannot_be_used_again_after_a_restore(
    tmp_path: Path, clock: FakeClock, file: Path
) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        joining = old.json("POST", "/join-tokens", {})["token"]
        run("save", file, tmp_path / "old", None)
        old.json("POST", "/nodes/n1/enrol", {"sha256": "a" * 64}, role=joining)
    run("restore", file, tmp_path / "new", None)
    with BrokerInProcess(tmp_path / "new", clock) as new:
        refused = new.call("POST", "/nodes/n2/enrol", json={"sha256": "b" * 64}, role=joining)
        assert refused.status_code == 401


def test_the_restore_is_in_the_audit_log(tmp_path: Path, clock: FakeClock, file: Path) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        old.register("n1", "gpu")
        run("save", file, tmp_path / "old", None)
    run("restore", file, tmp_path / "new", None)
    with BrokerInProcess(tmp_path / "new", clock) as new:
        actions = [entry["action"] for entry in new.json("GET", "/audit")["items"]]
        assert "restore" in actions
        assert len(actions) > 1  # what was there before is kept


def test_without_the_key_nodes_register_again_and_open_leases_are_lost(
    tmp_path: Path, clock: FakeClock, file: Path
) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        old.register("n1", "gpu")
        held = old.lease(ttl_s=600)
        hook = old.json("POST", "/webhooks", {"url": "https://example.com/told"})
        secret = old.services.file_tokens["user"]
        assert run("save", file, tmp_path / "old", None, "--without-key") == 0
    text = gzip.decompress(file.read_bytes()).decode()
    assert "PRIVATE KEY" not in text
    assert secret not in text
    assert hook["secret"] not in text
    run("restore", file, tmp_path / "new", None)
    with BrokerInProcess(tmp_path / "new", clock) as new:
        body = {"boot_id": "boot-1", "sequence": 1}
        assert new.call("POST", "/nodes/n1/reconcile", role="node", json=body).status_code == 409
        new.register("n1", "gpu")
        assert new.json("GET", f"/leases/{held['id']}")["state"] == "lost"
        assert new.json("GET", f"/webhooks/{hook['id']}")["state"] == "disabled"


def test_a_backup_is_for_its_owner_alone(tmp_path: Path, clock: FakeClock, file: Path) -> None:
    BrokerInProcess(tmp_path / "old", clock).services.close()
    run("save", file, tmp_path / "old", None)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.glob("*.new")) == []


def test_what_is_no_file_is_not_replaced_by_a_backup(
    tmp_path: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with BrokerInProcess(tmp_path / "old", clock):
        for path in (pipe, link):
            assert run("save", path, tmp_path / "old", None) == 1
            assert "is no file" in capsys.readouterr().err
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_a_database_with_something_in_it_is_left_alone(
    tmp_path: Path, clock: FakeClock, url: str | None, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BrokerInProcess(tmp_path / "old", clock, database_url=url) as old:
        old.register("n1", "gpu")
        run("save", file, tmp_path / "old", url)
        old.register("n2", "gpu")
    assert run("restore", file, tmp_path / "old", url) == 1
    assert "--force" in capsys.readouterr().err
    with BrokerInProcess(tmp_path / "old", clock, database_url=url) as same:
        assert [node["name"] for node in same.json("GET", "/nodes")["items"]] == ["n1", "n2"]
    assert run("restore", file, tmp_path / "old", url, "--force") == 0
    with BrokerInProcess(tmp_path / "old", clock, database_url=url) as replaced:
        assert [node["name"] for node in replaced.json("GET", "/nodes")["items"]] == ["n1"]


def test_tables_that_are_not_a_brokers_are_never_touched(
    tmp_path: Path, clock: FakeClock, postgres_url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BrokerInProcess(tmp_path / "old", clock).services.close()
    run("save", file, tmp_path / "old", None)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE theirs (x int)")
    assert run("restore", file, tmp_path / "new", postgres_url, "--force") == 1
    assert "give an empty one" in capsys.readouterr().err
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT count(*) FROM theirs").fetchone() == (0,)


def test_nothing_is_restored_beneath_running_brokers(
    tmp_path: Path, clock: FakeClock, postgres_url: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with BrokerInProcess(tmp_path / "old", clock, database_url=postgres_url):
        run("save", file, tmp_path / "old", postgres_url)
        assert run("restore", file, tmp_path / "new", postgres_url, "--force") == 1
        assert "stop them first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda lines: lines[:-1], "cut off"),
        (lambda lines: lines[:-2] + lines[-1:], "checksum"),
        (lambda lines: [line.replace(b'"admin"', b'"adnim"') for line in lines], "checksum"),
        (
            lambda lines: [lines[0].replace(b'"accelpool_backup":1', b'"accelpool_backup":9'), *lines[1:]],
            "form 9",
        ),
        (lambda lines: [lines[0].replace(b'"revision":"', b'"revision":"z'), *lines[1:]], "not known here"),
        (lambda _: [b"hello\n"], "no backup"),
    ],
)
def test_a_file_that_is_not_as_it_was_written_restores_nothing(
    tmp_path: Path, clock: FakeClock, file: Path, spoil: Any, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with BrokerInProcess(tmp_path / "old", clock) as old:
        old.register("n1", "gpu")
    run("save", file, tmp_path / "old", None)
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(spoil(lines))))
    capsys.readouterr()
    assert run("restore", file, tmp_path / "new", None) == 1
    assert told in capsys.readouterr().err
    with BrokerInProcess(tmp_path / "new", clock) as new:
        assert new.json("GET", "/nodes")["items"] == []


def test_a_file_that_is_cut_off_restores_nothing(tmp_path: Path, clock: FakeClock, file: Path) -> None:
    BrokerInProcess(tmp_path / "old", clock).services.close()
    run("save", file, tmp_path / "old", None)
    file.write_bytes(file.read_bytes()[:-40])
    assert run("restore", file, tmp_path / "new", None) == 1
    assert not (tmp_path / "new" / "signing.key").exists()


def test_another_key_in_the_folder_is_not_overwritten(
    tmp_path: Path, clock: FakeClock, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BrokerInProcess(tmp_path / "old", clock).services.close()
    run("save", file, tmp_path / "old", None)
    BrokerInProcess(tmp_path / "new", clock).services.close()
    (tmp_path / "new" / "broker.sqlite").unlink()
    assert run("restore", file, tmp_path / "new", None) == 1
    assert "signing.key is there and differs" in capsys.readouterr().err


def test_what_nobody_has_used_cannot_be_saved(
    tmp_path: Path, file: Path, postgres_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old").mkdir()
    assert run("save", file, tmp_path / "old", None) == 1
    assert "there is no database" in capsys.readouterr().err
    assert not (tmp_path / "old" / "broker.sqlite").exists()
    assert run("save", file, tmp_path / "old", postgres_url) == 1
    assert not file.exists()


def test_the_file_says_what_it_is(tmp_path: Path, clock: FakeClock, file: Path) -> None:
    BrokerInProcess(tmp_path / "old", clock).services.close()
    run("save", file, tmp_path / "old", None)
    lines = gzip.decompress(file.read_bytes()).splitlines()
    assert json.loads(lines[0])["accelpool_backup"] == 1
    assert json.loads(lines[-1])["rows"] == len(lines) - 2


def test_a_backup_of_an_earlier_version_is_brought_to_the_newest_form(
    tmp_path: Path, clock: FakeClock, url: str | None, file: Path, renew: Any
) -> None:
    (tmp_path / "old").mkdir()
    engine = open_engine(url, tmp_path / "old" / "broker.sqlite")
    with engine.begin() as connection:
        command.upgrade(config(connection), "0003")  # the first one on PostgreSQL
        connection.exec_driver_sql(
            "INSERT INTO nodes (name, host, port, version, boot_id, state, last_seen_at, revision, sequence)"
            " VALUES ('n1', '10.0.0.1', 4000, '0.1', 'boot-1', 'ready', 0, 7, 3)"
        )
    engine.dispose()
    assert run("save", file, tmp_path / "old", url) == 0
    assert json.loads(gzip.decompress(file.read_bytes()).splitlines()[0])["revision"] == "0003"
    folder, new_url = renew()
    assert run("restore", file, folder, new_url) == 0
    with BrokerInProcess(folder, clock, database_url=new_url) as new:
        assert [node["name"] for node in new.json("GET", "/nodes")["items"]] == ["n1"]
        assert new.register("n1", "gpu")
        assert new.lease(ttl_s=600)["state"] == "active"  # tables that came later are there
