"""Several brokers on one PostgreSQL: they exclude, wake and replace each other, and outlive its restarts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from accelpool_broker.services.leases import LeaseRequest
from accelpool_broker.testing import BrokerInProcess, FakeClock
from accelpool_wire import lease_token
from accelpool_wire.errors import Unavailable

from ..conftest import wait_until
from ..postgres_rig import Postgres, listeners

WAIT_S = 25.0  # longer than news take, and than the tests wait for them: a wait that is woken ends before
SOON_S = 20.0

Two = tuple[BrokerInProcess, BrokerInProcess]


@pytest.fixture
def brokers(postgres_url: str, tmp_path: Path) -> Iterator[Two]:
    clock = FakeClock()
    with (
        BrokerInProcess(tmp_path / "a", clock, database_url=postgres_url) as first,
        BrokerInProcess(tmp_path / "b", clock, database_url=postgres_url) as second,
    ):
        yield first, second


class Background:
    """A call in a thread, and its answer."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.answer: Any = None
        self._thread = threading.Thread(target=self._run, args=(call,))
        self._thread.start()

    def _run(self, call: Callable[[], Any]) -> None:
        self.answer = call()

    def join(self) -> Any:
        self._thread.join(SOON_S)
        assert not self._thread.is_alive(), f"no answer within {SOON_S:g} s"
        return self.answer


def waiting(broker: BrokerInProcess, lease: str) -> Background:
    """Wait for a lease at a broker, and return once the wait is under way."""
    call = Background(lambda: broker.json("GET", f"/leases/{lease}?wait_s={WAIT_S:g}"))
    wait_until(lambda: broker.services.pool.lease_waiters.count() == 1)
    return call


def test_each_lets_the_others_users_and_nodes_in(brokers: Two, postgres_url: str, tmp_path: Path) -> None:
    first, second = brokers
    assert first.services.file_tokens != second.services.file_tokens
    tokens = {"user": second.services.file_tokens["user"], "node": second.node_token("/nodes/n1")}
    for role, path in (("user", "/leases"), ("node", "/nodes/n1/reconcile")):
        header = {"Authorization": f"Bearer {tokens[role]}"}
        method, body = ("GET", None) if role == "user" else ("POST", {"boot_id": "b", "sequence": 0})
        answer = first.client.open(path, method=method, json=body, headers=header)
        assert answer.status_code == (200 if role == "user" else 409)
    refused = first.client.get("/leases", headers={"Authorization": "Bearer nobody's"})
    assert refused.status_code == 401
    with BrokerInProcess(tmp_path / "a", first.clock, database_url=postgres_url):  # a restart keeps all
        pass
    with BrokerInProcess(tmp_path / "c", first.clock, database_url=postgres_url) as third:
        header = {"Authorization": f"Bearer {second.services.file_tokens['user']}"}
        assert third.client.get("/leases", headers=header).status_code == 200


def test_all_sign_lease_tokens_with_one_key(brokers: Two, tmp_path: Path) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    lease = first.lease()
    seen = second.json("GET", f"/leases/{lease['id']}")
    key = Ed25519PublicKey.from_public_bytes(first.services.access.public_key)
    for body in (lease, seen):
        claims = lease_token.decode(
            body["endpoints"][0]["token"], lambda *signed: key.verify(*signed) is None
        )
        assert claims.lease == lease["id"]
    assert not (tmp_path / "a" / "signing.key").exists()


