"""GET /usage: what tenants used, hour by hour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.testing import GIB, BrokerInProcess

HOUR_S = 3600


@pytest.fixture(params=["memory", "postgresql"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerInProcess]:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    with BrokerInProcess(None if url is None else tmp_path, database_url=url, lost_after_s=1e7) as broker:
        broker.register("n1", "gpu")
        yield broker


def hold(broker: BrokerInProcess, seconds: float, **wanted: Any) -> None:
    """Have a lease for so long."""
    lease = broker.lease(tenant="vision", ttl_s=86400, **wanted)["id"]
    broker.clock.move(seconds)
    broker.json("DELETE", f"/leases/{lease}")


def usage(broker: BrokerInProcess, query: str = "", role: str = "user") -> list[tuple[str, float, float]]:
    items = broker.json("GET", f"/usage?tenant=vision&{query}", role=role)["items"]
    return [(item["hour"][11:16], item["device_s"], item["byte_s"]) for item in items]


def test_a_lease_counts_in_each_hour_that_it_lasts(broker: BrokerInProcess) -> None:
    broker.clock.move(HOUR_S / 2)
    hold(broker, 1.75 * HOUR_S)
    full = 8 * GIB
    assert usage(broker) == [
        ("08:00", 1800.0, 1800.0 * full), ("09:00", 3600.0, 3600.0 * full), ("10:00", 900.0, 900.0 * full)
    ]  # fmt: skip


def test_leases_of_an_hour_are_added_up_and_parts_count_as_parts(broker: BrokerInProcess) -> None:
    hold(broker, 100)
    hold(broker, 100, compute=0.5, memory_bytes=GIB)
    assert usage(broker) == [("08:00", 150.0, 100.0 * 9 * GIB)]


def test_active_leases_count_up_to_now_and_only_once(broker: BrokerInProcess) -> None:
    lease = broker.lease(tenant="vision", ttl_s=86400)["id"]
    broker.clock.move(60)
    assert usage(broker) == [("08:00", 60.0, 60.0 * 8 * GIB)]
    broker.json("PATCH", f"/leases/{lease}", {"compute": 0.5})
    broker.clock.move(60)
    assert usage(broker) == [("08:00", 90.0, 120.0 * 8 * GIB)]


def test_a_time_may_be_chosen_by_its_hours(broker: BrokerInProcess) -> None:
    hold(broker, 4 * HOUR_S)
    query = "since=2027-01-15T09:30:00Z&until=2027-01-15T11:00:00Z"
    assert [hour for hour, *_ in usage(broker, query)] == ["09:00", "10:00"]


@pytest.mark.parametrize(
    "query",
    [
        "since=2027-01-16T00:00:00Z&until=2027-01-15T00:00:00Z",
        "since=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00Z",
        "since=yesterday",
    ],
)
def test_a_time_that_is_none_or_too_long_is_refused(broker: BrokerInProcess, query: str) -> None:
    assert broker.call("GET", f"/usage?tenant=vision&{query}").status_code == 422


def test_hours_are_forgotten_after_a_time(tmp_path: Path) -> None:
    with BrokerInProcess(lost_after_s=1e7, keep_usage_s=3 * HOUR_S) as broker:
        broker.register("n1", "gpu")
        hold(broker, 4.5 * HOUR_S)
        broker.pass_time(1)
        assert [hour for hour, *_ in usage(broker)] == ["10:00", "11:00", "12:00"]


def test_others_tenants_use_is_not_there(broker: BrokerInProcess) -> None:
    hold(broker, 60)
    for name, tenants, found in (("mira", ["vision"], 200), ("noor", ["vis", "vision/edges"], 404)):
        broker.json("POST", "/accounts", {"name": name, "role": "member", "tenants": tenants})
        token = broker.json("POST", "/tokens", {"name": "t", "account": name})["token"]
        assert broker.call("GET", "/usage?tenant=vision", role=token).status_code == found
