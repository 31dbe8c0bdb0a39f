"""GET /metrics: who may read it, that its values follow the pool, and that its size and cost are bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from accelpool_broker.services.tenant_metrics import MOST_TENANTS, OTHERS
from accelpool_broker.testing import GIB, BrokerInProcess, FakeClock
from accelpool_wire.errors import Unavailable

from ..metrics_rig import scraped


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


@contextmanager
def statements() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def token(broker: BrokerInProcess, role: str, *scopes: str) -> str:
    broker.json("POST", "/accounts", {"name": f"a-{role}", "role": role, "kind": "service"})
    asked = {"name": "prometheus", "account": f"a-{role}", **({"scopes": list(scopes)} if scopes else {})}
    return broker.json("POST", "/tokens", asked)["token"]


# ---- who may read ----------------------------------------------------------------------------------------


def test_a_token_with_the_scope_metrics_reads_them_and_nothing_else(broker: BrokerInProcess) -> None:
    prometheus = token(broker, "operator", "metrics")
    assert scraped(broker, prometheus).value("accelpool_build_info") == 1
    assert broker.call("GET", "/leases", role=prometheus).status_code == 403
    assert broker.call("GET", "/nodes", role=prometheus).status_code == 403


def test_operators_and_admins_may_read_them_and_members_may_not(broker: BrokerInProcess) -> None:
    assert broker.call("GET", "/metrics").status_code == 200
    assert broker.call("GET", "/metrics", role=token(broker, "operator")).status_code == 200
    assert broker.call("GET", "/metrics", role=token(broker, "member")).status_code == 403
    assert broker.call("GET", "/metrics", role="nobody").status_code == 401


def test_who_accepts_openmetrics_gets_it(broker: BrokerInProcess) -> None:
    accepted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = broker.call("GET", "/metrics", headers=accepted)
    assert answer.content_type.startswith("application/openmetrics-text")
    assert answer.get_data(as_text=True).endswith("# EOF\n")


@pytest.mark.parametrize("accepted", ["text/plain; version=zz", "application/openmetrics-text; version=abc"])
def test_whatever_a_reader_says_that_it_accepts_it_is_told(broker: BrokerInProcess, accepted: str) -> None:
    answer = broker.call("GET", "/metrics", headers={"Accept": accepted})
    assert (answer.status_code, answer.content_type.partition(";")[0]) == (200, "text/plain")


def test_without_the_database_there_are_no_metrics_rather_than_wrong_ones(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise Unavailable("the database does not answer")

    assert broker.call("GET", "/metrics").status_code == 200
    monkeypatch.setattr(broker.services.pool.store, "read", away)
    assert broker.call("GET", "/metrics").status_code == 503


# ---- what they tell --------------------------------------------------------------------------------------


def test_devices_tell_what_is_granted_of_them(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.lease(kind="gpu", memory_bytes=GIB, compute=0.25)
    told = scraped(broker)
    assert told.value("accelpool_device_memory_bytes", node="n1") == 16 * GIB
    assert told.value("accelpool_device_memory_granted_bytes", kind="gpu", api="opencl") == GIB
    assert told.value("accelpool_device_compute_granted_ratio") == 0.25
    assert told.value("accelpool_devices", kind="gpu", state="leased") == 1
    assert told.value("accelpool_devices", kind="gpu", state="free") == 1


def test_a_faulty_device_is_down_and_those_of_a_lost_node_are(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.report("n1", sequence=1, device_faults={"a": "it hangs"})
    told = scraped(broker)
    assert told.value("accelpool_device_up", device="a") == 0
    assert told.value("accelpool_device_up", device="b") == 1
    broker.pass_time(60)
    told = scraped(broker)
    assert told.value("accelpool_node_up", node="n1") == 0
    assert told.value("accelpool_devices", state="lost") == 2
    assert told.value("accelpool_device_up") == 0


def test_nodes_tell_when_they_reported_what_they_run_and_whether_they_are_closed(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease()["id"]
    broker.clock.move(3)
    session = {"id": "ses_1", "lease": lease, "devices": ["gpu-0"], "started_at": 0.0}
    broker.report("n1", sequence=1, sessions=[session])
    broker.json("PATCH", "/nodes/n1", {"drain_within_s": 600})
    told = scraped(broker)
    assert told.value("accelpool_node_last_report_timestamp_seconds", node="n1") == broker.clock.now()
    assert told.value("accelpool_node_sessions", node="n1") == 1
    assert told.value("accelpool_node_cordoned", node="n1") == 1
    assert told.value("accelpool_node_draining", node="n1") == 1


def test_the_queue_tells_its_length_and_its_oldest_request(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.lease(tenant="a")
    asked_at = broker.clock.now()
    broker.lease(tenant="a", max_duration_s=60)
    broker.clock.move(10)
    broker.lease(tenant="b")
    told = scraped(broker)
    assert told.value("accelpool_leases", state="active") == 1
    assert told.value("accelpool_leases", state="queued", tenant="a") == 1
    assert told.value("accelpool_leases", state="queued") == 2
    assert told.value("accelpool_queue_oldest_request_timestamp_seconds") == asked_at


def test_a_reservation_is_not_in_the_queue(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    times = {"starts_at": "2027-01-15T09:00:00Z", "ends_at": "2027-01-15T10:00:00Z"}
    broker.lease(**times)
    told = scraped(broker)
    assert told.value("accelpool_leases", state="reserved") == 1
    assert told.value("accelpool_leases", state="queued") == 0
    assert told.of("accelpool_queue_oldest_request_timestamp_seconds") == []


def test_a_wait_is_counted_when_its_lease_is_granted(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first, second = broker.lease()["id"], broker.lease()["id"]
    broker.clock.move(7)
    broker.json("DELETE", f"/leases/{first}")
    assert broker.json("GET", f"/leases/{second}")["state"] == "active"
    told = scraped(broker)
    assert told.value("accelpool_lease_wait_seconds_count", kind="gpu") == 2
    assert told.value("accelpool_lease_wait_seconds_sum", kind="gpu") == 7
    assert told.value("accelpool_lease_grant_duration_seconds_count") == 2
    assert told.value("accelpool_scheduler_look_duration_seconds_count") > 0


def test_endings_are_told_by_state_and_reason(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")

    def ended(state: str, reason: str) -> float:
        return scraped(broker).value("accelpool_lease_endings_total", state=state, reason=reason)

    broker.json("DELETE", f"/leases/{broker.lease()['id']}")
    assert ended("released", "given-back") == 1
    broker.lease(ttl_s=20)
    broker.report("n1", sequence=1)
    broker.clock.move(10)
    broker.report("n1", sequence=2)
    broker.pass_time(11)
    assert ended("expired", "not-renewed") == 1
    broker.lease(ttl_s=600)
    broker.lease(queue_timeout_s=1)
    broker.pass_time(2)
    assert ended("withdrawn", "not-granted-in-time") == 1
    broker.register("n1", "gpu", boot_id="boot-2")
    assert ended("lost", "node-restarted") == 1
    broker.lease(ttl_s=600)
    broker.pass_time(30)
    assert ended("lost", "node-silent") == 1


def test_a_change_that_fails_counts_nothing(broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise Unavailable("the audit log is full")

    broker.register("n1", "gpu")
    lease = broker.lease()["id"]
    with monkeypatch.context() as broken:
        broken.setattr("accelpool_broker.queries.transaction.Transaction.add_audit", fail)
        assert broker.call("DELETE", f"/leases/{lease}").status_code == 503
    assert scraped(broker).value("accelpool_lease_endings_total") == 0
    broker.json("DELETE", f"/leases/{lease}")
    assert scraped(broker).value("accelpool_lease_endings_total") == 1


def test_brokers_on_one_postgresql_tell_the_same_of_the_pool_and_each_its_own_work(
    postgres_url: str, tmp_path: Path
) -> None:
    clock = FakeClock()
    with (
        BrokerInProcess(tmp_path / "a", clock, database_url=postgres_url) as first,
        BrokerInProcess(tmp_path / "b", clock, database_url=postgres_url) as second,
    ):
        first.register("n1", "gpu")
        first.lease(tenant="vision", ttl_s=600)
        second.lease(tenant="vision", ttl_s=600, queue_timeout_s=1)
        clock.move(10)
        told, other = scraped(first), scraped(second)
        for name in ("device_compute_granted_ratio", "leases", "tenant_device_seconds_total", "node_up"):
            assert told.of(f"accelpool_{name}") == other.of(f"accelpool_{name}") != []
        assert told.value("accelpool_tenant_device_seconds_total") == 10
        assert told.value("accelpool_lease_wait_seconds_count") == 1
        assert other.value("accelpool_lease_wait_seconds_count") == 0


# ---- tenants ---------------------------------------------------------------------------------------------


def test_device_seconds_go_on_while_a_lease_runs_and_stay_when_it_has_ended(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(tenant="vision", kind="gpu", compute=0.5, ttl_s=600)["id"]

    def spent() -> float:
        return scraped(broker).value("accelpool_tenant_device_seconds_total", tenant="vision")

    broker.clock.move(10)
    assert spent() == 5
    assert scraped(broker).value("accelpool_tenant_devices_granted", tenant="vision") == 0.5
    broker.json("DELETE", f"/leases/{lease}")
    broker.clock.move(10)
    assert spent() == 5
    assert broker.json("GET", "/tenants/vision")["spent_device_hours"] == 5 / 3600


def test_device_seconds_never_fall_by_a_little_but_fall_to_zero_when_they_are_reset(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu")
    broker.lease(tenant="vision", ttl_s=600)
    broker.clock.move(100)
    assert scraped(broker).value("accelpool_tenant_device_seconds_total", tenant="vision") == 100
    broker.clock.move(-1)  # as one broker's clock may be behind another's
    assert scraped(broker).value("accelpool_tenant_device_seconds_total", tenant="vision") == 100
    broker.json("PUT", "/tenants/vision", {"reset_device_hours": True})
    assert scraped(broker).value("accelpool_tenant_device_seconds_total", tenant="vision") == 0


def test_a_tenant_that_was_removed_and_made_again_counts_from_zero(broker: BrokerInProcess) -> None:
    def spent_after(seconds: float) -> float:
        lease = broker.lease(tenant="vision", ttl_s=600)["id"]
        broker.clock.move(seconds)
        broker.json("DELETE", f"/leases/{lease}")
        return scraped(broker).value("accelpool_tenant_device_seconds_total", tenant="vision")

    broker.register("n1", "gpu")
    assert spent_after(10) == 10
    broker.call("DELETE", "/tenants/vision")
    assert scraped(broker).of("accelpool_tenant_device_seconds_total") == []
    assert spent_after(6) == 6


def test_a_quota_counts_what_tenants_below_have(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.json("PUT", "/tenants/org", {"quota_devices": 4, "quota_memory_bytes": 16 * GIB})
    broker.lease(tenant="org/team")
    told = scraped(broker)
    assert told.value("accelpool_tenant_quota_used_ratio", tenant="org", quota="devices") == 0.25
    assert told.value("accelpool_tenant_quota_used_ratio", tenant="org", quota="memory") == 0.5
    assert told.value("accelpool_tenant_devices_granted", tenant="org") == 0


def test_tenants_that_clients_make_up_share_a_series(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accelpool_broker.services.tenant_metrics.MOST_TENANTS", 2)
    broker.register("n1", *(f"gpu:{number}" for number in range(5)))
    broker.json("PUT", "/tenants/org", {})
    for number in range(4):
        broker.lease(tenant=f"org/t{number}")
    told = scraped(broker)
    assert MOST_TENANTS == 500
    assert told.labels("accelpool_leases", "tenant") == [OTHERS, "org", "org/t0"]
    assert told.value("accelpool_leases", tenant=OTHERS, state="active") == 3
    assert told.value("accelpool_tenant_devices_granted") == 4


# ---- requests, and bounds --------------------------------------------------------------------------------


def test_requests_are_counted_by_route_and_status(broker: BrokerInProcess) -> None:
    broker.call("GET", "/leases/lse_1")
    broker.call("GET", "/leases/lse_2")
    told = scraped(broker)
    assert told.value("accelpool_http_requests_total", route="/leases/{id}", status="404") == 2
    assert told.value("accelpool_http_request_duration_seconds_count", route="/leases/{id}") == 2
    assert told.value("accelpool_http_problems_total", type="lease-not-found") == 2


def test_what_clients_choose_is_in_no_label(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(client="a-client")["id"]
    broker.call("GET", f"/leases/{lease}")
    broker.call("GET", "/no/such/path")
    broker.call("MADEUP", "/leases")
    broker.call("GET", "/metrics", role="nobody")
    told = scraped(broker)
    assert not [word for word in (lease, "a-client", "/no/such", "MADEUP") if word in told.text]
    assert told.value("accelpool_http_requests_total", route="none") == 2


def test_reading_takes_as_many_statements_for_a_large_pool_as_for_a_small_one(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu")
    broker.lease()
    with statements() as few:
        scraped(broker)
    broker.register("n2", *(f"gpu:{number}" for number in range(40)))
    for number in range(60):
        broker.lease(tenant=f"t{number}")
    with statements() as many:
        scraped(broker)
    assert len(many) == len(few) <= 9