def test_a_device_is_never_granted_twice_however_many_race_for_it(brokers: Two) -> None:
    brokers[0].register("n1", "gpu")
    holders = threading.Semaphore(1)
    granted: list[str] = []
    failures: list[str] = []

    def acquire(broker: BrokerInProcess) -> None:
        leases = broker.services.leases
        for _ in range(3):
            seen = leases.create(LeaseRequest(), broker.admin, key=None, wait_s=WAIT_S).lease
            if seen.state != "active" or not holders.acquire(blocking=False):
                failures.append(seen.state)
                return
            granted.append(seen.id)
            holders.release()
            leases.end(seen.id, broker.admin)

    threads = [threading.Thread(target=acquire, args=(brokers[number % 2],)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(set(granted)) == 24


def test_who_waits_at_one_is_woken_by_a_release_at_the_other(brokers: Two) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    held, queued = second.lease(), first.lease()
    call = waiting(first, queued["id"])
    second.json("DELETE", f"/leases/{held['id']}")
    assert call.join()["state"] == "active"


def test_an_agent_that_waits_at_one_is_woken_by_a_grant_at_the_other(brokers: Two) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    seen = first.report()["revision"]
    call = Background(lambda: first.report(sequence=1, seen_revision=seen, wait_s=10))
    wait_until(lambda: first.services.pool.node_waiters.count() == 1)
    lease = second.lease()
    assert [found["id"] for found in call.join()["leases"]] == [lease["id"]]


def test_one_knows_the_deadlines_and_the_ends_that_came_of_the_other(brokers: Two) -> None:
    first, second = brokers
    deadlines: list[float] = []
    ends: list[str] = []
    first.services.pool.on_deadline = deadlines.append
    first.services.pool.on_end.append(ends.append)
    second.register("n1", "gpu")
    lease = second.lease(ttl_s=5)
    wait_until(lambda: first.clock.now() + 5 in deadlines)
    second.json("DELETE", f"/leases/{lease['id']}")
    wait_until(lambda: ends == [lease["id"]])


def test_what_one_missed_while_it_did_not_hear_wakes_all_who_wait_there(
    brokers: Two, postgres_url: str
) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    held, queued = second.lease(), first.lease()
    call = waiting(first, queued["id"])
    wait_until(lambda: listeners(postgres_url) == 2)
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        )
    second.json("DELETE", f"/leases/{held['id']}")
    assert call.join()["state"] == "active"


def test_while_the_server_is_away_the_answer_is_try_again_and_then_all_goes_on(
    brokers: Two, postgres: Postgres
) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    held, queued = second.lease(ttl_s=60), first.lease()
    postgres.stop()
    try:
        for method, path in (("GET", "/readyz"), ("GET", "/health"), ("GET", "/leases"), ("POST", "/leases")):
            answer = first.call(method, path, json={} if method == "POST" else None)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
            assert "socket" not in answer.get_data(
                as_text=True
            )  # where the database is, is nobody's business
        assert first.client.get("/livez").status_code == 200
        with pytest.raises(Unavailable):
            second.pass_time(3600)  # everything expires, and nobody could have prevented it
    finally:
        postgres.start()
    second.pass_time(1)
    for broker in brokers:
        assert broker.client.get("/readyz").status_code == 200
        assert broker.json("GET", f"/leases/{held['id']}")["state"] == "active"
    call = waiting(first, queued["id"])
    second.json("DELETE", f"/leases/{held['id']}")
    assert call.join()["state"] == "active"


def test_news_do_not_wait_for_their_echo_and_come_once(brokers: Two, postgres_url: str) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    wait_until(lambda: listeners(postgres_url) == 2)
    ends: list[str] = []
    first.services.pool.on_end.append(ends.append)
    own = first.lease()["id"]
    first.json("DELETE", f"/leases/{own}")
    assert ends == [own]
    others = second.lease()["id"]
    second.json("DELETE", f"/leases/{others}")
    wait_until(lambda: others in ends)
    assert ends == [own, others]  # the echo of the first would have come before the second


def test_who_follows_events_at_one_is_told_of_changes_at_the_other_in_their_order(brokers: Two) -> None:
    first, second = brokers
    first.register("n1", "gpu")
    answer = second.call("GET", "/events?kind=lease", headers={"Accept": "text/event-stream"})
    frames = answer.iter_encoded()
    next(frames)
    threads = [
        Background(lambda broker=broker: [broker.lease(kind="gpu", ttl_s=600) for _ in range(4)])
        for broker in (*brokers, *brokers)
    ]
    leases = {lease["id"] for thread in threads for lease in thread.join()}
    told: list[dict[str, Any]] = []
    while len(told) < len(leases) + 1:
        frame = next(frames).decode()
        told += [json.loads(line[6:]) for line in frame.splitlines() if line.startswith("data: ")]
    answer.close()
    numbers = [event["number"] for event in told]
    assert numbers == sorted(set(numbers))
    assert {event["lease"] for event in told if event["kind"] == "lease.queued"} == leases
