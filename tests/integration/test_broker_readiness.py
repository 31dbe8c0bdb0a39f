"""/livez and /readyz: what probes of a broker are told, and how soon."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from accelpool_broker import state_dir
from accelpool_broker.testing import BrokerInProcess

from ..conftest import wait_until


def probed(broker: BrokerInProcess, path: str = "/readyz") -> tuple[int, str]:
    answer = broker.client.get(path)
    return answer.status_code, str(answer.json.get("detail", answer.json["status"]))


def test_a_broker_that_stops_is_alive_and_not_ready() -> None:
    with BrokerInProcess() as broker:
        assert probed(broker) == (200, "ok")
        broker.services.stop_waiting()
        assert probed(broker) == (503, "the broker is shutting down")
        assert probed(broker, "/livez") == (200, "ok")


def test_a_broker_on_tables_of_another_version_is_not_ready(tmp_path: Path) -> None:
    def bring_to(form: str) -> None:
        with closing(sqlite3.connect(tmp_path / state_dir.DATABASE)) as database, database:
            database.execute("UPDATE alembic_version SET version_num = ?", (form,))

    with BrokerInProcess(tmp_path) as broker:
        with broker.services.pool.store.read() as tx:
            own = tx.form()
        bring_to("of-tomorrow")
        status, why = probed(broker)
        assert (status, "another version" in why, "of-tomorrow" in why) == (503, True, False)
        bring_to(own)
        assert probed(broker) == (200, "ok")


def test_a_database_that_hangs_is_told_in_time_and_asked_by_one_at_once(
    postgres_url: str, tmp_path: Path
) -> None:
    late = (503, "the broker's database has not answered within 2 s")
    with (
        BrokerInProcess(tmp_path, database_url=postgres_url) as broker,
        psycopg.connect(postgres_url) as other,
    ):
        other.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        assert [probed(broker) for _ in range(3)] == [late] * 3
        asking = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT version_num%'"
        assert other.execute(asking).fetchone() == (1,)
        assert probed(broker, "/livez") == (200, "ok")
        other.rollback()
        wait_until(lambda: probed(broker) == (200, "ok"))


def test_a_broker_whose_tables_know_no_version_any_more_is_not_ready(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path) as broker:
        with closing(sqlite3.connect(tmp_path / state_dir.DATABASE)) as database, database:
            database.execute("DELETE FROM alembic_version")
        status, why = probed(broker)
        assert (status, "another version" in why) == (503, True)


def test_a_broker_whose_tables_are_gone_says_so_whatever_is_asked(postgres_url: str, tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path, database_url=postgres_url) as broker:
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("DROP SCHEMA public CASCADE")
            other.execute("CREATE SCHEMA public")
        assert probed(broker)[0] == 503
        assert broker.call("GET", "/leases").status_code == 503
        assert broker.call("POST", "/leases", json={}).status_code == 503
        assert probed(broker, "/livez") == (200, "ok")
