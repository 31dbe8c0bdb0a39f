"""Devices for a time to come: what is promised, what others may have of it before, who goes in time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.scheduler_rig import device, granted, lease, plan, request

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler import (
    WHOLE,
    Booking,
    Decisions,
    Demand,
    Inventory,
    NodeView,
    Notice,
    Policy,
    Quota,
    Request,
    Share,
    TenantView,
    Why,
    decide,
    explain,
    in_the_way,
)
from accelpool_broker.scheduler.holds import Hold, first_gap, peak

HALF, QUARTER = WHOLE // 2, WHOLE // 4
START, END = 1000.0, 2000.0
LEAD_S = 2 * Policy().grace_s


def nodes(*names: str, **options: Any) -> list[NodeView]:
    return [NodeView(name=name, lost_at=1e9, **options) for name in names or ("n1",)]


def timed(order: int, *on: str, compute: float = 1.0, **options: Any) -> Request:
    """Return a request from START to END, for which these devices are reserved if any are named."""
    shares = tuple(
        Share(device=name, memory_bytes=int((8 << 30) * compute), compute_ppm=round(WHOLE * compute))
        for name in on
    )
    times = {"starts_at": START, "ends_at": END, "unread_at": START + 60, **options}
    return request(order, duration_s=times["ends_at"] - times["starts_at"], reserved=shares, **times)


def running(name: str, **options: Any) -> Any:
    return lease(name, **{"id": f"on_{name}", "expires_at": 1e9, **options})


def decided(names: str, queue: list[Request], *leases: Any, **options: Any) -> Decisions:
    return plan([device(name) for name in names], queue, list(leases), **{"nodes": nodes(), **options})


def booked(decisions: Decisions) -> dict[str, list[str]]:
    return {booking.lease: [share.device for share in booking.shares] for booking in decisions.bookings}


# ---- acceptance


@pytest.mark.parametrize(
    ("options", "is_accepted"),
    [
        ({}, False),
        ({"ends_at": START}, True),
        ({"ends_at": START + 1}, False),
        ({"is_preemptible": True}, True),
        ({"is_preemptible": True, "granted_at": START - 60.0 - LEAD_S + 1}, False),
        ({"notice": Notice(lease="on_a", why=Why.IDLE, reason="", revoke_at=50.0)}, False),
    ],
)
def test_a_reservation_counts_on_leases_that_end_or_yield_before_it(
    options: dict[str, object], is_accepted: bool
) -> None:
    decisions = decided("a", [timed(1)], running("a", **options))
    assert booked(decisions) == ({"r1": ["a"]} if is_accepted else {})
    assert decisions.displaced == (() if is_accepted else ("r1",))


def test_a_reservation_that_is_accepted_says_from_when_to_when_and_stands_at_no_position() -> None:
    decisions = decided("a", [timed(1)])
    [wait] = decisions.waits
    assert (wait.position, wait.reason) == (
        None,
        "reserved from 1970-01-01 00:16:40 UTC until 1970-01-01 00:33:20 UTC",
    )
    assert decisions.bookings == (
        Booking(lease="r1", shares=(Share(device="a", memory_bytes=8 << 30),), alternative=0),
    )
    assert decisions.wake_at == START - LEAD_S


def test_one_that_is_not_says_what_is_in_the_way() -> None:
    outcome = decide(
        inventory=Inventory(nodes(), [device(name) for name in "ab"]),
        leases=[running("a")],
        queue=[timed(1, "b"), timed(2, count=2)],
        now=0.0,
    )
    reasons = {wait.lease: wait.reason for wait in outcome.decisions.waits}
    assert reasons["r2"].endswith("UTC: 2 devices would do: 2 leased, 2 wanted at once")
    assert in_the_way(timed(2), outcome.room) == ("on_a", "r1")
    assert in_the_way(timed(2, starts_at=END, ends_at=END + 1), outcome.room) == ()


def test_what_is_reserved_once_is_kept_though_a_better_device_is_free() -> None:
    assert decided("ab", [timed(1, "b")]).bookings == ()


def test_parts_of_devices_are_reserved_side_by_side_up_to_the_whole() -> None:
    others = [timed(1, "a", compute=0.5), timed(2, "a", compute=0.25)]
    assert booked(decided("a", [*others, timed(3, compute_ppm=QUARTER)])) == {"r3": ["a"]}
    assert booked(decided("a", [*others, timed(3, compute_ppm=QUARTER + 1)])) == {}


def test_two_reservations_of_one_device_follow_each_other_without_a_gap() -> None:
    later = timed(2, starts_at=END, ends_at=END + 1)
    assert booked(decided("a", [timed(1, "a"), later])) == {"r2": ["a"]}
    assert booked(decided("a", [timed(1, "a"), timed(2, starts_at=END - 1, ends_at=END + 1)])) == {}


def test_the_first_alternative_with_room_is_reserved() -> None:
    wanted = replace(timed(1), alternatives=(Demand(count=2), Demand()))
    [booking] = decided("ab", [wanted], running("a")).bookings
    assert (booking.alternative, [share.device for share in booking.shares]) == (1, ["b"])


def test_devices_that_are_kept_for_a_waiting_request_are_not_counted_on() -> None:
    queue = [request(1, count=2, unread_at=1e9), timed(2)]
    assert booked(decided("ab", queue, running("a"))) == {}


def test_a_quota_binds_reservations_for_their_time_and_requests_that_would_stay_till_then() -> None:
    tenants = [TenantView(name="t", quota=Quota(devices=1.0))]
    queue = [
        timed(1, "a", tenant="t"),
        timed(2, tenant="t"),
        timed(3, tenant="t", starts_at=END, ends_at=END + 9),
        request(4, tenant="t", unread_at=1e9),
        request(5, tenant="t", duration_s=START, unread_at=1e9),
    ]
    decisions = decided("abc", queue, tenants=tenants)
    assert sorted(booked(decisions)) == ["r3"]
    assert sorted(granted(decisions)) == ["r5"]
    reasons = {wait.lease: wait.reason for wait in decisions.waits}
    told = "tenant t has 1 of its quota of 1 devices, 1 more are wanted"
    assert reasons["r4"] == told
    assert reasons["r2"].endswith(told)


# ---- before it starts


@pytest.mark.parametrize(
    ("options", "is_granted"),
    [
        ({}, False),
        ({"duration_s": START}, True),
        ({"duration_s": START + 1}, False),
        ({"is_preemptible": True}, True),
    ],
)
def test_others_have_what_is_reserved_if_they_leave_before(
    options: dict[str, object], is_granted: bool
) -> None:
    decisions = decided("a", [timed(1, "a"), request(2, unread_at=1e9, **options)])
    assert granted(decisions) == ({"r2": ["a"]} if is_granted else {})
    if not is_granted:
        assert decisions.waits[0].reason == "1 device would do: 1 reserved"


def test_a_preemptible_request_does_not_get_what_it_would_have_to_leave_at_once() -> None:
    queue = [timed(1, "a"), request(2, is_preemptible=True, unread_at=1e9)]
    assert granted(decided("a", queue, now=START - 60.0 - LEAD_S)) == {"r2": ["a"]}
    assert granted(decided("a", queue, now=START - 60.0 - LEAD_S + 1)) == {}


def test_beside_a_part_that_is_reserved_another_part_is_had_for_ever() -> None:
    queue = [timed(1, "a", compute=0.5), request(2, compute_ppm=HALF), request(3, compute_ppm=QUARTER)]
    assert granted(decided("a", queue)) == {"r2": ["a"]}


@pytest.mark.parametrize(("left_s", "told"), [(LEAD_S, ["on_a"]), (LEAD_S - 1, [])])
def test_nobody_gets_what_others_can_no_longer_be_told_to_make_room_for(
    left_s: float, told: list[str]
) -> None:
    yielding = running("a", compute=0.5, is_preemptible=True)
    queue = [timed(1, "a", compute=0.5), request(2, compute_ppm=QUARTER, unread_at=1e9)]
    decisions = decided("a", queue, yielding, now=START - left_s)
    assert sorted(granted(decisions)) == ["r2"] * len(told)
    later = [*([] if not told else [running("a", id="r2", compute=0.25)]), yielding]
    again = decided("a", queue[:1], *later, now=START - left_s)
    assert [notice.lease for notice in again.notices] == told


def test_grants_of_one_pass_do_not_take_what_is_reserved_together() -> None:
    queue = [
        timed(1, "a", compute=0.5),
        *(request(order, compute_ppm=QUARTER, unread_at=1e9) for order in (2, 3, 4)),
    ]
    assert sorted(granted(decided("a", queue))) == ["r2", "r3"]


def test_requests_of_several_kinds_look_past_a_reserved_device_each_for_itself() -> None:
    queue = [
        timed(1, "a", compute=0.5),
        request(2, compute_ppm=WHOLE, unread_at=1e9),
        request(3, compute_ppm=HALF, unread_at=1e9),
    ]
    assert granted(decided("ab", queue)) == {"r2": ["b"], "r3": ["a"]}


def test_nobody_yields_to_a_request_that_could_not_stay_for_a_reservation() -> None:
    others = running("a", is_preemptible=True)
    queue = [timed(1, "a"), request(2, priority=1, unread_at=1e9)]
    assert decided("a", queue, others, now=90.0).notices == ()
    short = request(2, priority=1, duration_s=100.0, unread_at=1e9)
    assert [notice.lease for notice in decided("a", [queue[0], short], others, now=90.0).notices] == ["on_a"]


def test_an_explanation_names_the_reservation_and_counts_on_what_is_left_between() -> None:
    queue = [timed(1, "a"), request(2, duration_s=1500.0, unread_at=1e9)]
    outcome = decide(inventory=Inventory(nodes(), [device("a")]), leases=[], queue=queue, now=0.0)
    told = explain(queue[1], outcome.room, 0.0)
    assert [(one.doing, one.kept_for, one.kept_from) for one in told.verdicts] == [("reserved", "r1", START)]
    assert told.earliest_at == END
    own = explain(queue[0], outcome.room, 0.0)
    assert ([one.doing for one in own.verdicts], own.earliest_at) == (["reserved for it"], START)


# ---- in time


def test_preemptible_leases_are_told_in_time_and_as_few_as_have_to_go() -> None:
    leases = [
        running("a", id="old", compute=0.5, is_preemptible=True),
        running("a", id="young", compute=0.5, is_preemptible=True, granted_at=1.0),
    ]
    queue = [timed(1, "a", compute=0.5)]
    assert decided("a", queue, *leases, now=START - LEAD_S - 1).notices == ()
    [notice] = decided("a", queue, *leases, now=START - LEAD_S).notices
    assert (notice.lease, notice.why, notice.revoke_at) == ("young", Why.PREEMPTED, START)
    assert notice.reason == "it was preempted: r1 has its devices from 1970-01-01 00:16:40 UTC on"


def test_who_is_told_late_has_its_grace_all_the_same_and_the_reservation_waits_for_it() -> None:
    lone = running("a", is_preemptible=True)
    [notice] = decided("a", [timed(1, "a")], lone, now=START - 1).notices
    assert notice.revoke_at == START - 1 + Policy().grace_s
    told = running("a", is_preemptible=True, notice=notice)
    late = decided("a", [timed(1, "a"), request(2, unread_at=1e9)], told, now=START)
    assert (granted(late), late.withdrawn_notices, [wait.lease for wait in late.waits]) == (
        {},
        (),
        ["r1", "r2"],
    )
    assert granted(decided("a", [timed(1, "a")], told, now=notice.revoke_at)) == {"r1": ["a"]}


def test_a_notice_is_taken_back_with_the_reservation() -> None:
    notice = Notice(lease="on_a", why=Why.PREEMPTED, reason="", revoke_at=START)
    told = running("a", is_preemptible=True, notice=notice)
    assert decided("a", [], told, now=START - 1).withdrawn_notices == ("on_a",)


def test_a_lease_over_two_reserved_devices_goes_once() -> None:
    both = lease("a", "b", id="both", expires_at=1e9, is_preemptible=True)
    queue = [timed(1, "a"), timed(2, "b")]
    assert [notice.lease for notice in decided("ab", queue, both, now=START - LEAD_S).notices] == ["both"]


# ---- when it starts


def test_it_is_granted_at_its_start_before_all_others_and_not_sooner() -> None:
    queue = [timed(1, "a"), request(2, priority=1000, unread_at=1e9)]
    assert granted(decided("a", queue, now=START - 0.001)) == {}
    assert granted(decided("a", queue, running("a", ends_at=START), now=START)) == {"r1": ["a"]}


def test_it_need_not_be_read_before_and_ends_if_it_was_not_granted_in_its_time() -> None:
    blocked = running("a")
    assert decided("a", [timed(1, "a")], blocked, now=START + 59.0).ends == ()
    [end] = decided("a", [timed(1, "a")], blocked, now=START + 60.0).ends
    assert (end.lease, end.state) == ("r1", LeaseState.EXPIRED)
    [end] = decided("a", [timed(1, "a", unread_at=1e9)], blocked, now=END).ends
    assert (end.lease, end.state) == ("r1", LeaseState.WITHDRAWN)


def test_devices_that_drop_out_are_replaced_and_else_stay_reserved() -> None:
    devices = [device("a"), device("b", node="n2")]
    away = [*nodes("n1", is_cordoned=True), *nodes("n2")]
    assert booked(plan(devices, [timed(1, "a")], nodes=away)) == {"r1": ["b"]}
    leases = [lease("b", id="x", expires_at=1e9, node="n2")]
    lost = plan(devices, [timed(1, "a")], leases, nodes=away)
    assert (lost.bookings, lost.displaced) == ((), ("r1",))
    back = plan(devices, [timed(1, "a"), request(2, unread_at=1e9)], leases, nodes=nodes("n1", "n2"))
    assert (granted(back), back.displaced) == ({}, ())


@pytest.mark.parametrize("broken", [{"fault": "hung"}, {"node": "n2"}, {"kind": "cpu"}])
def test_one_whose_devices_do_not_do_at_its_start_gets_others(broken: dict[str, str]) -> None:
    devices = [device("a", **broken), device("b")]
    away = [*nodes("n1"), *nodes("n2", is_cordoned=True)]
    decisions = plan(devices, [timed(1, "a", kind="gpu")], nodes=away, now=START)
    assert granted(decisions) == {"r1": ["b"]}


def test_devices_are_looked_for_for_new_ones_then_for_those_that_begin_first() -> None:
    lost = [
        timed(order, "gone", starts_at=START + 99 - order, ends_at=END + 99 - order) for order in range(9)
    ]
    decisions = decided("a", [*lost, timed(9, starts_at=START + 9, ends_at=END + 9, count=1)])
    assert booked(decisions) == {"r9": ["a"]}
    reasons = {wait.lease: wait.reason for wait in decisions.waits}
    assert [name for name, reason in reasons.items() if reason.endswith("its devices dropped out")] == [
        "r1",
        "r0",
    ]


def test_a_reservation_of_a_device_that_is_gone_is_one_of_others() -> None:
    assert booked(decided("b", [timed(1, "a")])) == {"r1": ["b"]}


def test_one_of_what_has_become_too_little_moves_or_says_so() -> None:
    grown = running("a", compute=0.75)
    assert booked(decided("ab", [timed(1, "a", compute=0.5)], grown)) == {"r1": ["b"]}
    assert decided("a", [timed(1, "a", compute=0.5, compute_ppm=HALF)], grown).displaced == ("r1",)


# ---- holds


def hold(starts_at: float, ends_at: float, compute_ppm: int = 1) -> Hold:
    return Hold(id="", starts_at=starts_at, ends_at=ends_at, memory_bytes=2, compute_ppm=compute_ppm)


def test_a_peak_is_what_is_had_at_once_and_the_end_belongs_to_the_next() -> None:
    holds = [hold(0.0, 10.0), hold(10.0, 20.0, 3), hold(15.0, 30.0, 5)]
    assert peak(holds, 0.0, 15.0) == (2, 3)
    assert peak(holds, 0.0, 16.0) == (4, 8)
    assert peak(holds, 30.0, 99.0) == (0, 0)


def test_the_first_gap_is_long_enough() -> None:
    holds = [hold(0.0, 10.0), hold(15.0, 20.0)]
    assert first_gap(holds, 3.0, 5.0, 0, 0) == 10.0
    assert first_gap(holds, 3.0, 6.0, 0, 0) == 20.0
    assert first_gap(holds, 3.0, 6.0, 2, 1) == 3.0
    assert first_gap([hold(0.0, float("inf"))], 3.0, 6.0, 0, 0) == float("inf")
