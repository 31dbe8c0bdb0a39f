"""Whose turn it is, who yields, and what is kept for whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from tests.unit.scheduler_rig import GIB, device, granted, lease, plan, request

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler import (
    Demand,
    Inventory,
    NodeView,
    Notice,
    Placement,
    Quota,
    TenantView,
    Why,
    never_within_quota,
)

DAY = 86400.0


def told(why: Why, revoke_at: float, lease: str = "a") -> Notice:
    return Notice(lease=lease, why=why, reason="said", revoke_at=revoke_at)


# ---- order


def test_higher_priorities_are_served_first() -> None:
    decisions = plan([device("a")], [request(1), request(2, priority=5)])
    assert granted(decisions) == {"r2": ["a"]}
    assert [wait.lease for wait in decisions.waits] == ["r1"]


def test_tenants_take_turns_within_one_pass() -> None:
    queue = [request(order, tenant="a") for order in (1, 2, 3)] + [
        request(order, tenant="b") for order in (4, 5)
    ]
    devices = [device(f"d{number}") for number in range(4)]
    assert sorted(granted(plan(devices, queue))) == ["r1", "r2", "r4", "r5"]


def test_a_tenant_of_twice_the_weight_gets_twice_as_much() -> None:
    queue = [request(order, tenant="ab"[order % 2]) for order in range(20)]
    tenants = [TenantView(name="a", weight=2.0), TenantView(name="b")]
    found = granted(plan([device(f"d{number}") for number in range(9)], queue, tenants=tenants))
    assert sum(int(name[1:]) % 2 == 0 for name in found) == 6


@pytest.mark.parametrize(("elapsed_s", "first"), [(0.0, "b"), (20 * 7 * DAY, "a")])
def test_past_use_counts_and_is_forgotten_with_time(elapsed_s: float, first: str) -> None:
    tenants = [
        TenantView(name="a", used_device_s=1e5),
        TenantView(name="b", used_device_s=10.0, used_at=elapsed_s),
    ]
    queue = [request(1, tenant="a", unread_at=1e9), request(2, tenant="b", unread_at=1e9)]
    nodes = [NodeView(name="n1", lost_at=1e9)]
    decisions = plan([device("d")], queue, nodes=nodes, tenants=tenants, now=elapsed_s)
    assert granted(decisions) == {"r1" if first == "a" else "r2": ["d"]}


def test_tenants_below_one_share_what_it_gets() -> None:
    names = ["x/one", "x/two", "x/three", "y"]
    queue = [request(order, tenant=names[order % 4]) for order in range(40)]
    found = granted(plan([device(f"d{number}") for number in range(12)], queue))
    per_tenant = {name: sum(names[int(id[1:]) % 4] == name for id in found) for name in names}
    assert per_tenant == {"x/one": 2, "x/two": 2, "x/three": 2, "y": 6}


# ---- quotas


@pytest.mark.parametrize(
    ("quota", "reason"),
    [
        (Quota(devices=1.5), "tenant t has 1 of its quota of 1.5 devices, 1 more are wanted"),
        (
            Quota(memory_bytes=9 * GIB),
            f"tenant t has {8 * GIB} of its quota of {9 * GIB} bytes of device memory, "
            f"{8 * GIB} more are wanted",
        ),
        (Quota(device_hours=0.5), "tenant t has used up its quota of 0.5 device-hours"),
    ],
)
def test_a_quota_binds_a_tenant_and_all_below_it_and_keeps_nothing_from_others(
    quota: Quota, reason: str
) -> None:
    tenants = [TenantView(name="t", quota=quota), TenantView(name="t/u", spent_device_s=1800.0)]
    queue = [request(1, tenant="t/u"), request(2, tenant="other")]
    devices = [device("a"), device("b")]
    decisions = plan(devices, queue, [lease("a", tenant="t", granted_at=0.0)], tenants=tenants)
    assert granted(decisions) == {"r2": ["b"]}
    assert [wait.reason for wait in decisions.waits] == [reason]


def test_a_part_of_a_device_counts_as_a_part() -> None:
    tenants = [TenantView(name="t", quota=Quota(devices=0.5))]
    queue = [request(1, tenant="t", compute_ppm=500_000), request(2, tenant="t", compute_ppm=1)]
    assert sorted(granted(plan([device("a")], queue, tenants=tenants))) == ["r1"]


def test_leases_of_a_tenant_without_device_hours_are_told_to_end_when_they_are_used_up() -> None:
    tenants = [TenantView(name="t", quota=Quota(device_hours=1.0), spent_device_s=3000.0)]
    running = lease("a", tenant="t", granted_at=0.0)
    nodes = [NodeView(name="n1", lost_at=1e9)]
    before = plan([device("a")], [], [running], nodes, now=100.0, tenants=tenants)
    assert (before.notices, before.wake_at) == ((), 600.0)
    (notice,) = plan([device("a")], [], [running], nodes, now=600.0, tenants=tenants).notices
    assert (notice.why, notice.revoke_at) == (Why.QUOTA, 630.0)


# ---- keeping and backfill


def test_a_large_request_is_not_passed_for_ever_by_small_ones_on_parts() -> None:
    leases = [lease("a", id="x", compute=0.5)]
    decisions = plan([device("a")], [request(1), request(2, compute_ppm=250_000)], leases)
    assert granted(decisions) == {}


@pytest.mark.parametrize(
    ("options", "is_granted"),
    [
        ({}, False),
        ({"duration_s": 600.0}, True),
        ({"duration_s": 601.0}, False),
        ({"is_preemptible": True}, True),
    ],
)
def test_what_is_kept_goes_to_those_who_end_soon_or_yield(
    options: dict[str, object], is_granted: bool
) -> None:
    devices = [device("a"), device("b")]
    decisions = plan(devices, [request(1, count=2), request(2, **options)], [lease("a")])
    assert [grant.is_backfill for grant in decisions.grants] == ([True] if is_granted else [])


def test_a_backfilled_lease_yields_to_the_request_that_it_passed() -> None:
    passed = lease("b", id="y", order=2, is_preemptible=True, is_backfill=True, expires_at=1e9)
    decisions = plan([device("a"), device("b")], [request(1, count=2)], [passed], now=90.0)
    assert [(notice.lease, notice.why) for notice in decisions.notices] == [("y", Why.PREEMPTED)]


# ---- preemption


def test_a_higher_priority_ends_a_preemptible_lease_after_a_grace_time() -> None:
    running = lease("a", is_preemptible=True)
    decisions = plan([device("a")], [request(1, priority=1)], [running], now=90.0)
    assert [(n.lease, n.why, n.reason, n.revoke_at) for n in decisions.notices] == [
        ("a", Why.PREEMPTED, "it was preempted: request r1 of priority 1 comes before it", 120.0)
    ]
    ended = plan(
        [device("a")], [request(1, priority=1)], [lease("a", notice=told(Why.PREEMPTED, 95.0))], now=95.0
    )
    assert [(end.lease, end.state, end.reason) for end in ended.ends] == [("a", LeaseState.REVOKED, "said")]
    assert granted(ended) == {"r1": ["a"]}


@pytest.mark.parametrize(
    ("running", "claim"),
    [
        ({"is_preemptible": False}, {"priority": 9}),
        ({"is_preemptible": True, "priority": 1}, {"priority": 1}),
        ({"is_preemptible": True, "granted_at": 31.0}, {"priority": 1}),
        ({"is_preemptible": True}, {"priority": 1, "count": 2, "kind": "gpu"}),
    ],
)
def test_others_run_on(running: dict[str, object], claim: dict[str, object]) -> None:
    devices = [device("a"), device("b")]
    leases = [lease("a", **running), lease("b", id="b")]
    assert plan(devices, [request(1, **claim)], leases, now=90.0).notices == ()


def test_a_lease_too_young_to_yield_is_looked_at_again_when_it_is_old_enough() -> None:
    decisions = plan(
        [device("a")], [request(1, priority=1)], [lease("a", is_preemptible=True, granted_at=29.0)], now=88.0
    )
    assert decisions.wake_at == 89.0


def test_the_lowest_priority_yields_first_and_no_more_than_needed() -> None:
    devices = [device(name) for name in "abc"]
    leases = [
        lease(name, id=name, is_preemptible=True, priority=priority)
        for name, priority in zip("abc", (2, 1, 3), strict=True)
    ]
    decisions = plan(devices, [request(1, priority=5)], leases, now=90.0)
    assert [notice.lease for notice in decisions.notices] == ["b"]


def test_who_was_told_already_yields_rather_than_another() -> None:
    devices = [device("a"), device("b")]
    leases = [
        lease("a", id="a", is_preemptible=True, notice=told(Why.PREEMPTED, 100.0)),
        lease("b", id="b", is_preemptible=True, priority=-1),
    ]
    decisions = plan(devices, [request(1, priority=5)], leases, now=90.0)
    assert (decisions.notices, decisions.withdrawn_notices) == ((), ())


def test_a_notice_is_taken_back_when_nobody_needs_it() -> None:
    running = lease("a", is_preemptible=True, notice=told(Why.PREEMPTED, 100.0))
    assert plan([device("a")], [], [running], now=90.0).withdrawn_notices == ("a",)


def test_a_tenant_with_too_much_yields_to_one_with_too_little_and_not_back() -> None:
    devices = [device("a"), device("b")]
    leases = [
        lease("a", id="a", tenant="t", is_preemptible=True),
        lease("b", id="b", tenant="t", is_preemptible=True),
    ]
    decisions = plan(devices, [request(9, tenant="u")], leases, now=90.0)
    assert len(decisions.notices) == 1
    swapped = [leases[0], lease("b", id="b", tenant="u", is_preemptible=True)]
    assert plan(devices, [request(10, tenant="t")], swapped, now=90.0).notices == ()


@pytest.mark.parametrize(("counts", "yielding"), [((1, 1), 2), ((4,), 0), ((3,), 3), ((1, 1, 1, 1), 3)])
def test_a_tenant_never_yields_so_much_that_it_has_less_than_those_it_yields_to(
    counts: tuple[int, ...], yielding: int
) -> None:
    devices = [device(f"d{number}") for number in range(6)]
    leases = [lease(one.id, id=one.id, tenant="t", is_preemptible=True) for one in devices]
    queue = [request(9 + order, tenant="u", count=count) for order, count in enumerate(counts)]
    assert len(plan(devices, queue, leases, now=90.0).notices) == yielding


def test_what_one_tenant_alone_may_not_give_several_may() -> None:
    devices = [device(f"d{number}") for number in range(6)]
    leases = [
        lease(one.id, id=one.id, tenant="st"[number // 3], is_preemptible=True)
        for number, one in enumerate(devices)
    ]
    notices = plan(devices, [request(9, tenant="u", count=2)], leases, now=90.0).notices
    assert Counter("st"[int(notice.lease[1:]) // 3] for notice in notices) == {"s": 1, "t": 1}


def test_what_is_granted_to_yield_is_looked_at_when_it_may() -> None:
    queue = [request(1, is_preemptible=True), request(2)]
    assert plan([device("a")], queue, nodes=[NodeView(name="n1", lost_at=1e9)]).wake_at == 60.0


# ---- what is kept


def test_devices_are_kept_on_a_node_that_has_enough() -> None:
    devices = [device("a"), device("b"), *(device(f"c{number}", node="n2") for number in range(4))]
    leases = [lease(f"c{number}", id=f"l{number}", node="n2") for number in range(3)]
    queue = [
        request(1, count=4, placement=Placement.SAME_NODE, priority=1),
        request(2, device="c3"),
        request(3, device="a"),
    ]
    assert granted(plan(devices, queue, leases)) == {"r3": ["a"]}


def test_free_devices_are_kept_beside_those_that_others_yield() -> None:
    devices = [device(id, node=id[0]) for id in ("a1", "a2", "a3", "b1", "b2", "b3")]
    leases = [lease("a3", id="x", node="a"), lease("b1", id="y", node="b", is_preemptible=True)]
    queue = [
        request(1, count=3, placement=Placement.SAME_NODE, priority=1),
        request(2, device="b2"),
        request(3, device="a1"),
    ]
    decisions = plan(devices, queue, leases, now=90.0)
    assert [notice.lease for notice in decisions.notices] == ["y"]
    assert granted(decisions) == {"r3": ["a1"]}


@pytest.mark.parametrize("counts", [(3, 2), (2, 3)])
def test_what_one_alternative_may_have_is_kept_though_another_exceeds_a_quota(
    counts: tuple[int, int],
) -> None:
    devices = [device("a"), device("b"), device("c")]
    leases = [lease("b", id="x"), lease("c", id="y")]
    tenants = [TenantView(name="t", quota=Quota(devices=2.0))]
    queue = [
        request(1, Demand(count=counts[1]), count=counts[0], tenant="t", priority=1),
        request(2),
    ]
    assert granted(plan(devices, queue, leases, tenants=tenants)) == {}


def test_a_quota_of_memory_refuses_only_what_no_device_would_meet() -> None:
    inventory = Inventory([], [device("g", memory_bytes=80 * GIB), device("c", "cpu")])
    tenants = [TenantView(name="t", quota=Quota(memory_bytes=16 * GIB))]
    assert never_within_quota(request(1, tenant="t"), inventory, tenants) == ""
    assert never_within_quota(request(1, tenant="t", kind="gpu"), inventory, tenants) != ""


# ---- other ends


@pytest.mark.parametrize("why", [Why.IDLE, Why.QUOTA])
def test_a_drain_does_not_prolong_what_ends_before(why: Why) -> None:
    nodes = [NodeView(name="n1", lost_at=1e9, is_cordoned=True, drain_at=1e6)]
    hours = Quota(device_hours=0.0 if why is Why.QUOTA else None)
    tenants = [TenantView(name="t", idle_after_s=30.0, quota=hours)]
    idle_since = 0.0 if why is Why.IDLE else None
    running = lease("a", tenant="t", idle_since=idle_since, notice=told(why, 100.0))
    decisions = plan([device("a")], [], [running], nodes, now=90.0, tenants=tenants)
    assert (decisions.notices, decisions.withdrawn_notices) == ((), ())
    late = lease("a", tenant="t", idle_since=idle_since, notice=told(Why.DRAINED, 1e6))
    (notice,) = plan([device("a")], [], [late], nodes, now=90.0, tenants=tenants).notices
    assert (notice.why, notice.revoke_at) == (why, 120.0)


def test_a_drain_without_time_ends_leases_at_once() -> None:
    nodes = [NodeView(name="n1", lost_at=1e9, is_cordoned=True, drain_at=90.0)]
    decisions = plan([device("a")], [], [lease("a")], nodes, now=90.0)
    assert [(end.state, end.reason) for end in decisions.ends] == [(LeaseState.REVOKED, "node n1 is drained")]


def test_a_lease_with_a_late_end_is_preempted_all_the_same() -> None:
    nodes = [
        NodeView(name="n1", lost_at=1e9, is_cordoned=True, drain_at=1e6),
        NodeView(name="n2", lost_at=1e9),
    ]
    running = replace(lease("a", "b", is_preemptible=True, notice=told(Why.DRAINED, 1e6)), nodes=("n1", "n2"))
    devices = [device("a"), device("b", node="n2")]
    (notice,) = plan(devices, [request(9, priority=5)], [running], nodes, now=90.0).notices
    assert (notice.why, notice.revoke_at) == (Why.PREEMPTED, 120.0)


def test_one_word_follows_another_in_the_same_pass() -> None:
    busy = lease("a", is_preemptible=True, notice=told(Why.IDLE, 100.0))
    decisions = plan([device("a")], [request(9, priority=5)], [busy], now=90.0)
    assert [notice.why for notice in decisions.notices] == [Why.PREEMPTED]
    assert decisions.withdrawn_notices == ()


def test_a_quota_of_hours_is_looked_at_when_what_was_just_granted_has_used_it_up() -> None:
    tenants = [TenantView(name="t", quota=Quota(device_hours=0.01))]
    nodes = [NodeView(name="n1", lost_at=1e9)]
    assert plan([device("a")], [request(1, tenant="t")], nodes=nodes, tenants=tenants).wake_at == 36.0


def test_a_lease_ends_when_it_has_lasted_as_long_as_it_may() -> None:
    decisions = plan([device("a")], [], [lease("a", ends_at=50.0)], now=50.0)
    assert [(end.state, end.reason) for end in decisions.ends] == [
        (LeaseState.EXPIRED, "it has lasted as long as it may")
    ]


def test_leases_on_a_drained_node_are_told_when_they_end() -> None:
    nodes = [NodeView(name="n1", lost_at=1e9, is_cordoned=True, drain_at=500.0)]
    (notice,) = plan([device("a")], [], [lease("a")], nodes).notices
    assert (notice.why, notice.revoke_at, notice.reason) == (Why.DRAINED, 500.0, "node n1 is drained")


def test_idle_leases_are_told_by_the_rule_of_the_nearest_tenant_and_the_word_is_taken_back() -> None:
    tenants = [TenantView(name="t", idle_after_s=1e6), TenantView(name="t/u", idle_after_s=60.0)]
    nodes = [NodeView(name="n1", lost_at=1e9)]
    idle = lease("a", tenant="t/u/v", idle_since=10.0)
    assert plan([device("a")], [], [idle], nodes, now=69.0, tenants=tenants).wake_at == 70.0
    (notice,) = plan([device("a")], [], [idle], nodes, now=70.0, tenants=tenants).notices
    assert (notice.why, notice.revoke_at, notice.reason) == (
        Why.IDLE,
        100.0,
        "it was idle for more than 60 s",
    )
    busy = lease("a", tenant="t/u/v", notice=told(Why.IDLE, 100.0))
    assert plan([device("a")], [], [busy], nodes, now=80.0, tenants=tenants).withdrawn_notices == ("a",)


# ---- what the simulator found


def test_backfill_does_not_keep_a_device_busy_for_longer_than_it_is_anyway() -> None:
    """A whole device is waited for, a part of which is leased until 450: who lasts longer gets none."""
    leases = [lease("a", id="x", compute=0.25, ends_at=450.0)]
    whole = request(1)
    shorter = plan([device("a")], [whole, request(2, compute_ppm=1, duration_s=400.0)], leases, now=50.0)
    longer = plan([device("a")], [whole, request(2, compute_ppm=1, duration_s=401.0)], leases, now=50.0)
    assert (granted(shorter), granted(longer)) == ({"r2": ["a"]}, {})


def test_what_several_devices_are_gathered_for_is_backfilled_until_the_last_of_them_is_free() -> None:
    devices = [device("a"), device("b")]
    leases = [lease("a", id="x", ends_at=450.0)]
    gang = request(1, count=2)
    in_time = plan(devices, [gang, request(2, duration_s=400.0)], leases, now=50.0)
    too_late = plan(devices, [gang, request(2, duration_s=401.0)], leases, now=50.0)
    assert (granted(in_time), granted(too_late)) == ({"r2": ["b"]}, {})


def test_nobody_yields_to_a_request_while_an_earlier_one_would_get_what_is_left() -> None:
    devices = [device(name) for name in "abc"]
    leases = [
        lease("a", id="x"),
        lease("b", id="y"),
        lease("c", id="z", order=4, is_preemptible=True, is_backfill=True),
    ]
    decisions = plan(devices, [request(1, count=3), request(2)], leases, now=90.0)
    assert decisions.notices == ()


def test_a_preemptible_lease_is_looked_at_again_once_it_is_old_enough_to_yield() -> None:
    devices = [device("a"), device("b")]
    leases = [lease("a", id="x", expires_at=1e6)]
    nodes = [NodeView(name="n1", lost_at=1e6)]
    queue = [request(1, count=2), request(2, is_preemptible=True)]
    decisions = plan(devices, queue, leases, nodes, now=5.0)
    assert (granted(decisions), decisions.wake_at) == ({"r2": ["b"]}, 65.0)


def test_a_notice_that_may_be_taken_back_is_no_end_to_count_on() -> None:
    leases = [lease("a", id="x", notice=told(Why.PREEMPTED, 60.0, "x"))]
    queue = [request(1, count=2), request(2, duration_s=600.0)]
    assert granted(plan([device("a"), device("b")], queue, leases, now=50.0)) == {"r2": ["b"]}
