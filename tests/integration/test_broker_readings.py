"""What devices measure, as their nodes tell it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from accelpool_broker.testing import GIB, BrokerInProcess


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


READINGS = {
    "utilization": 0.87,
    "memory_utilization": None,
    "memory_used_bytes": GIB,
    "temperature_c": 41.0,
    "power_w": 245.7,
    "clock_hz": 1_410_000_000,
}


def measured(broker: BrokerInProcess, role: str = "user") -> list[dict | None]:
    items = broker.json("GET", "/devices", role=role)["items"]
    each = [broker.json("GET", f"/devices/{item['id']}", role=role) for item in items]
    assert each == items
    return [item["readings"] for item in items]


def join(broker: BrokerInProcess, name: str, tenant: str | None, role: str = "member") -> str:
    tenants = [] if tenant is None else [tenant]
    broker.json("POST", "/accounts", {"name": name, "role": role, "tenants": tenants})
    return broker.json("POST", "/tokens", {"name": "first", "account": name})["token"]


def test_what_a_device_measures_is_shown_until_its_node_says_otherwise(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.report(sequence=2, readings={"a": READINGS, "unknown": READINGS})
    assert measured(broker) == [READINGS, None]
    broker.report(sequence=1, readings={"b": READINGS})  # an old one
    assert measured(broker) == [READINGS, None]
    broker.report(sequence=3, readings={"b": {"power_w": 1.5}})
    assert measured(broker) == [None, {**dict.fromkeys(READINGS), "power_w": 1.5}]
    broker.report(sequence=4)
    assert measured(broker) == [None, None]


def test_a_faulty_device_shows_what_it_measures_and_a_lost_or_restarted_one_does_not(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu:a")
    broker.report(sequence=1, readings={"a": READINGS}, device_faults={"a": "it hung"})
    assert measured(broker) == [READINGS]
    broker.pass_time(16)
    assert measured(broker) == [None]
    broker.report(sequence=2, readings={"a": READINGS})
    assert measured(broker) == [READINGS]
    broker.register("n1", "gpu:a", boot_id="boot-2")
    assert measured(broker) == [None]


def test_what_a_device_measures_is_not_shown_to_tenants_who_have_no_part_of_it(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.report(sequence=1, readings={"a": READINGS, "b": READINGS})
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "speech")
    operator = join(broker, "olga", None, role="operator")
    lease = broker.json("POST", "/leases", {}, role=mira)
    assert measured(broker, mira) == measured(broker, operator) == measured(broker) == [READINGS, READINGS]
    assert measured(broker, noor) == [None, READINGS]
    broker.json("DELETE", f"/leases/{lease['id']}", role=mira)
    assert measured(broker, noor) == [READINGS, READINGS]


def test_who_shares_a_device_sees_what_all_of_it_measures(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    broker.report(sequence=1, readings={"a": READINGS})
    mira, noor = join(broker, "mira", "vision"), join(broker, "noor", "speech")
    quarter = {"memory_bytes": GIB, "compute": 0.25}
    broker.json("POST", "/leases", quarter, role=mira)
    assert measured(broker, noor) == [None]
    broker.json("POST", "/leases", quarter, role=noor)
    assert measured(broker, noor) == [READINGS]


def test_what_a_device_measures_wakes_nobody_and_changes_no_revision(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    before = broker.report(sequence=1)["revision"]
    assert broker.report(sequence=2, readings={"a": READINGS})["revision"] == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("utilization", 1.01),
        ("memory_utilization", -0.01),
        ("memory_used_bytes", -1),
        ("temperature_c", 1e9),
        ("power_w", 4_294_967.3),
        ("clock_hz", 2**63),
    ],
)
def test_a_reading_that_cannot_be_is_none_and_the_report_counts(
    broker: BrokerInProcess, name: str, value: float
) -> None:
    broker.register("n1", "gpu:a")
    broker.report(sequence=1, readings={"a": {**READINGS, name: value}})
    assert measured(broker) == [{**READINGS, name: None}]


@pytest.mark.parametrize(
    "readings",
    [
        {"memory_used_bytes": 1.5},
        {"power_w": "NaN"},
        {"clock_hz": "fast"},
        {"fan": 3},
        None,
    ],
)
def test_malformed_readings_are_refused(broker: BrokerInProcess, readings: dict | None) -> None:
    broker.register("n1", "gpu:a")
    body = {"boot_id": "boot-1", "sequence": 1, "readings": {"a": readings}}
    answer = broker.call("POST", "/nodes/n1/reconcile", role="node", json=body)
    assert (answer.status_code, answer.json["type"]) == (422, "https://accelpool.dev/problems/invalid")
