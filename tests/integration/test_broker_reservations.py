"""Reservations through REST: accepted or refused, kept without being read, begun and ended by the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.scheduler import Policy
from accelpool_broker.services import reservations
from accelpool_broker.testing import BrokerInProcess

from ..postgres_rig import Postgres

NOON = datetime.fromtimestamp(1_800_000_000, UTC)  # the fake clock's beginning


def at(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def shown(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess(policy=Policy(min_run_s=60.0, grace_s=30.0), lost_after_s=1e6) as running:
        running.register("n1", "gpu:a", "gpu:b", "cpu:c")
        yield running


def reserve(broker: BrokerInProcess, starts: float = 60, ends: float = 120, **members: Any) -> dict[str, Any]:
    return broker.lease(starts_at=at(starts), ends_at=at(ends), **members)


def refused(broker: BrokerInProcess, **members: Any) -> dict[str, Any]:
    body = {"starts_at": at(60), "ends_at": at(120), **members}
    answer = broker.call("POST", "/leases", json=body)
    assert answer.status_code >= 400
    return dict(answer.get_json())


def go_to(broker: BrokerInProcess, minutes: float) -> None:
    """Let time pass, as it does: the timer strikes at each deadline."""
    until = NOON.timestamp() + minutes * 60
    while (now := broker.clock.now()) < until:
        broker.pass_time(min(until, broker.services.pool.tick() or until) - now)


def state(broker: BrokerInProcess, lease: dict[str, Any]) -> str:
    return str(broker.json("GET", f"/leases/{lease['id']}")["state"])


def test_what_is_reserved_is_granted_at_its_time_unread_and_ends_at_its_end(broker: BrokerInProcess) -> None:
    lease = reserve(broker, count=2, kind="gpu", ttl_s=86400)
    assert (lease["state"], lease["position"], lease["starts_at"], lease["ends_at"]) == (
        "queued",
        None,
        shown(60),
        shown(120),
    )
    assert lease["reason"] == "reserved from 2027-01-15 09:00:00 UTC until 2027-01-15 10:00:00 UTC"
    assert [one["compute"] for one in lease["reserved"]] == [1.0, 1.0]
    go_to(broker, 59.9)
    assert broker.json("GET", "/leases?state=active")["items"] == []
    go_to(broker, 60)
    active = broker.json("GET", f"/leases/{lease['id']}")
    assert (active["state"], active["granted_at"], active["reserved"]) == ("active", shown(60), [])
    assert [share["device"] for share in active["shares"]] == [one["device"] for one in lease["reserved"]]
    go_to(broker, 120)
    assert state(broker, lease) == "expired"


def test_who_does_not_come_within_its_ttl_loses_it(broker: BrokerInProcess) -> None:
    lease = reserve(broker, ttl_s=60)
    go_to(broker, 60.5)
    assert state(broker, lease) == "active"
    go_to(broker, 61)
    assert state(broker, lease) == "expired"


def test_a_refusal_says_what_is_in_the_way_and_leaves_nothing(broker: BrokerInProcess) -> None:
    holder = broker.lease(kind="cpu")
    problem = refused(broker, kind="cpu")
    assert (problem["status"], problem["type"].rsplit("/", 1)[1]) == (409, "conflict")
    assert problem["leases"] == [holder["id"]]
    assert problem["detail"].startswith("no room for it from 2027-01-15 09:00:00 UTC until")
    assert problem["detail"].endswith(f"1 device would do: 1 leased; in the way: {holder['id']}")
    assert len(broker.json("GET", "/leases")["items"]) == 1


def test_withdrawing_it_frees_the_room(broker: BrokerInProcess) -> None:
    first = reserve(broker, kind="cpu")
    waiting = broker.lease(kind="cpu")
    assert (waiting["state"], waiting["reason"]) == ("queued", "1 device would do: 1 reserved")
    told = broker.json("GET", f"/leases/{waiting['id']}/explanation")
    assert [one["verdict"] for one in told["devices"]][2] == f"reserved for {first['id']} from {shown(60)}"
    assert told["earliest_at"] == shown(120)
    assert refused(broker, kind="cpu")["leases"] == [first["id"]]
    assert broker.json("DELETE", f"/leases/{first['id']}")["state"] == "withdrawn"
    assert state(broker, waiting) == "active"


def test_before_its_time_a_lease_that_ends_by_then_has_the_device(broker: BrokerInProcess) -> None:
    reserve(broker, kind="cpu")
    assert broker.lease(kind="cpu", max_duration_s=3601)["state"] == "queued"
    between = broker.lease(kind="cpu", max_duration_s=3600, ttl_s=86400)
    assert (between["state"], between["ends_at"]) == ("active", shown(60))


def test_a_preemptible_lease_is_told_in_time_and_gone(broker: BrokerInProcess) -> None:
    holder = broker.lease(kind="cpu", preemptible=True, ttl_s=86400)
    lease = reserve(broker, kind="cpu")
    go_to(broker, 58.9)
    assert broker.json("GET", f"/leases/{holder['id']}")["notice"] is None
    go_to(broker, 59)
    notice = broker.json("GET", f"/leases/{holder['id']}")["notice"]
    assert (notice["why"], notice["revoke_at"]) == ("preempted", shown(60))
    assert lease["id"] in notice["reason"]
    go_to(broker, 60)
    assert (state(broker, holder), state(broker, lease)) == ("revoked", "active")


def test_a_lease_cannot_grow_into_what_is_reserved(broker: BrokerInProcess) -> None:
    holder = broker.lease(device="n1/c", compute=0.25)
    reserve(broker, device="n1/c", compute=0.5)
    assert broker.call("PATCH", f"/leases/{holder['id']}", json={"compute": 0.5}).status_code == 200
    answer = broker.call("PATCH", f"/leases/{holder['id']}", json={"compute": 0.75})
    assert (answer.status_code, "reserved for lse_" in answer.get_json()["detail"]) == (409, True)
    assert broker.json("GET", f"/leases/{holder['id']}")["shares"][0]["compute"] == 0.5


def test_what_is_reserved_moves_out_of_the_way_of_a_lease_that_grows_if_it_can(
    broker: BrokerInProcess,
) -> None:
    holder = broker.lease(device="n1/a", compute=0.25)
    lease = reserve(broker, kind="gpu", compute=0.5)
    assert lease["reserved"][0]["device"] == holder["shares"][0]["device"]
    assert broker.call("PATCH", f"/leases/{holder['id']}", json={"compute": 0.75}).status_code == 200
    moved = broker.json("GET", f"/leases/{lease['id']}")["reserved"]
    assert moved[0]["device"] != holder["shares"][0]["device"]


def test_what_is_reserved_on_a_node_that_is_cordoned_moves_to_another(broker: BrokerInProcess) -> None:
    lease = reserve(broker, kind="cpu")
    broker.register("n2", "cpu:d")
    broker.json("PATCH", "/nodes/n1", {"cordoned": True})
    [moved] = broker.json("GET", f"/leases/{lease['id']}")["reserved"]
    names = {device["id"]: device["name"] for device in broker.json("GET", "/devices")["items"]}
    assert names[moved["device"]] == "d"


def test_a_reservation_counts_in_its_tenants_quota(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/t", {"quota_devices": 1})
    reserve(broker, tenant="t")
    problem = refused(broker, tenant="t")
    assert problem["detail"].endswith("tenant t has 1 of its quota of 1 devices, 1 more are wanted")
    assert problem["leases"] == []
    assert broker.lease(tenant="t")["state"] == "queued"
    assert broker.lease(tenant="t", max_duration_s=60)["state"] == "active"


def test_the_same_key_gives_the_same_reservation(broker: BrokerInProcess) -> None:
    headers = {"Idempotency-Key": "k"}
    body = {"kind": "cpu", "starts_at": at(60), "ends_at": at(120)}
    first, again = (broker.call("POST", "/leases", json=body, headers=headers).get_json() for _ in range(2))
    assert first["id"] == again["id"]


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"ends_at": None}, "ends_at: it goes with starts_at"),
        ({"starts_at": None}, "starts_at: it goes with ends_at"),
        ({"ends_at": at(60)}, "at least a second"),
        ({"ends_at": at(60 * 24 * 400)}, "at most 366 days"),
        ({"starts_at": "2027-01-15T09:00:00"}, "starts_at: Not a valid aware datetime"),
        ({"starts_at": 5}, "starts_at: Not a valid datetime"),
        ({"max_duration_s": 5}, "max_duration_s: with starts_at"),
        ({"queue_timeout_s": 5}, "queue_timeout_s: with starts_at"),
        ({"starts_at": at(0)}, "starts_at is over"),
        ({"starts_at": at(60 * 24 * 31), "ends_at": at(60 * 24 * 32)}, "more than 30 days ahead"),
    ],
)
def test_times_that_mean_nothing_are_refused_by_name(
    broker: BrokerInProcess, members: dict[str, Any], told: str
) -> None:
    problem = refused(broker, **members)
    assert problem["type"].endswith("/invalid")
    assert told in problem["detail"]


def test_what_no_device_can_ever_serve_is_unsatisfiable(broker: BrokerInProcess) -> None:
    assert refused(broker, count=4)["type"].endswith("/unsatisfiable")


def test_instants_are_of_any_zone(broker: BrokerInProcess) -> None:
    lease = broker.lease(starts_at="2027-01-15T10:00:00+01:00", ends_at="2027-01-15T10:30:00+01:00")
    assert (lease["starts_at"], lease["ends_at"]) == ("2027-01-15T09:00:00.000Z", "2027-01-15T09:30:00.000Z")


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_reservation_outlives_its_broker(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    postgres: Postgres | None = request.getfixturevalue("postgres") if kind == "postgresql" else None
    url = postgres.empty_database() if postgres else None
    with BrokerInProcess(tmp_path, database_url=url) as first:
        first.register("n1", "cpu:c")
        lease = reserve(first, kind="cpu")
    with BrokerInProcess(tmp_path, clock=first.clock, database_url=url) as second:
        assert second.json("GET", f"/leases/{lease['id']}")["reserved"] == lease["reserved"]
        assert second.lease(kind="cpu")["state"] == "queued"


def test_a_lease_does_not_grow_into_what_a_quota_has_reserved(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/org", {"quota_devices": 1})
    grows = broker.lease(device="n1/a", compute=0.25, tenant="org/a", ttl_s=86400)
    kept = reserve(broker, device="n1/c", compute=0.75, tenant="org/b", ttl_s=86400)
    answer = broker.call("PATCH", f"/leases/{grows['id']}", json={"compute": 0.75})
    assert (answer.status_code, answer.get_json()["leases"]) == (409, [kept["id"]])
    go_to(broker, 61)
    assert state(broker, kept) == "active"


def test_a_lease_may_grow_though_something_else_has_displaced_a_reservation(broker: BrokerInProcess) -> None:
    broker.register("n2", "gpu:d")
    grows = broker.lease(device="n1/a", compute=0.25, ttl_s=86400)
    broker.lease(device="n1/b", ttl_s=86400)
    reserve(broker, kind="gpu", count=2, compute=0.25)
    broker.json("PATCH", "/nodes/n2", {"cordoned": True})
    assert broker.json("PATCH", f"/leases/{grows['id']}", {"compute": 0.5})["shares"][0]["compute"] == 0.5


def test_there_are_only_so_many_reservations(
    broker: BrokerInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reservations, "MAX_OF_TENANT", 2)
    monkeypatch.setattr(reservations, "MAX_RESERVATIONS", 3)
    for tenant in ("a", "a", "b"):
        reserve(broker, compute=0.01, tenant=tenant)
    assert "tenant a has 2 reservations" in refused(broker, compute=0.01, tenant="a")["detail"]
    assert "the pool has 3 reservations" in refused(broker, compute=0.01, tenant="b")["detail"]
