"""What holds of the scheduler's decisions whatever the pool looks like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from accelpool_broker.scheduler import (
    WHOLE,
    Demand,
    DeviceView,
    Inventory,
    LeaseView,
    NodeView,
    Notice,
    Placement,
    Policy,
    Quota,
    Request,
    Share,
    TenantView,
    Why,
    decide,
    unfit,
)

NODES = ("n1", "n2", "n3")
KINDS = ("gpu", "cpu", "accelerator")
TENANTS = ("a", "b", "b/c")
NOW = 100.0
POLICY = Policy(min_run_s=20.0)
times = st.sampled_from([50.0, 100.0, 150.0, 200.0])
parts = st.sampled_from([None, None, WHOLE // 4, WHOLE // 2, WHOLE])
demands = st.builds(
    Demand,
    kind=st.sampled_from((*KINDS, "any", "any")),
    api=st.sampled_from(["", "", "opencl", "cuda"]),
    count=st.integers(1, 3),
    memory_bytes=st.sampled_from([None, None, 1, 2, 4]),
    compute_ppm=parts,
    is_exclusive=st.sampled_from([False, False, True]),
    where=st.sampled_from(["", "", "", "device.memory_bytes >= 2", 'device.node != "n1"']),
    device=st.sampled_from([None, None, None, "d0", "name1", "n2/name2"]),
    devices=st.sampled_from([(), (), (), ("d0", "d1"), ("d1", "d2", "d5")]),
    placement=st.sampled_from(Placement),
)


@st.composite
def pools(draw: st.DrawFn) -> dict[str, Any]:
    nodes = [
        NodeView(
            name=name,
            lost_at=draw(st.none() | times),
            is_cordoned=draw(st.sampled_from([False] * 3 + [True])),
        )
        for name in NODES[: draw(st.integers(1, 3))]
    ]
    devices = [draw(devices_of(nodes, number)) for number in range(draw(st.integers(0, 6)))]
    return {
        "nodes": nodes,
        "devices": devices,
        "leases": draw(leases_on(devices)),
        "queue": [draw(requests(order)) for order in range(draw(st.integers(0, 6)))],
        "tenants": [
            TenantView(
                name=name,
                weight=draw(st.sampled_from([1.0, 2.0])),
                quota=Quota(devices=draw(st.sampled_from([None, None, 1.0, 2.0]))),
                used_device_s=draw(st.sampled_from([0.0, 1000.0])),
            )
            for name in TENANTS[: draw(st.integers(0, 3))]
        ],
    }


@st.composite
def devices_of(draw: st.DrawFn, nodes: list[NodeView], number: int) -> DeviceView:
    """Draw a device; some of a node are faces of the same hardware."""
    node = draw(st.sampled_from(nodes)).name
    is_face = draw(st.booleans())
    return DeviceView(
        id=f"d{number}",
        name=f"name{number % 3}",
        node=node,
        environment=draw(st.sampled_from(["e1", "e2"])),
        kind=draw(st.sampled_from(KINDS)),
        api=draw(st.sampled_from(["opencl", "cuda"])),
        hardware=f"{node}/card" if is_face else "",
        memory_bytes=8 if is_face else draw(st.sampled_from([4, 8])),
        fault=draw(st.sampled_from(["", "", "", "hung"])),
    )


def piece(device: DeviceView) -> str:
    """Return what tells the hardware of a device from all other."""
    return device.hardware or device.id


@st.composite
def leases_on(draw: st.DrawFn, devices: list[DeviceView]) -> list[LeaseView]:
    """Draw leases of parts that fit, some over two devices."""
    pieces: dict[str, list[DeviceView]] = {}
    for device in devices:
        pieces.setdefault(piece(device), []).append(device)
    parts = [
        (draw(st.sampled_from(faces)), compute_ppm)
        for faces in pieces.values()
        for compute_ppm in draw(st.sampled_from([(), (WHOLE,), (WHOLE // 2,), (WHOLE // 4, WHOLE // 2)]))
    ]
    size = draw(st.integers(1, 2))
    return [
        LeaseView(
            id=f"l{at}",
            order=-1 - at,
            expires_at=draw(times),
            shares=tuple(
                Share(device=device.id, memory_bytes=device.memory_bytes * ppm // WHOLE, compute_ppm=ppm)
                for device, ppm in parts[at : at + size]
            ),
            nodes=tuple(device.node for device, _ in parts[at : at + size]),
            tenant=draw(st.sampled_from(TENANTS)),
            is_preemptible=draw(st.booleans()),
            notice=draw(
                st.sampled_from(
                    [None, None, Notice(lease=f"l{at}", why=Why.PREEMPTED, reason="", revoke_at=150.0)]
                )
            ),
        )
        for at in range(0, len(parts), size)
    ]


@st.composite
def requests(draw: st.DrawFn, order: int) -> Request:
    starts_at = draw(st.sampled_from([None, None, None, 100.0, 110.0, 170.0]))
    period = {} if starts_at is None else {"starts_at": starts_at, "ends_at": starts_at + 60.0}
    return Request(
        **period,
        id=f"r{order}",
        order=order,
        alternatives=tuple(draw(st.lists(demands, min_size=1, max_size=2))),
        tenant=draw(st.sampled_from(TENANTS)),
        priority=draw(st.sampled_from([0, 0, 1])),
        is_preemptible=draw(st.booleans()),
        duration_s=draw(st.sampled_from([None, 60.0])),
        withdraw_at=draw(st.none() | times),
        unread_at=draw(times),
    )


def decisions_of(pool: dict[str, Any], **options: Any) -> Any:
    inventory = Inventory(pool["nodes"], pool["devices"])
    rest = {name: pool[name] for name in ("leases", "queue", "tenants")}
    return decide(inventory=inventory, **rest, policy=POLICY, now=NOW, **options).decisions


@given(pools(), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_the_order_of_the_input_does_not_matter(pool: dict[str, Any], random: Random) -> None:
    shuffled = {name: random.sample(items, len(items)) for name, items in pool.items()}
    assert decisions_of(pool) == decisions_of(shuffled)


@given(pools())
@settings(max_examples=100)
def test_no_hardware_is_over_committed_and_every_grant_is_what_was_asked_for(pool: dict[str, Any]) -> None:
    decisions = decisions_of(pool)
    devices = {device.id: device for device in pool["devices"]}
    ended = {end.lease for end in decisions.ends}
    memory: Counter[str] = Counter()
    compute: Counter[str] = Counter()
    running = [lease.shares for lease in pool["leases"] if lease.id not in ended]
    for share in (share for shares in [*running, *(g.shares for g in decisions.grants)] for share in shares):
        memory[piece(devices[share.device])] += share.memory_bytes
        compute[piece(devices[share.device])] += share.compute_ppm
    assert all(memory[piece(device)] <= device.memory_bytes for device in devices.values())
    assert all(used <= WHOLE for used in compute.values())
    requests = {request.id: request for request in pool["queue"]}
    answering = {
        node.name
        for node in pool["nodes"]
        if node.lost_at is not None and node.lost_at > NOW and not node.is_cordoned
    }
    for grant in decisions.grants:
        demand = requests[grant.lease].alternatives[grant.alternative]
        given_out = [devices[share.device] for share in grant.shares]
        assert len({piece(device) for device in given_out}) == len(given_out) == demand.count
        assert all(device.node in answering and not device.fault for device in given_out)
        single = Request(id="", order=0, alternatives=(replace(demand, count=1),))
        assert all(not unfit(single, [device], pool["nodes"]) for device in given_out)
        if demand.placement is Placement.SAME_NODE:
            assert len({device.node for device in given_out}) == 1


@given(pools())
@settings(max_examples=100)
def test_no_tenant_is_given_more_than_its_quota(pool: dict[str, Any]) -> None:
    decisions = decisions_of(pool)
    ended = {end.lease for end in decisions.ends}
    requests = {request.id: request for request in pool["queue"]}
    for tenant in pool["tenants"]:
        if tenant.quota.devices is None:
            continue
        below = (tenant.name, f"{tenant.name}/c")
        had = sum(
            share.compute_ppm
            for lease in pool["leases"]
            if lease.tenant in below and lease.id not in ended
            for share in lease.shares
        )
        got = [
            share.compute_ppm
            for grant in decisions.grants
            if requests[grant.lease].tenant in below
            for share in grant.shares
        ]
        assert not got or had + sum(got) <= tenant.quota.devices * WHOLE


@given(pools())
@settings(max_examples=100)
def test_only_preemptible_leases_that_have_run_long_enough_yield_and_nobody_is_told_twice(
    pool: dict[str, Any],
) -> None:
    decisions = decisions_of(pool)
    leases = {lease.id: lease for lease in pool["leases"]}
    told = [notice.lease for notice in decisions.notices]
    assert len(told) == len(set(told))
    assert not set(told) & set(decisions.withdrawn_notices)
    for notice in decisions.notices:
        if notice.why is Why.PREEMPTED:
            assert leases[notice.lease].is_preemptible
            assert leases[notice.lease].notice is None


@given(pools())
@settings(max_examples=100)
def test_several_devices_spread_no_further_than_they_have_to(pool: dict[str, Any]) -> None:
    """The first request of the queue has the choice of all free devices."""
    near = [
        replace(
            request, alternatives=(replace(request.alternatives[0], placement=Placement.NEAR),), tenant="x"
        )
        for request in pool["queue"][:1]
    ]
    pool["queue"] = near
    decisions = decisions_of(pool)
    ended = {end.lease for end in decisions.ends}
    pieces = {device.id: piece(device) for device in pool["devices"]}
    taken = {
        pieces[share.device] for lease in pool["leases"] if lease.id not in ended for share in lease.shares
    }
    closed = {node.name for node in pool["nodes"] if node.is_cordoned}
    answering = {n.name for n in pool["nodes"] if n.lost_at is not None and n.lost_at > NOW} - closed
    for grant in decisions.grants:
        alone = replace(near[0], alternatives=(replace(near[0].alternatives[0], count=1),))
        free = {
            piece(device): device.node
            for device in pool["devices"]
            if device.node in answering
            and piece(device) not in taken
            and not unfit(alone, [device], pool["nodes"])
        }
        chosen = {pieces[share.device] for share in grant.shares}
        if not chosen <= free.keys():
            continue  # parts of devices that others have parts of, too
        rooms = sorted(Counter(free.values()).values(), reverse=True)
        needed = next(number for number in range(1, 7) if sum(rooms[:number]) >= len(chosen))
        assert len({free[one] for one in chosen}) == needed


@given(pools())
@settings(max_examples=100)
def test_every_request_is_granted_waits_or_ends_and_positions_count_from_one(pool: dict[str, Any]) -> None:
    decisions = decisions_of(pool)
    told = [grant.lease for grant in decisions.grants] + [wait.lease for wait in decisions.waits]
    told += [end.lease for end in decisions.ends if end.lease.startswith("r")]
    assert sorted(told) == sorted(request.id for request in pool["queue"])
    early = {one.id for one in pool["queue"] if one.starts_at is not None and one.starts_at > NOW}
    now = [wait for wait in decisions.waits if wait.lease not in early]
    assert [wait.position for wait in decisions.waits] == [
        *range(1, len(now) + 1),
        *[None] * (len(decisions.waits) - len(now)),
    ]
    assert not early & {grant.lease for grant in decisions.grants}
    assert all(wait.reason for wait in decisions.waits)
    assert decisions.wake_at is None or decisions.wake_at > NOW


@given(pools())
@settings(max_examples=100)
def test_what_was_decided_once_and_done_is_not_decided_again(pool: dict[str, Any]) -> None:
    """Decisions are a fixed point: a second look right after the first grants and ends nothing more."""
    decisions = decisions_of(pool)
    ended = {end.lease for end in decisions.ends}
    requests = {request.id: request for request in pool["queue"]}
    devices = {device.id: device for device in pool["devices"]}
    notices = {notice.lease: notice for notice in decisions.notices}
    granted = {grant.lease for grant in decisions.grants}
    active = [
        replace(
            lease,
            notice=notices.get(lease.id, None if lease.id in decisions.withdrawn_notices else lease.notice),
        )
        for lease in pool["leases"]
        if lease.id not in ended
    ]
    active += [
        LeaseView(
            id=grant.lease,
            order=requests[grant.lease].order,
            expires_at=NOW + 60,
            shares=grant.shares,
            nodes=tuple(devices[share.device].node for share in grant.shares),
            tenant=requests[grant.lease].tenant,
            priority=requests[grant.lease].priority,
            is_preemptible=requests[grant.lease].is_preemptible,
            granted_at=NOW,
            ends_at=ends_by(requests[grant.lease]),
            is_backfill=grant.is_backfill,
        )
        for grant in decisions.grants
    ]
    booked = {booking.lease: booking for booking in decisions.bookings}
    queue = [
        replace(request, reserved=booked[request.id].shares, alternative=booked[request.id].alternative)
        if request.id in booked
        else request
        for request in pool["queue"]
        if request.id not in ended | granted
    ]
    again = decisions_of({**pool, "leases": active, "queue": queue})
    assert (again.ends, again.grants, again.notices, again.withdrawn_notices) == ((), (), (), ())
    assert again.bookings == ()


def ends_by(request: Request) -> float | None:
    if request.ends_at is None and request.duration_s is not None:
        return NOW + request.duration_s
    return request.ends_at
