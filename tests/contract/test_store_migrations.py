"""The database's tables: the migrations make the models', from every version on, with rows in them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, create_engine, make_url, text

from accelpool_broker.models import Base
from accelpool_broker.scheduler import WHOLE, Demand
from accelpool_broker.services.leases import scoped_key
from accelpool_broker.services.views import read_demand
from accelpool_broker.store import open_store
from accelpool_broker.store.migrate import config
from accelpool_wire.errors import Unavailable

FIRST, NEWEST = "0001", "head"
OF_THE_FIRST_VERSION = (
    "INSERT INTO tokens VALUES ('ab', 'admin', 1.0)",
    "INSERT INTO nodes VALUES ('n1', 'h', 1, '', 'b', 'ready', 0.0, 0, 0)",
    """INSERT INTO devices (id, node_name, name, environment, kind, api, attributes, memory_bytes,
       compute_units, fault, is_present, epoch)
       VALUES ('d1', 'n1', 'd1', 'e', 'gpu', 'opencl', '{"a": [1]}', 1099511627776, 1, '', true, 3)""",
    """INSERT INTO leases (id, state, reason, kind, count, ttl_s, ends_with_session, client, created_at,
       read_until, request_sha256)
       VALUES ('l1', 'active', '', 'any', 1, 60.0, false, '', 0.0, 0.0, '')""",
    """INSERT INTO shares (lease_id, device_id, memory_bytes, compute, epoch, is_active)
       VALUES ('l1', 'd1', 1, 1.0, 3, true)""",
    "INSERT INTO sessions VALUES ('n1', 's1', 'l1')",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'broker.sqlite'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = create_engine(make_url(url.replace("postgresql:", "postgresql+psycopg:")))
    yield opened
    opened.dispose()


def upgrade(engine: Engine, revision: str = NEWEST) -> None:
    with engine.begin() as connection:
        command.upgrade(config(connection), revision)


def fill_first_version(engine: Engine) -> None:
    upgrade(engine, FIRST)
    with engine.begin() as connection:
        for statement in OF_THE_FIRST_VERSION:
            connection.execute(text(statement))


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def test_the_migrations_make_the_models_tables(engine: Engine) -> None:
    upgrade(engine)
    assert differences(engine) == []


def test_what_the_first_version_wrote_is_kept(url: str, engine: Engine) -> None:
    fill_first_version(engine)
    store = open_store(url, None)
    with store.read() as tx:
        [lease] = tx.leases()
        assert (lease.id, lease.state, lease.tenant, lease.shares[0].device.epoch) == (
            "l1", "active", "default", 3
        )  # fmt: skip
        assert read_demand(lease.alternatives[0]) == Demand()
        device = tx.device("d1")
        assert (device.attributes, device.memory_bytes, device.loaded_sha256) == ({"a": [1]}, 1 << 40, None)
        assert (device.used_memory_bytes, device.used_compute_ppm) == (1, WHOLE)
        assert [session.id for session in tx.sessions_of("l1")] == ["s1"]
        [(token, account)] = tx.tokens_and_accounts()
        assert (token.sha256, token.scopes, token.expires_at) == ("ab", ["*"], None)
        assert (account.name, account.role, account.is_disabled) == ("admin", "admin", False)
        assert lease.account == "admin"
    store.close()


def test_down_and_up_again_keeps_the_rows_of_the_first_version(url: str, engine: Engine) -> None:
    fill_first_version(engine)
    upgrade(engine)
    with engine.begin() as connection:
        command.downgrade(config(connection), FIRST)
    upgrade(engine)
    assert differences(engine) == []
    store = open_store(url, None)
    with store.read() as tx:
        assert [lease.id for lease in tx.leases()] == ["l1"]
        assert tx.active_shares() == {"l1": [("d1", 1, WHOLE, "n1")]}
    store.close()


def test_a_request_can_be_repeated_after_an_upgrade(url: str, engine: Engine) -> None:
    fill_first_version(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE leases SET idempotency_key = 'mine'"))
    store = open_store(url, None)
    with store.read() as tx:
        assert tx.lease_by_key("mine") is None
        found = tx.lease_by_key(scoped_key("admin", "mine"))
        assert found is not None
        assert found.id == "l1"
    store.close()


def test_tokens_that_an_earlier_version_can_tell_are_kept_on_the_way_down(engine: Engine) -> None:
    fill_first_version(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO tokens VALUES ('cd', 'node', 2.0)"))
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO accounts VALUES ('m', 'user', 'member', '[]', false, 3.0)"))
        connection.execute(
            text(
                "INSERT INTO tokens (id, sha256, account, name, scopes, created_at, expires_at) VALUES"
                " ('t1', 'm1', 'm', 't', '[\"*\"]', 3.0, NULL),"
                " ('t2', 'a1', 'admin', 't', '[\"leases\"]', 3.0, NULL),"
                " ('t3', 'a2', 'admin', 't', '[\"*\"]', 3.0, 9.0)"
            )
        )
        command.downgrade(config(connection), "0006")
        kept = connection.execute(text("SELECT sha256, scope, created_at FROM tokens ORDER BY sha256")).all()
    assert [tuple(row) for row in kept] == [("ab", "admin", 1.0), ("cd", "node", 2.0)]


def test_requests_that_have_not_begun_are_forgotten_on_the_way_down(url: str, engine: Engine) -> None:
    fill_first_version(engine)
    upgrade(engine)
    with engine.begin() as connection:
        values = "'queued', '', 60.0, false, '', 0.0, 0.0, '', 't', 0, false, '[]'"
        connection.execute(
            text(
                "INSERT INTO leases (id, starts_at, ends_at, state, reason, ttl_s, ends_with_session, client,"
                " created_at, read_until, request_sha256, tenant, priority, is_preemptible, alternatives)"
                f" VALUES ('l2', 5.0, 9.0, {values})"
            )
        )
        command.downgrade(config(connection), "0004")
        assert connection.execute(text("SELECT id FROM leases")).scalars().all() == ["l1"]


def test_leases_by_two_faces_are_counted_for_each_device_on_the_way_down(url: str, engine: Engine) -> None:
    fill_first_version(engine)
    upgrade(engine)
    half = WHOLE // 2
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE shares SET compute_ppm = {half}"))
        connection.execute(
            text(
                "INSERT INTO devices (id, node_name, name, environment, kind, api, attributes, memory_bytes,"
                " compute_units, fault, is_present, epoch, hardware)"
                " VALUES ('d2', 'n1', 'd2', 'e', 'gpu', 'cuda', '{}', 1099511627776, 1, '', true, 0, 'd1')"
            )
        )
        assert _used(connection) == [("d1", half), ("d2", half)]
        command.downgrade(config(connection), "0011")
        assert _used(connection) == [("d1", half), ("d2", 0)]
        connection.execute(text("UPDATE shares SET is_active = false"))
        assert _used(connection) == [("d1", 0), ("d2", 0)]


def _used(connection: Connection) -> list[tuple[str, int]]:
    rows = connection.execute(text("SELECT id, used_compute_ppm FROM devices ORDER BY id"))
    return [(row.id, row.used_compute_ppm) for row in rows]


def test_all_the_way_down_nothing_is_left(engine: Engine) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        command.downgrade(config(connection), "base")
    upgrade(engine)
    assert differences(engine) == []


def test_brokers_that_start_at_once_migrate_once(postgres_url: str) -> None:
    failures: list[Exception] = []

    def start() -> None:
        try:
            open_store(postgres_url, None).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_database_of_a_newer_version_is_refused(url: str, engine: Engine) -> None:
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Unavailable, match="9999"):
        open_store(url, None)
