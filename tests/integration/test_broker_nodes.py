"""Nodes over REST: registration, reconciliation, loss and return."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from accelpool_broker.testing import GIB, BrokerInProcess, registration

from ..conftest import wait_until


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def state(broker: BrokerInProcess, lease: dict) -> tuple[str, str]:
    body = broker.json("GET", f"/leases/{lease['id']}")
    return body["state"], body["reason"]


def test_a_registered_node_and_its_devices_are_listed(broker: BrokerInProcess) -> None:
    told = broker.register("n1", "gpu:g0", "cpu:c0", host="10.0.0.7", port=7001)
    assert (told["name"], told["heartbeat_s"], told["lost_after_s"]) == ("n1", 5, 15)
    assert broker.json("GET", "/nodes/n1") == {
        "name": "n1",
        "state": "ready",
        "address": {"host": "10.0.0.7", "port": 7001, "certificate_sha256": ""},
        "version": "0.1.0",
        "last_seen_at": "2027-01-15T08:00:00.000Z",
        "device_count": 2,
        "sandbox": None,
        "labels": {},
        "taints": [],
        "cordoned": False,
        "drain_at": None,
    }
    [gpu, cpu] = broker.json("GET", "/devices")["items"]
    assert broker.json("GET", f"/devices/{gpu['id']}") == gpu
    assert gpu == {
        "id": gpu["id"],
        "name": "g0",
        "node": "n1",
        "environment": "opencl",
        "kind": "gpu",
        "api": "opencl",
        "hardware": gpu["id"],
        "attributes": {"vendor": "nobody", "driver_version": "1"},
        "capacity": {"memory_bytes": 8 * GIB, "compute_units": 4},
        "state": "free",
        "fault": "",
        "free": {"memory_bytes": 8 * GIB, "compute": 1.0},
        "leases": [],
        "loaded_image": None,
        "readings": None,
    }
    assert cpu["kind"] == "cpu"


def test_devices_are_found_by_kind_node_and_what_is_free(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "cpu:b")
    broker.register("n2", "gpu:c")
    lease = broker.lease(device="n1/a")

    def names(query: str) -> list[str]:
        return [item["name"] for item in broker.json("GET", f"/devices?{query}")["items"]]

    assert names("") == ["a", "b", "c"]
    assert names("kind=gpu") == ["a", "c"]
    assert names("node=n1") == ["a", "b"]
    assert names("free=true") == ["b", "c"]
    assert names("free=false") == ["a"]
    [leased] = broker.json("GET", "/devices?free=false")["items"]
    assert (leased["state"], leased["leases"], leased["free"]) == (
        "leased", [lease["id"]], {"memory_bytes": 0, "compute": 0.0}
    )  # fmt: skip


def test_lists_of_nodes_and_devices_come_in_pages(broker: BrokerInProcess) -> None:
    for name in ("c", "a", "b"):
        broker.register(name, "cpu")
    first = broker.json("GET", "/nodes?limit=2")
    rest = broker.json("GET", f"/nodes?limit=2&cursor={first['next_cursor']}")
    assert [node["name"] for node in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next_cursor"] is None
    first = broker.json("GET", "/devices?limit=2")
    rest = broker.json("GET", f"/devices?limit=2&cursor={first['next_cursor']}")
    assert [device["node"] for device in first["items"] + rest["items"]] == ["c", "a", "b"]


def test_a_node_is_told_the_active_leases_on_its_devices(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    broker.register("n2", "gpu:b")
    lease = broker.lease(device="n2/b", memory_bytes=GIB)
    assert broker.report("n1")["leases"] == []
    assert broker.report("n2")["leases"] == [
        {
            "id": lease["id"],
            "devices": [{"name": "b", "epoch": 1, "memory_bytes": GIB, "compute": 0.125}],
            "expires_at": lease["expires_at"],
        }
    ]
    broker.json("DELETE", f"/leases/{lease['id']}")
    assert broker.report("n2")["leases"] == []


def test_a_waiting_agent_is_told_of_a_change_at_once(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    seen = broker.report()["revision"]
    told: list[dict] = []
    agent = threading.Thread(target=lambda: told.append(broker.report(seen_revision=seen, wait_s=10)))
    agent.start()
    wait_until(broker.services.pool.node_waiters.count)
    lease = broker.lease()
    agent.join(5)
    assert [item["id"] for item in told[0]["leases"]] == [lease["id"]]
    assert told[0]["revision"] != seen


def test_an_agent_of_an_unknown_node_or_start_has_to_register(broker: BrokerInProcess) -> None:
    def conflict(boot_id: str) -> int:
        body = {"boot_id": boot_id, "sequence": 0}
        return broker.call("POST", "/nodes/n1/reconcile", role="node", json=body).status_code

    assert conflict("boot-1") == 409
    broker.register("n1", "gpu")
    assert conflict("boot-0") == 409
    assert conflict("boot-1") == 200


def test_a_restarted_agent_has_lost_its_leases_and_its_devices_go_to_the_next(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu")
    first, second = broker.lease(), broker.lease()
    broker.register("n1", "gpu", boot_id="boot-2")
    assert state(broker, first) == ("lost", "the agent of node n1 restarted")
    problem = broker.call("PATCH", f"/leases/{first['id']}", json={"ttl_s": 10})
    assert (problem.status_code, problem.json["type"][-10:]) == (410, "lease-lost")
    [share] = broker.json("GET", f"/leases/{second['id']}")["shares"]
    assert share["epoch"] > first["shares"][0]["epoch"] + 1


def test_registering_again_without_a_restart_changes_nothing(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    lease = broker.lease()
    [before] = broker.json("GET", "/devices")["items"]
    broker.register("n1", "gpu:a")
    [after] = broker.json("GET", "/devices")["items"]
    assert state(broker, lease) == ("active", "")
    assert before == after


def test_a_device_that_its_node_no_longer_reports_is_gone(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.register("n1", "gpu:b")
    assert [device["name"] for device in broker.json("GET", "/devices")["items"]] == ["b"]
    assert broker.call("POST", "/leases", json={"device": "a"}).status_code == 422


def test_a_silent_node_is_lost_and_comes_back(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    lease = broker.lease()
    assert broker.pass_time(14.9) == pytest.approx(broker.clock.now() + 0.1)
    assert state(broker, lease) == ("active", "")
    broker.pass_time(0.2)
    assert state(broker, lease) == ("lost", "the agent of node n1 stopped answering")
    assert broker.json("GET", "/nodes/n1")["state"] == "lost"
    assert broker.json("GET", "/devices")["items"][0]["state"] == "lost"
    waiting = broker.lease()
    assert waiting["state"] == "queued"
    broker.report()
    assert broker.json("GET", "/nodes/n1")["state"] == "ready"
    assert state(broker, waiting) == ("active", "")


def test_a_node_that_takes_its_leave_is_lost_at_once_and_requests_wait_for_it(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu:a")
    lease = broker.lease()
    broker.report(sequence=7, leaving=True)
    assert state(broker, lease) == ("lost", "the agent of node n1 was stopped")
    assert broker.json("GET", "/nodes/n1")["state"] == "lost"
    [device] = broker.json("GET", "/devices")["items"]
    assert (device["state"], device["fault"]) == ("lost", "")
    waiting = broker.lease()
    assert waiting["state"] == "queued"
    broker.report(sequence=6)  # it was on its way when the last word was said
    assert broker.json("GET", "/nodes/n1")["state"] == "lost"
    broker.register("n1", "gpu:a", boot_id="boot-2")
    assert state(broker, waiting) == ("active", "")


def test_every_report_is_a_heartbeat_even_an_old_one(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(ttl_s=100)
    for sequence in (5, 1, 0):
        broker.pass_time(10)
        broker.report(sequence=sequence)
    assert state(broker, lease) == ("active", "")


def test_a_faulty_device_is_not_granted_until_it_is_well(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.report(sequence=1, device_faults={"a": "it hung"})
    assert broker.lease()["shares"][0]["name"] == "b"
    waiting = broker.lease()
    assert waiting["state"] == "queued"
    [faulty] = broker.json("GET", "/devices?free=false&node=n1")["items"][:1]
    assert (faulty["name"], faulty["state"], faulty["fault"]) == ("a", "faulty", "it hung")
    broker.report(sequence=1, device_faults={"a": ""})
    assert state(broker, waiting)[0] == "queued"
    broker.report(sequence=2, device_faults={"a": ""})
    assert state(broker, waiting)[0] == "active"


IMAGE = {"sha256": "0123456789abcdef" * 4, "since": 1_800_000_000.5}


def loaded(broker: BrokerInProcess) -> list[dict | None]:
    return [item["loaded_image"] for item in broker.json("GET", "/devices")["items"]]


def test_the_image_that_a_node_says_is_loaded_is_shown_until_it_says_otherwise(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "accelerator:a", "accelerator:b")
    broker.report(sequence=2, loaded_images={"a": IMAGE, "unknown": IMAGE})
    shown = {"sha256": IMAGE["sha256"], "since": "2027-01-15T08:00:00.500Z"}
    assert loaded(broker) == [shown, None]
    broker.report(sequence=1)  # an old one
    broker.register("n1", "accelerator:a", "accelerator:b")
    assert loaded(broker) == [shown, None]
    broker.report(sequence=3, loaded_images={"a": {**IMAGE, "sha256": "f" * 64}})
    assert loaded(broker)[0]["sha256"] == "f" * 64
    broker.report(sequence=4)
    assert loaded(broker) == [None, None]


def test_nobody_knows_what_is_loaded_on_a_device_that_is_lost_faulty_or_restarted(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "accelerator:a")
    broker.report(sequence=1, loaded_images={"a": IMAGE})
    broker.pass_time(16)
    assert loaded(broker) == [None]
    broker.report(sequence=2, loaded_images={"a": IMAGE})
    assert loaded(broker) != [None]
    broker.report(sequence=3, loaded_images={"a": IMAGE}, device_faults={"a": "it hung"})
    assert loaded(broker) == [None]
    broker.register("n1", "accelerator:a", boot_id="boot-2")
    assert loaded(broker) == [None]


@pytest.mark.parametrize(
    "image",
    [
        {"sha256": "f" * 63, "since": 0},
        {"sha256": "f" * 63 + "\n", "since": 0},
        {"sha256": "f" * 64 + "\n", "since": 0},
        {"sha256": "F" * 64, "since": 0},
        {"sha256": "f" * 64, "since": -1},
        {"sha256": "f" * 64, "since": 1e300},
        {"sha256": "f" * 64},
    ],
)
def test_a_malformed_image_is_refused(broker: BrokerInProcess, image: dict) -> None:
    broker.register("n1", "accelerator:a")
    body = {"boot_id": "boot-1", "sequence": 1, "loaded_images": {"a": image}}
    answer = broker.call("POST", "/nodes/n1/reconcile", role="node", json=body)
    assert (answer.status_code, answer.json["type"]) == (422, "https://accelpool.dev/problems/invalid")


def ended(lease: dict, cause: str = "disconnected") -> dict:
    return {"id": "s1", "lease": lease["id"], "cause": cause, "detail": ""}


@pytest.mark.parametrize(
    ("ends_with_session", "cause", "sessions", "expected"),
    [
        (True, "disconnected", [], "released"),
        (True, "goodbye", [], "released"),
        (True, "crashed", [], "active"),
        (True, "disconnected", ["s2"], "active"),
        (False, "disconnected", [], "active"),
    ],
)
def test_a_lease_ends_with_its_last_session_if_asked_to(
    broker: BrokerInProcess, ends_with_session: bool, cause: str, sessions: list[str], expected: str
) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(ends_with_session=ends_with_session)
    live = [{"id": id, "lease": lease["id"], "devices": [], "started_at": None} for id in sessions]
    broker.report(sequence=1, sessions=[*live, {"id": "s1", "lease": lease["id"]}])
    broker.report(sequence=2, sessions=live, ended=[ended(lease, cause)])
    assert state(broker, lease)[0] == expected


@pytest.mark.parametrize(
    ("busy_s", "status"),
    [
        ({}, 200),
        ({"lse_1": 0, "lse_2": 12.5}, 200),
        ({"lse_1": -1}, 422),
        ({"": 1}, 422),
        ({"lse_1": "x"}, 422),
    ],
)
def test_a_report_says_how_long_leases_were_at_work(
    broker: BrokerInProcess, busy_s: dict, status: int
) -> None:
    broker.register("n1", "gpu")
    body = {"boot_id": "boot-1", "sequence": 1, "busy_s": busy_s}
    assert broker.call("POST", "/nodes/n1/reconcile", role="node", json=body).status_code == status


def test_a_node_cannot_end_a_lease_that_has_nothing_there(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.register("n2", "cpu")
    lease = broker.lease(kind="gpu", ends_with_session=True)
    broker.report("n2", sequence=1, ended=[ended(lease)])
    assert state(broker, lease)[0] == "active"


@pytest.mark.parametrize(
    "change",
    [
        {"address": {"host": "h", "port": 0}},
        {"address": {"host": "", "port": 1}},
        {"address": {"host": "h", "port": 1, "certificate_sha256": "a" * 63}},
        {"address": {"host": "h", "port": 1, "certificate_sha256": "a" * 64 + "\n"}},
        {"address": {"host": "h", "port": 1, "certificate_sha256": "\n"}},
        {"address": {"host": "h", "port": 1, "certificate_sha256": "A" * 64}},
        {"devices": registration("tpu:x")["devices"]},
        {"devices": registration("gpu:x", "gpu:x")["devices"]},
        {"devices": [{**registration("gpu")["devices"][0], "capacity": {"memory_bytes": 1 << 63}}]},
        {"boot_id": ""},
        {"colour": "red"},
    ],
)
def test_a_malformed_registration_is_refused(broker: BrokerInProcess, change: dict) -> None:
    answer = broker.call("PUT", "/nodes/n1", role="node", json=registration("gpu") | change)
    assert (answer.status_code, answer.json["type"]) == (422, "https://accelpool.dev/problems/invalid")


@pytest.mark.parametrize("name", [" ", "a b", "x" * 65, "-x", "é"])
def test_a_node_name_is_letters_digits_and_a_few_signs(broker: BrokerInProcess, name: str) -> None:
    assert broker.call("PUT", f"/nodes/{name}", role="node", json=registration("gpu")).status_code == 422


def test_a_node_shows_the_weakest_sandbox_of_its_devices(broker: BrokerInProcess) -> None:
    body = registration("gpu", "cpu", "accelerator")
    levels = ("full", "partial")
    for device, level in zip(body["devices"], levels, strict=False):
        device["attributes"]["sandbox"] = {"level": level, "landlock": 7, "missing": []}
    broker.json("PUT", "/nodes/n1", body, role="node")
    broker.register("n2", "gpu")
    told = {node["name"]: node["sandbox"] for node in broker.json("GET", "/nodes")["items"]}
    assert told == {"n1": {"level": "partial", "landlock": 7, "missing": []}, "n2": None}
    assert broker.json("GET", "/nodes/n1")["sandbox"] == told["n1"]
