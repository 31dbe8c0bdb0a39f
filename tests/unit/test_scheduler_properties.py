"""What holds of the scheduler's decisions whatever the pool looks like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from accelpool_broker.scheduler import DeviceView, LeaseView, NodeView, Request, decide, unfit

NODES = ("n1", "n2", "n3")
KINDS = ("gpu", "cpu", "accelerator")
NOW = 100.0
times = st.sampled_from([50.0, 100.0, 150.0, 200.0])


@st.composite
def pools(draw: st.DrawFn) -> dict[str, list]:
    nodes = [
        NodeView(name=name, lost_at=draw(st.none() | times)) for name in NODES[: draw(st.integers(1, 3))]
    ]
    devices = [
        DeviceView(
            id=f"d{number}",
            name=f"name{number % 3}",
            node=draw(st.sampled_from(nodes)).name,
            environment=draw(st.sampled_from(["e1", "e2"])),
            kind=draw(st.sampled_from(KINDS)),
            memory_bytes=draw(st.sampled_from([1, 2, 4])),
            fault=draw(st.sampled_from(["", "", "", "hung"])),
        )
        for number in range(draw(st.integers(0, 6)))
    ]
    leased = [device for device in devices if draw(st.booleans())]
    size = draw(st.integers(1, 2))  # leases over two devices may be over two nodes
    parts = [leased[at : at + size] for at in range(0, len(leased), size)]
    leases = [
        LeaseView(
            id=f"l{part[0].id}",
            expires_at=draw(times),
            devices=tuple(device.id for device in part),
            nodes=tuple(device.node for device in part),
        )
        for part in parts
    ]
    queue = [
        Request(
            id=f"r{order}",
            order=order,
            kind=draw(st.sampled_from((*KINDS, "any"))),
            count=draw(st.integers(1, 3)),
            memory_bytes=draw(st.sampled_from([None, 1, 2, 4])),
            device=draw(st.sampled_from([None, None, "d0", "name1", "n2/name2"])),
            devices=draw(st.sampled_from([(), (), (), ("d0", "d1"), ("d1", "d2", "d5")])),
            withdraw_at=draw(st.none() | times),
            unread_at=draw(times),
        )
        for order in range(draw(st.integers(0, 6)))
    ]
    return {"nodes": nodes, "devices": devices, "leases": leases, "queue": queue}


@given(pools(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_the_order_of_the_input_does_not_matter(pool: dict[str, list], random: Random) -> None:
    shuffled = {name: random.sample(items, len(items)) for name, items in pool.items()}
    assert decide(**pool, now=NOW) == decide(**shuffled, now=NOW)


@given(pools())
@settings(max_examples=200, deadline=None)
def test_no_device_is_over_committed_and_every_grant_fits(pool: dict[str, list]) -> None:
    decisions = decide(**pool, now=NOW)
    devices = {device.id: device for device in pool["devices"]}
    ended = {end.lease for end in decisions.ends}
    taken = [id for lease in pool["leases"] if lease.id not in ended for id in lease.devices]
    taken += [share.device for grant in decisions.grants for share in grant.shares]
    assert len(taken) == len(set(taken))
    requests = {request.id: request for request in pool["queue"]}
    answering = {node.name for node in pool["nodes"] if node.lost_at is not None and node.lost_at > NOW}
    for grant in decisions.grants:
        request = requests[grant.lease]
        given_out = [devices[share.device] for share in grant.shares]
        assert len(given_out) == request.count
        assert all(device.node in answering and not device.fault for device in given_out)
        assert all(not unfit(replace(request, count=1), [device]) for device in given_out)
        assert all(share.memory_bytes <= devices[share.device].memory_bytes for share in grant.shares)


@given(pools())
@settings(max_examples=200, deadline=None)
def test_nobody_gets_a_device_that_somebody_earlier_waits_for(pool: dict[str, list]) -> None:
    decisions = decide(**pool, now=NOW)
    requests = {request.id: request for request in pool["queue"]}
    for wait in decisions.waits:
        earlier = requests[wait.lease]
        for grant in decisions.grants:
            if requests[grant.lease].order < earlier.order:
                continue
            for share in grant.shares:
                alone = [device for device in pool["devices"] if device.id == share.device]
                could_use = not unfit(replace(earlier, count=1), alone)
                assert not (could_use and not unfit(earlier, pool["devices"]))


@given(pools())
@settings(max_examples=200, deadline=None)
def test_several_devices_spread_no_further_than_they_have_to(pool: dict[str, list]) -> None:
    """The first request of the queue has the choice of all free devices."""
    pool["queue"] = pool["queue"][:1]
    decisions = decide(**pool, now=NOW)
    ended = {end.lease for end in decisions.ends}
    taken = {id for lease in pool["leases"] if lease.id not in ended for id in lease.devices}
    answering = {node.name for node in pool["nodes"] if node.lost_at is not None and node.lost_at > NOW}
    for grant in decisions.grants:
        alone = replace(pool["queue"][0], count=1)
        free = [
            device
            for device in pool["devices"]
            if device.node in answering and device.id not in taken and not unfit(alone, [device])
        ]
        chosen = {share.device for share in grant.shares}
        for near in (lambda d: (d.node, d.environment), lambda d: (d.node,)):
            rooms = sorted(Counter(map(near, free)).values(), reverse=True)
            needed = next(number for number in range(1, 7) if sum(rooms[:number]) >= len(chosen))
            used = {near(device) for device in free if device.id in chosen}
            if needed == 1 or len(near(free[0])) == 1:
                assert len(used) == needed


@given(pools())
@settings(max_examples=100, deadline=None)
def test_every_request_is_granted_waits_or_ends_and_positions_count_from_one(pool: dict[str, list]) -> None:
    decisions = decide(**pool, now=NOW)
    told = [grant.lease for grant in decisions.grants] + [wait.lease for wait in decisions.waits]
    told += [end.lease for end in decisions.ends if end.lease.startswith("r")]
    assert sorted(told) == sorted(request.id for request in pool["queue"])
    assert [wait.position for wait in decisions.waits] == list(range(1, len(decisions.waits) + 1))
    assert decisions.wake_at is None or decisions.wake_at > NOW
