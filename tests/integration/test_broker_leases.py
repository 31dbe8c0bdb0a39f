"""Leases over REST: asked for, queued, renewed, ended, and what ends them."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from accelpool_broker.testing import GIB, BrokerInProcess, registration
from accelpool_wire import lease_token

from ..conftest import wait_until


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def test_a_lease_on_a_free_device_is_active_at_once(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:g0", "cpu:c0", port=7123)
    answer = broker.call("POST", "/leases", json={"kind": "gpu", "client": "me", "ttl_s": 30})
    body = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/leases/{body['id']}"
    assert (body["state"], body["position"], body["reason"], body["client"]) == ("active", None, "", "me")
    assert body["granted_at"] == "2027-01-15T08:00:00.000Z"
    assert body["expires_at"] == "2027-01-15T08:00:30.000Z"
    [share] = body["shares"]
    assert (share["name"], share["node"], share["epoch"], share["memory_bytes"]) == ("g0", "n1", 1, 8 * GIB)
    [endpoint] = body["endpoints"]
    assert (endpoint["node"], endpoint["environment"], endpoint["port"]) == ("n1", "opencl", 7123)
    assert broker.json("GET", f"/leases/{body['id']}") == body


def read_claims(broker: BrokerInProcess, endpoint: dict) -> lease_token.LeaseClaims:
    """Return what an endpoint's token says; its signature has to hold for the broker's public key."""
    key = Ed25519PublicKey.from_public_bytes(b64decode(broker.register("key", "custom")["public_key"]))

    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return lease_token.decode(endpoint["token"], verify)


def test_the_nodes_public_key_verifies_the_endpoints_token(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:g0")
    lease = broker.lease(memory_bytes=GIB)
    claims = read_claims(broker, lease["endpoints"][0])
    assert claims.peers == ()
    assert (claims.lease, claims.node) == (lease["id"], "n1")
    assert claims.expires_at == broker.clock.now() + 60
    assert claims.shares == (lease_token.ShareClaim(device="g0", epoch=1, memory_bytes=GIB, compute=0.125),)


def places(lease: dict) -> list[tuple[str, str]]:
    return [(share["node"], share["name"]) for share in lease["shares"]]


def test_several_devices_come_from_one_endpoint_if_they_are_free_there(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    broker.register("n2", "gpu:b", "gpu:c")
    lease = broker.lease(count=2)
    assert places(lease) == [("n2", "b"), ("n2", "c")]
    assert len(lease["endpoints"]) == 1


def test_several_devices_come_from_several_nodes_if_need_be_and_the_tokens_name_each_other(
    broker: BrokerInProcess,
) -> None:
    broker.register("n1", "gpu:a", host="10.0.0.1", port=7001)
    broker.register("n2", "gpu:b", host="fd00::2", port=7002)
    lease = broker.lease(count=2)
    assert places(lease) == [("n1", "a"), ("n2", "b")]
    first, second = (read_claims(broker, endpoint) for endpoint in lease["endpoints"])
    assert (first.node, [share.device for share in first.shares], first.peers) == (
        "n1", ["a"], ("[fd00::2]:7002",)
    )  # fmt: skip
    assert (second.node, [share.device for share in second.shares], second.peers) == (
        "n2", ["b"], ("10.0.0.1:7001",)
    )  # fmt: skip
    assert [name for name in ("n1", "n2") if broker.report(name)["leases"][0]["id"] == lease["id"]] == [
        "n1",
        "n2",
    ]


def test_two_driver_environments_of_a_node_are_two_endpoints_at_one_address(broker: BrokerInProcess) -> None:
    body = registration("gpu:a", "gpu:b", "gpu:c")
    body["devices"][1]["environment"] = body["devices"][2]["environment"] = "other"
    broker.json("PUT", "/nodes/n1", body, role="node")
    broker.register("n2", "gpu:d", port=7002)
    first, second, third = broker.lease(count=4)["endpoints"]
    assert [(one["node"], one["environment"]) for one in (first, second, third)] == [
        ("n1", "other"),
        ("n1", "opencl"),
        ("n2", "opencl"),
    ]
    assert read_claims(broker, first).peers == ("127.0.0.1:7000", "127.0.0.1:7002")
    assert read_claims(broker, third).peers == ("127.0.0.1:7000",)


def test_chosen_devices_are_leased_together_in_the_order_of_preference(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a", "gpu:b")
    broker.register("n2", "cpu:c")
    ids = {item["name"]: item["id"] for item in broker.json("GET", "/devices")["items"]}
    lease = broker.lease(devices=[ids["c"], ids["b"]])
    assert (lease["alternatives"][0]["count"], places(lease)) == (2, [("n1", "b"), ("n2", "c")])
    waiting = broker.lease(devices=[ids["a"], ids["b"]])
    assert (waiting["state"], waiting["reason"]) == (
        "queued",
        "2 devices would do: 1 free, 1 leased, 2 wanted at once",
    )
    broker.json("DELETE", f"/leases/{lease['id']}")
    assert broker.json("GET", f"/leases/{waiting['id']}")["state"] == "active"


def test_a_request_for_chosen_devices_that_are_not_there_is_refused(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    [known] = broker.json("GET", "/devices")["items"]
    answer = broker.call("POST", "/leases", json={"devices": [known["id"], "dev_gone"]})
    assert (answer.status_code, answer.json["type"][-13:]) == (422, "unsatisfiable")
    assert answer.json["devices"] == {known["id"]: "it would do, but of 2 wanted at once the pool has 1"}


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"devices": ["a", "b"], "device": "a"}, "devices"),
        ({"devices": ["a", "a"]}, "devices"),
        ({"devices": ["a"] * 257}, "devices"),
        ({"devices": [""]}, "devices"),
        ({"devices": ["a", "b"], "count": 3}, "count"),
    ],
)
def test_a_malformed_choice_of_devices_is_refused_by_name(
    broker: BrokerInProcess, body: dict, member: str
) -> None:
    broker.register("n1", "gpu")
    answer = broker.call("POST", "/leases", json=body)
    assert (answer.status_code, answer.json["type"][-7:]) == (422, "invalid")
    assert member in answer.json["errors"]["json"]


def test_a_lease_over_two_nodes_is_lost_with_one_and_the_other_is_told(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    broker.register("n2", "gpu:b")
    lease = broker.lease(count=2, ttl_s=100)
    before = broker.report("n1")
    assert [item["id"] for item in before["leases"]] == [lease["id"]]
    broker.pass_time(10)
    broker.report("n1", sequence=1)
    broker.pass_time(5.1)
    lost = broker.json("GET", f"/leases/{lease['id']}")
    assert (lost["state"], lost["endpoints"]) == ("lost", [])
    assert lost["reason"] == "the agent of node n2 stopped answering; with it went the lease's devices on n1"
    after = broker.report("n1", sequence=2)
    assert after["leases"] == []
    assert after["revision"] > before["revision"]
    assert broker.lease()["shares"][0]["name"] == "a"


def test_a_lease_over_two_nodes_is_lost_when_the_agent_of_one_restarts(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    broker.register("n2", "gpu:b")
    lease = broker.lease(count=2)
    broker.register("n2", "gpu:b", boot_id="boot-2")
    lost = broker.json("GET", f"/leases/{lease['id']}")
    assert (lost["state"], lost["reason"]) == (
        "lost",
        "the agent of node n2 restarted; with it went the lease's devices on n1",
    )


def test_a_lease_over_two_nodes_ends_with_the_last_session_on_either(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:a")
    broker.register("n2", "gpu:b")
    lease = broker.lease(count=2, ends_with_session=True)
    for name in ("n1", "n2"):
        broker.report(name, sequence=1, sessions=[{"id": f"at-{name}", "lease": lease["id"]}])
    for name, expected in (("n1", "active"), ("n2", "released")):
        left = {"id": f"at-{name}", "lease": lease["id"], "cause": "goodbye"}
        broker.report(name, sequence=2, ended=[left])
        assert broker.json("GET", f"/leases/{lease['id']}")["state"] == expected


def test_the_queue_is_served_in_order_of_arrival_with_a_rising_epoch(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first, second, third = broker.lease(), broker.lease(), broker.lease()
    assert (second["state"], second["position"], third["position"]) == ("queued", 1, 2)
    assert second["reason"] == "1 device would do: 1 leased"
    assert second["endpoints"] == []
    assert broker.json("DELETE", f"/leases/{first['id']}")["state"] == "released"
    second = broker.json("GET", f"/leases/{second['id']}")
    assert (second["state"], second["shares"][0]["epoch"]) == ("active", 2)
    assert broker.json("GET", f"/leases/{third['id']}")["position"] == 1


def test_a_waiting_client_is_woken_when_its_lease_is_granted(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first, second = broker.lease(), broker.lease()
    seen: list[dict] = []
    waiter = threading.Thread(
        target=lambda: seen.append(broker.json("GET", f"/leases/{second['id']}?wait_s=20"))
    )
    waiter.start()
    wait_until(broker.services.pool.lease_waiters.count)
    broker.json("DELETE", f"/leases/{first['id']}")
    waiter.join(5)
    assert seen[0]["state"] == "active"


def test_a_post_that_waits_is_answered_when_the_lease_is_granted(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first = broker.lease()
    seen: list[dict] = []
    waiter = threading.Thread(target=lambda: seen.append(broker.json("POST", "/leases?wait_s=20", {})))
    waiter.start()
    wait_until(broker.services.pool.lease_waiters.count)
    broker.json("DELETE", f"/leases/{first['id']}")
    waiter.join(5)
    assert seen[0]["state"] == "active"


def test_past_the_budget_of_waiters_the_answer_comes_at_once_with_a_hint() -> None:
    with BrokerInProcess(max_waiters=0) as broker:
        broker.register("n1", "gpu")
        broker.lease()
        answer = broker.call("POST", "/leases?wait_s=20", json={})
        assert (answer.json["state"], answer.headers["Retry-After"]) == ("queued", "1")


def test_a_lease_that_is_not_renewed_expires_and_the_next_gets_its_device(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first, second = broker.lease(ttl_s=10), broker.lease()
    broker.report()
    assert broker.pass_time(9.9) == pytest.approx(broker.clock.now() + 0.1)
    broker.report()
    assert broker.json("GET", f"/leases/{first['id']}")["state"] == "active"
    broker.pass_time(0.2)
    assert broker.json("GET", f"/leases/{first['id']}")["state"] == "expired"
    assert broker.json("GET", f"/leases/{second['id']}")["state"] == "active"
    problem = broker.call("PATCH", f"/leases/{first['id']}", json={"ttl_s": 10})
    assert (problem.status_code, problem.json["type"][-13:]) == (410, "lease-expired")


def test_renewal_lets_a_lease_last_from_now(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease(ttl_s=10)
    before = broker.report()["revision"]
    broker.clock.move(8)
    renewed = broker.json("PATCH", f"/leases/{lease['id']}", {"ttl_s": 14})
    assert (renewed["ttl_s"], renewed["expires_at"]) == (14, "2027-01-15T08:00:22.000Z")
    told = broker.report()
    assert told["revision"] > before
    assert told["leases"][0]["expires_at"] == renewed["expires_at"]
    broker.pass_time(13)
    assert broker.json("GET", f"/leases/{lease['id']}")["state"] == "active"


def test_a_queued_lease_cannot_be_renewed(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.lease()
    problem = broker.call("PATCH", f"/leases/{broker.lease()['id']}", json={"ttl_s": 10})
    assert (problem.status_code, problem.json["type"]) == (409, "https://accelpool.dev/problems/conflict")


def test_giving_back_is_idempotent_and_a_queued_request_is_withdrawn(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first, second = broker.lease(), broker.lease()
    assert broker.json("DELETE", f"/leases/{second['id']}")["state"] == "withdrawn"
    ended = broker.json("DELETE", f"/leases/{first['id']}")
    broker.clock.move(5)
    assert broker.json("DELETE", f"/leases/{first['id']}") == ended
    problem = broker.call("PATCH", f"/leases/{first['id']}", json={"ttl_s": 10})
    assert (problem.status_code, problem.json["type"][-13:]) == (410, "lease-revoked")


def test_a_request_not_granted_in_its_time_is_withdrawn(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    broker.lease()
    waiting = broker.lease(queue_timeout_s=3)
    broker.pass_time(3)
    ended = broker.json("GET", f"/leases/{waiting['id']}")
    assert (ended["state"], ended["reason"][:7]) == ("withdrawn", "timeout")


def test_a_request_that_nobody_reads_does_not_block_the_queue(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    first = broker.lease(ttl_s=100)
    forgotten, patient = broker.lease(ttl_s=10), broker.lease(ttl_s=10)
    for _ in range(3):
        broker.pass_time(6)
        broker.report()
        broker.json("GET", f"/leases/{patient['id']}")
    assert broker.json("GET", f"/leases/{forgotten['id']}")["state"] == "expired"
    broker.json("DELETE", f"/leases/{first['id']}")
    assert broker.json("GET", f"/leases/{patient['id']}")["state"] == "active"


def test_the_same_idempotency_key_gives_the_same_lease(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    key = {"Idempotency-Key": "k1"}
    first = broker.call("POST", "/leases", json={"kind": "gpu"}, headers=key)
    again = broker.call("POST", "/leases", json={"kind": "gpu"}, headers=key)
    other = broker.call("POST", "/leases", json={"kind": "any"}, headers=key)
    assert first.json == again.json
    assert (other.status_code, other.json["type"]) == (409, "https://accelpool.dev/problems/conflict")
    assert len(broker.json("GET", "/leases")["items"]) == 1


def test_a_request_that_can_never_be_served_is_refused_with_the_reason_per_device(
    broker: BrokerInProcess,
) -> None:
    empty = broker.call("POST", "/leases", json={})
    assert (empty.status_code, empty.json["devices"]) == (422, {})
    assert "no node has registered" in empty.json["detail"]
    broker.register("n1", "cpu:c0")
    problem = broker.call("POST", "/leases", json={"kind": "gpu"}).json
    assert problem["type"] == "https://accelpool.dev/problems/unsatisfiable"
    [device] = broker.json("GET", "/devices")["items"]
    assert problem["devices"] == {device["id"]: "it is of kind cpu, not gpu"}
    assert broker.json("GET", "/leases")["items"] == []


def test_leases_are_listed_newest_first_by_pages_and_by_state(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    ids = [broker.lease()["id"] for _ in range(5)]
    page = broker.json("GET", "/leases?limit=2")
    found = [item["id"] for item in page["items"]]
    while page["next_cursor"]:
        page = broker.json("GET", f"/leases?limit=2&cursor={page['next_cursor']}")
        found += [item["id"] for item in page["items"]]
    assert found == ids[::-1]
    queued = broker.json("GET", "/leases?state=queued")["items"]
    assert [(item["id"], item["position"]) for item in queued] == [
        (id, place) for place, id in reversed(list(enumerate(ids[1:], 1)))
    ]


def test_ended_leases_are_forgotten_after_a_while(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu")
    lease = broker.lease()
    broker.json("DELETE", f"/leases/{lease['id']}")
    broker.pass_time(8 * 24 * 3600)
    problem = broker.call("GET", f"/leases/{lease['id']}")
    assert (problem.status_code, problem.json["type"][-15:]) == (404, "lease-not-found")


def test_after_a_restart_nobody_pays_for_the_time_without_a_broker(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path) as broker:
        broker.register("n1", "gpu")
        held, queued = broker.lease(ttl_s=10), broker.lease(ttl_s=10, queue_timeout_s=10)
    broker.clock.move(3600)
    with BrokerInProcess(tmp_path, broker.clock) as again:
        again.pass_time(14.9)
        assert again.json("GET", f"/leases/{held['id']}")["state"] == "active"
        assert again.json("GET", f"/leases/{queued['id']}")["state"] == "queued"
        again.pass_time(0.2)
        assert again.json("GET", f"/leases/{held['id']}")["state"] == "lost"
        assert again.json("GET", f"/leases/{queued['id']}")["state"] == "withdrawn"


def test_a_token_that_was_changed_no_longer_lets_anybody_in(tmp_path: Path) -> None:
    with BrokerInProcess(tmp_path) as broker:
        old = broker.services.file_tokens["user"]
    (tmp_path / "tokens.json").write_text('{"user": "new", "node": "other"}')
    with BrokerInProcess(tmp_path) as again:
        assert again.json("GET", "/leases")["items"] == []
        refused = again.client.get("/leases", headers={"Authorization": f"Bearer {old}"})
        assert refused.status_code == 401
