"""Allocation through REST: parts, alternatives, explanations, resizing, tenants, drains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from accelpool_broker.scheduler import Policy
from accelpool_broker.testing import GIB, BrokerInProcess


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess(policy=Policy(min_run_s=0.0, grace_s=30.0)) as running:
        running.register("n1", "gpu:a", "gpu:b", "cpu:c")
        yield running


def refusal(broker: BrokerInProcess, method: str, path: str, body: Any) -> tuple[str, str]:
    answer = broker.call(method, path, json=body).get_json()
    return answer["type"].rsplit("/", 1)[1], answer["detail"]


def parts(lease: dict[str, Any]) -> list[tuple[str, int, float]]:
    return [(share["name"], share["memory_bytes"], share["compute"]) for share in lease["shares"]]


# ---- what is asked for


def test_two_leases_have_parts_of_one_device_and_a_third_waits(broker: BrokerInProcess) -> None:
    first = broker.lease(device="n1/a", compute=0.75)
    second = broker.lease(device="n1/a", memory_fraction=0.25)
    assert (parts(first), parts(second)) == ([("a", 6 * GIB, 0.75)], [("a", 2 * GIB, 0.25)])
    [device] = [one for one in broker.json("GET", "/devices")["items"] if one["name"] == "a"]
    assert (device["leases"], device["free"]) == (
        [first["id"], second["id"]],
        {"memory_bytes": 0, "compute": 0.0},
    )
    third = broker.lease(device="n1/a", compute=0.25)
    assert third["state"] == "queued"
    broker.json("DELETE", f"/leases/{first['id']}")
    assert broker.json("GET", f"/leases/{third['id']}")["state"] == "active"


def test_the_nodes_work_tells_what_parts_it_serves(broker: BrokerInProcess) -> None:
    broker.lease(device="n1/a", compute=0.5)
    [lease] = broker.report()["leases"]
    assert [(one["memory_bytes"], one["compute"]) for one in lease["devices"]] == [(4 * GIB, 0.5)]


def test_the_first_alternative_that_can_be_served_is(broker: BrokerInProcess) -> None:
    lease = broker.lease(alternatives=[{"kind": "gpu", "memory_bytes": GIB, "count": 2}, {"kind": "cpu"}])
    assert (lease["alternative"], len(lease["shares"])) == (0, 2)
    for name in ("a", "b"):
        broker.lease(device=f"n1/{name}", compute=0.875)
    lease = broker.lease(alternatives=[{"kind": "gpu"}, {"kind": "cpu"}])
    assert (lease["alternative"], lease["shares"][0]["name"]) == (1, "c")
    assert [one["kind"] for one in lease["alternatives"]] == ["gpu", "cpu"]


def test_an_expression_chooses_a_device_and_is_told(broker: BrokerInProcess) -> None:
    broker.json("PATCH", "/nodes/n1", {"labels": {"rack": "b7"}})
    lease = broker.lease(where='device.labels.rack == "b7" && device.name == "b"')
    assert [share["name"] for share in lease["shares"]] == ["b"]
    assert lease["alternatives"][0]["where"].startswith("device.labels")


def test_a_request_says_what_its_programs_are_written_for(broker: BrokerInProcess) -> None:
    lease = broker.lease(api="opencl")
    assert lease["alternatives"][0]["api"] == "opencl"
    assert refusal(broker, "POST", "/leases", {"api": "cuda"})[0] == "unsatisfiable"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"api": "vulkan"}, "api"),
        ({"where": "device.kind =="}, "where: `where` is no valid expression: 1:15: Syntax error"),
        ({"where": "1 + 1"}, "where: `where` must be true or false for a device; it is of type INT"),
        ({"where": "x" * 2001}, "where"),
        ({"compute": 0}, "compute"),
        ({"compute": 1.01}, "compute"),
        ({"memory_bytes": 1, "memory_fraction": 0.5}, "give memory either in bytes or as a fraction"),
        ({"exclusive": True, "compute": 0.5}, "an exclusive device is whole"),
        ({"alternatives": [{}], "count": 2}, "with alternatives count belongs into each of them"),
        ({"alternatives": [{}] * 9}, "alternatives"),
        ({"alternatives": [{"priority": 1}]}, "priority"),
        ({"placement": "far"}, "placement"),
        ({"tenant": "a//b"}, "tenant"),
        ({"tenant": "a/b/c/d/e"}, "tenant"),
        ({"priority": 1001}, "priority"),
        ({"tolerates": ["t"] * 33}, "tolerates"),
        ({"max_duration_s": 0}, "max_duration_s"),
    ],
)
def test_a_request_out_of_form_is_refused_by_name(
    broker: BrokerInProcess, body: dict[str, Any], told: str
) -> None:
    kind, detail = refusal(broker, "POST", "/leases", body)
    assert kind == "invalid"
    assert told in detail


def test_what_can_never_be_served_is_refused_with_the_reason_per_device(broker: BrokerInProcess) -> None:
    answer = broker.call("POST", "/leases", json={"where": "device.attributes.nope == 1"})
    assert answer.status_code == 422
    assert set(answer.get_json()["devices"].values()) == {
        '`where` cannot be told for it: NOT_FOUND: Key not found in map : "nope"'
    }


# ---- explanations


def test_a_wait_is_explained_device_by_device_with_its_earliest_end(broker: BrokerInProcess) -> None:
    for name, duration_s in (("a", 600), ("b", 900)):
        broker.lease(device=f"n1/{name}", max_duration_s=duration_s)
    waiting = broker.lease(kind="gpu")
    told = broker.json("GET", f"/leases/{waiting['id']}/explanation")
    assert (told["state"], told["position"], told["reason"]) == ("queued", 1, "2 devices would do: 2 leased")
    assert told["earliest_at"] == "2027-01-15T08:10:00.000Z"
    assert [(one["name"], one["verdict"], len(one["leases"])) for one in told["devices"]] == [
        ("a", "leased", 1),
        ("b", "leased", 1),
        ("c", "it is of kind cpu, not gpu", 0),
    ]


def test_of_leases_without_an_end_nobody_knows_the_earliest(broker: BrokerInProcess) -> None:
    broker.lease(kind="cpu")
    waiting = broker.lease(kind="cpu")
    assert broker.json("GET", f"/leases/{waiting['id']}/explanation")["earliest_at"] is None


def test_what_is_kept_for_an_earlier_request_is_named(broker: BrokerInProcess) -> None:
    broker.lease(device="n1/a")
    large = broker.lease(kind="gpu", count=2)
    small = broker.lease(kind="gpu")
    [verdict] = [
        one["verdict"]
        for one in broker.json("GET", f"/leases/{small['id']}/explanation")["devices"]
        if one["name"] == "b"
    ]
    assert verdict == f"kept for {large['id']}, which comes before it"


# ---- resizing


def test_a_live_lease_grows_into_what_is_free_and_shrinks(broker: BrokerInProcess) -> None:
    lease = broker.lease(device="n1/a", compute=0.5)
    broker.lease(device="n1/a", compute=0.25)
    path = f"/leases/{lease['id']}"
    grown = broker.json("PATCH", path, {"compute": 0.75, "memory_bytes": 5 * GIB, "ttl_s": 120})
    assert parts(grown) == [("a", 5 * GIB, 0.75)]
    assert refusal(broker, "PATCH", path, {"compute": 0.76}) == (
        "conflict",
        f"a has {6 * GIB} bytes and 0.75 of its compute that no other lease has: "
        "ask for less, or for another lease",
    )
    assert refusal(broker, "PATCH", path, {"memory_bytes": 9 * GIB})[0] == "unsatisfiable"
    waiting = broker.lease(device="n1/a", compute=0.5)
    broker.json("PATCH", path, {"compute": 0.25, "memory_bytes": GIB})
    assert broker.json("GET", f"/leases/{waiting['id']}")["state"] == "active"


def test_a_lease_does_not_grow_beyond_its_tenants_quota(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/t", {"quota_devices": 0.5})
    lease = broker.lease(kind="gpu", compute=0.5, tenant="t")
    kind, detail = refusal(broker, "PATCH", f"/leases/{lease['id']}", {"compute": 0.75})
    assert (kind, "quota of 0.5 devices" in detail) == ("conflict", True)
    assert parts(broker.json("GET", f"/leases/{lease['id']}"))[0][2] == 0.5


def test_a_lease_shrinks_though_its_tenant_has_too_much(broker: BrokerInProcess) -> None:
    lease = broker.lease(kind="gpu", compute=0.75, tenant="t")
    broker.json("PUT", "/tenants/t", {"quota_devices": 0.25})
    smaller = broker.json("PATCH", f"/leases/{lease['id']}", {"compute": 0.5})
    assert parts(smaller)[0][2] == 0.5


# ---- tenants


def test_a_quota_makes_a_request_wait_and_one_beyond_it_is_refused(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/org", {"quota_devices": 1})
    assert broker.lease(tenant="org/team", kind="gpu")["state"] == "active"
    waiting = broker.lease(tenant="org/other", kind="gpu")
    assert waiting["reason"] == "tenant org has 1 of its quota of 1 devices, 1 more are wanted"
    kind, detail = refusal(broker, "POST", "/leases", {"tenant": "org", "count": 2})
    assert (kind, "the quota does not allow this, ever" in detail) == ("unsatisfiable", True)


def test_a_tenant_is_charged_for_what_it_has_while_it_runs_and_afterwards(broker: BrokerInProcess) -> None:
    lease = broker.lease(kind="gpu", compute=0.5, tenant="t", ttl_s=86400)
    broker.clock.move(3600)
    broker.json("DELETE", f"/leases/{lease['id']}")
    broker.clock.move(3600)
    tenant = broker.json("GET", "/tenants/t")
    assert (tenant["spent_device_hours"], tenant["active_leases"]) == (0.5, 0)
    assert 0.49 < tenant["recent_device_hours"] < 0.5
    assert broker.json("PUT", "/tenants/t", {"reset_device_hours": True})["spent_device_hours"] == 0.0


def test_a_reset_counts_what_those_below_have_used_from_zero_too(broker: BrokerInProcess) -> None:
    rules = {"quota_device_hours": 1}
    broker.json("PUT", "/tenants/org", rules)
    ended = broker.lease(kind="gpu", tenant="org/team", ttl_s=86400)
    running = broker.lease(kind="gpu", tenant="org/other", ttl_s=86400)
    broker.clock.move(3600)
    broker.report()
    broker.json("DELETE", f"/leases/{ended['id']}")
    assert broker.json("GET", f"/leases/{running['id']}")["notice"]["why"] == "quota"
    broker.json("PUT", "/tenants/org", {**rules, "reset_device_hours": True})
    assert broker.json("GET", f"/leases/{running['id']}")["notice"] is None
    assert broker.lease(kind="gpu", tenant="org/team")["state"] == "active"


def test_a_lease_is_told_and_then_revoked_when_the_device_hours_are_used_up(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/t", {"quota_device_hours": 1})
    lease = broker.lease(kind="gpu", tenant="t", ttl_s=86400)
    keep_alive(broker, 3600)
    told = broker.json("GET", f"/leases/{lease['id']}")
    assert (told["state"], told["notice"]["why"]) == ("active", "quota")
    keep_alive(broker, 31)
    ended = broker.json("GET", f"/leases/{lease['id']}")
    assert (ended["state"], ended["reason"]) == (
        "revoked", "tenant t has used up its quota of 1 device-hours"
    )  # fmt: skip


def keep_alive(broker: BrokerInProcess, seconds: float) -> None:
    """Let time pass with a node that reports."""
    broker.clock.move(seconds)
    broker.report()
    broker.services.pool.tick()


def test_priorities_are_for_tenants_that_may_have_them(broker: BrokerInProcess) -> None:
    assert refusal(broker, "POST", "/leases", {"priority": 1}) == (
        "forbidden",
        "tenant default may ask for priorities up to 0, not 1",
    )
    broker.json("PUT", "/tenants/ops", {"max_priority": 10})
    assert broker.lease(tenant="ops", priority=10)["priority"] == 10
    assert broker.lease(priority=-5)["priority"] == -5


def test_only_rules_bound_priorities_not_that_a_tenant_was_charged(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/org", {"max_priority": 10})
    broker.json("PUT", "/tenants/top/team", {"max_priority": 5})
    for tenant in ("org/team", "top"):
        lease = broker.lease(tenant=tenant)
        broker.json("DELETE", f"/leases/{lease['id']}")
    assert broker.lease(tenant="org/team", priority=10)["priority"] == 10
    assert broker.lease(tenant="top/team", priority=5)["priority"] == 5
    assert refusal(broker, "POST", "/leases", {"tenant": "org/team", "priority": 11})[0] == "forbidden"


def test_a_preempted_lease_is_told_has_its_grace_and_is_revoked(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/ops", {"max_priority": 10})
    victim = broker.lease(kind="cpu", preemptible=True)
    urgent = broker.lease(kind="cpu", tenant="ops", priority=10)
    told = broker.json("GET", f"/leases/{victim['id']}")
    assert (told["state"], told["notice"]["why"], told["notice"]["revoke_at"]) == (
        "active", "preempted", "2027-01-15T08:00:30.000Z"
    )  # fmt: skip
    keep_alive(broker, 10)
    broker.json("GET", f"/leases/{urgent['id']}")
    assert broker.json("GET", f"/leases/{victim['id']}")["state"] == "active"
    keep_alive(broker, 20)
    assert broker.json("GET", f"/leases/{victim['id']}")["state"] == "revoked"
    assert broker.json("GET", f"/leases/{urgent['id']}")["state"] == "active"


def test_a_notice_is_taken_back_when_the_urgent_request_goes(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/ops", {"max_priority": 10})
    victim = broker.lease(kind="cpu", preemptible=True)
    urgent = broker.lease(kind="cpu", tenant="ops", priority=10)
    broker.json("DELETE", f"/leases/{urgent['id']}")
    assert broker.json("GET", f"/leases/{victim['id']}")["notice"] is None


def test_tenants_are_listed_and_forgotten_once_they_have_no_leases(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/a/b", {"weight": 2})
    lease = broker.lease(tenant="a/b")
    assert [(one["name"], one["weight"]) for one in broker.json("GET", "/tenants")["items"]] == [("a/b", 2.0)]
    assert refusal(broker, "DELETE", "/tenants/a/b", None)[0] == "conflict"
    broker.json("DELETE", f"/leases/{lease['id']}")
    assert broker.call("DELETE", "/tenants/a/b").status_code == 204
    assert refusal(broker, "GET", "/tenants/a/b", None)[0] == "not-found"


@pytest.mark.parametrize("name", ["a b", "a//b", "a/b/c/d/e", "x" * 65, "a/..b", ".a"])
def test_a_tenants_name_out_of_form_is_refused(broker: BrokerInProcess, name: str) -> None:
    assert broker.call("PUT", f"/tenants/{name}", json={}).status_code in (400, 404, 422)


# ---- idle leases


def report(broker: BrokerInProcess, seconds: float, sequence: int, **busy_s: float) -> None:
    broker.clock.move(seconds)
    broker.report("n1", sequence=sequence, busy_s=busy_s)
    broker.services.pool.tick()


def test_a_lease_without_work_is_idle_is_told_and_ends_and_one_with_some_is_not(
    broker: BrokerInProcess,
) -> None:
    broker.json("PUT", "/tenants/t", {"idle_after_s": 60})
    idle = broker.lease(kind="gpu", tenant="t", ttl_s=3600)["id"]
    busy = broker.lease(kind="gpu", tenant="t", ttl_s=3600)["id"]
    for number in range(1, 9):
        report(broker, 10, number, **{idle: 0.1, busy: number * 1.0})
    told = broker.json("GET", f"/leases/{idle}")
    assert (told["idle_since"], told["notice"]["why"]) == ("2027-01-15T08:00:10.000Z", "idle")
    assert broker.json("GET", f"/leases/{busy}")["notice"] is None
    for number in range(9, 13):
        report(broker, 10, number, **{idle: 0.1, busy: number * 1.0})
    ended = broker.json("GET", f"/leases/{idle}")
    assert (ended["state"], ended["reason"]) == ("revoked", "it was idle for more than 60 s")
    assert broker.json("GET", f"/leases/{busy}")["state"] == "active"


def test_work_takes_the_notice_back(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/t", {"idle_after_s": 60})
    lease = broker.lease(kind="gpu", tenant="t", ttl_s=3600)["id"]
    for number in range(1, 9):
        report(broker, 10, number)
    report(broker, 10, 9, **{lease: 5.0})
    told = broker.json("GET", f"/leases/{lease}")
    assert (told["state"], told["idle_since"], told["notice"]) == ("active", None, None)


# ---- nodes


def test_a_cordoned_node_keeps_its_leases_and_takes_no_new_ones(broker: BrokerInProcess) -> None:
    kept = broker.lease(kind="gpu")
    broker.json("PATCH", "/nodes/n1", {"cordoned": True})
    waiting = broker.lease(kind="cpu")
    assert waiting["reason"] == "1 device would do: 1 cordoned"
    assert broker.json("GET", f"/leases/{kept['id']}")["notice"] is None
    assert broker.json("PATCH", "/nodes/n1", {"cordoned": False})["cordoned"] is False
    assert broker.json("GET", f"/leases/{waiting['id']}")["state"] == "active"


def test_leases_on_a_drained_node_are_told_and_end_in_time(broker: BrokerInProcess) -> None:
    lease = broker.lease(kind="gpu")
    drained = broker.json("PATCH", "/nodes/n1", {"drain_within_s": 40})
    assert (drained["cordoned"], drained["drain_at"]) == (True, "2027-01-15T08:00:40.000Z")
    notice = broker.json("GET", f"/leases/{lease['id']}")["notice"]
    assert (notice["why"], notice["reason"]) == ("drained", "node n1 is drained")
    keep_alive(broker, 40)
    assert broker.json("GET", f"/leases/{lease['id']}")["state"] == "revoked"


def test_a_taint_keeps_out_who_does_not_tolerate_it(broker: BrokerInProcess) -> None:
    broker.json("PATCH", "/nodes/n1", {"taints": ["maintenance"]})
    assert "taint maintenance" in refusal(broker, "POST", "/leases", {})[1]
    assert broker.lease(tolerates=["maintenance"])["state"] == "active"


def test_cordons_and_labels_outlive_a_restart_of_the_agent(broker: BrokerInProcess) -> None:
    broker.json("PATCH", "/nodes/n1", {"cordoned": True, "labels": {"rack": "r1"}})
    broker.register("n1", "gpu:a", boot_id="boot-2")
    node = broker.json("GET", "/nodes/n1")
    assert (node["cordoned"], node["labels"]) == (True, {"rack": "r1"})


def test_a_lease_ends_when_it_has_lasted_as_long_as_it_may(broker: BrokerInProcess) -> None:
    lease = broker.lease(max_duration_s=100, ttl_s=60)
    keep_alive(broker, 50)
    broker.json("PATCH", f"/leases/{lease['id']}", {"ttl_s": 86400})
    keep_alive(broker, 50)
    ended = broker.json("GET", f"/leases/{lease['id']}")
    assert (ended["state"], ended["reason"]) == ("expired", "it has lasted as long as it may")


def test_restarts_of_the_broker_do_not_prolong_a_lease_past_its_longest_time(broker: BrokerInProcess) -> None:
    lease = broker.lease(kind="gpu", max_duration_s=20, ttl_s=3600)
    broker.clock.move(10)
    broker.services.pool.resume()
    broker.clock.move(10)
    broker.services.pool.resume()
    assert broker.json("GET", f"/leases/{lease['id']}")["reason"] == "it has lasted as long as it may"
