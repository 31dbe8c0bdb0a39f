"""The scheduler as tables: state in, decisions out."""

from __future__ import annotations

import pytest
from tests.unit.scheduler_rig import GIB, device, granted, lease, plan, request

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler import (
    DeviceView,
    LeaseView,
    NodeView,
    Request,
    Share,
    unfit,
)

GPU, CPU, FPGA, OWN = (
    device("gpu"), device("cpu", "cpu"), device("fpga", "accelerator"), device("own", "custom")
)  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "wanted", "expected"),
    [
        ([CPU, GPU, FPGA, OWN], {"kind": "gpu"}, ["gpu"]),
        ([CPU, GPU, FPGA, OWN], {"kind": "custom"}, ["own"]),
        ([OWN, CPU, FPGA, GPU], {}, ["gpu"]),
        ([OWN, CPU, FPGA], {}, ["fpga"]),
        ([OWN, CPU], {}, ["cpu"]),
        ([device("big"), device("small", memory_bytes=GIB)], {"memory_bytes": GIB}, ["small"]),
        ([device("big"), device("small", memory_bytes=GIB)], {"memory_bytes": GIB + 1}, ["big"]),
        ([device("a"), device("b")], {"device": "b"}, ["b"]),
        ([device("x", name="b"), device("y", node="n2", name="b")], {"device": "n2/b"}, ["y"]),
        ([device("a"), device("b", fault="it hung")], {"device": "a"}, ["a"]),
        ([device("a"), device("b", node="n2"), device("c", node="n2")], {"count": 2}, ["b", "c"]),
        ([device("a", environment="other"), device("b"), device("c")], {"count": 2}, ["b", "c"]),
        ([device("c"), device("b"), device("a")], {"count": 2}, ["a", "b"]),
        ([device("a"), device("b", node="n2")], {"count": 2}, ["a", "b"]),
        ([device("x", name="g"), device("y", node="n2", name="g")], {"count": 2, "device": "g"}, ["x", "y"]),
        ([device("a"), device("b"), device("c")], {"count": 2, "devices": ("c", "b")}, ["b", "c"]),
    ],
)
def test_a_free_pool_grants_the_device_that_fits_best(
    devices: list[DeviceView], wanted: dict[str, object], expected: list[str]
) -> None:
    assert granted(plan(devices, [request(1, **wanted)])) == {"r1": expected}


def on(*endpoints: str) -> list[DeviceView]:
    """Return a device for each "node/environment", named d0 and so on."""
    return [
        device(f"d{number}", node=name.partition("/")[0], environment=name.partition("/")[2])
        for number, name in enumerate(endpoints)
    ]


@pytest.mark.parametrize(
    ("devices", "count", "expected"),
    [
        (on("n1/a", "n1/b", "n2/a", "n2/a"), 2, ["d2", "d3"]),  # one endpoint before one node
        (on("n1/a", "n2/a", "n2/b"), 2, ["d1", "d2"]),  # one node before two
        (on("n1/a", "n2/a", "n3/a", "n3/a"), 3, ["d2", "d3", "d0"]),  # the fullest node first
        (on("n1/a", "n2/a", "n2/b", "n2/b"), 3, ["d2", "d3", "d1"]),  # within it the fullest endpoint
        (on("n2/a", "n2/a", "n1/a", "n1/a", "n1/b", "n1/b"), 3, ["d2", "d3", "d4"]),
    ],
)
def test_several_devices_are_as_near_to_each_other_as_free_ones_can_be(
    devices: list[DeviceView], count: int, expected: list[str]
) -> None:
    assert granted(plan(devices, [request(1, count=count)])) == {"r1": expected}


def test_several_devices_are_taken_where_they_are_free_rather_than_waited_for() -> None:
    devices = [device("a"), device("b"), device("c", node="n2"), device("d", node="n2")]
    leases = [lease("b", id="x"), lease("d", id="y", node="n2")]
    assert granted(plan(devices, [request(1, count=2)], leases)) == {"r1": ["a", "c"]}


def test_several_devices_are_granted_together_or_not_at_all() -> None:
    devices = [device("a"), device("b", node="n2"), device("c", node="n3")]
    leases = [lease("b", id="x", node="n2"), lease("c", id="y", node="n3")]
    decisions = plan(devices, [request(1, count=2), request(2)], leases)
    assert decisions.grants == ()
    assert [wait.reason for wait in decisions.waits] == [
        "3 devices would do: 1 free, 2 leased, 2 wanted at once",
        "3 devices would do: 2 leased, 1 kept for earlier requests",
    ]


def test_a_request_that_the_pool_has_too_few_devices_for_keeps_none_from_later_ones() -> None:
    decisions = plan(
        [device("a"), device("b", node="n2", fault="it hung")], [request(1, count=2), request(2)]
    )
    assert granted(decisions) == {"r2": ["a"]}
    assert [wait.reason for wait in decisions.waits] == ["1 device would do at present, 2 wanted at once"]


def test_a_lease_over_several_nodes_is_lost_with_any_of_them() -> None:
    devices = [device("a"), device("b", node="n2")]
    nodes = [NodeView(name="n1", lost_at=100.0), NodeView(name="n2", lost_at=10.0)]
    shares = (Share(device="a", memory_bytes=8 * GIB), Share(device="b", memory_bytes=8 * GIB))
    both = LeaseView(id="x", expires_at=1000.0, shares=shares, nodes=("n1", "n2"))
    decisions = plan(devices, [request(1)], [both], nodes, now=10.0)
    assert [(end.state, end.reason) for end in decisions.ends] == [
        (
            LeaseState.LOST,
            "the agent of node n2 stopped answering; with it went the lease's devices on n1",
        )
    ]
    assert granted(decisions) == {"r1": ["a"]}


def test_requests_are_served_in_order_of_arrival() -> None:
    decisions = plan([GPU], [request(3), request(1), request(2)])
    assert granted(decisions) == {"r1": ["gpu"]}
    assert [(wait.lease, wait.position) for wait in decisions.waits] == [("r2", 1), ("r3", 2)]


def test_a_later_request_passes_on_a_device_that_is_of_no_use_to_the_earlier() -> None:
    decisions = plan([GPU, CPU], [request(1, kind="gpu"), request(2, kind="cpu")], [lease("gpu")])
    assert granted(decisions) == {"r2": ["cpu"]}


def test_a_later_request_does_not_take_what_an_earlier_one_gathers() -> None:
    devices = [device("a"), device("b")]
    decisions = plan(devices, [request(1, count=2), request(2)], [lease("a")])
    assert granted(decisions) == {}
    assert [wait.reason for wait in decisions.waits] == [
        "2 devices would do: 1 free, 1 leased, 2 wanted at once",
        "2 devices would do: 1 leased, 1 kept for earlier requests",
    ]


def test_a_device_on_a_node_that_does_not_answer_is_waited_for() -> None:
    decisions = plan([GPU], [request(1)], nodes=[NodeView(name="n1", lost_at=None)])
    assert [wait.reason for wait in decisions.waits] == [
        "1 device would do: 1 on a node that does not answer"
    ]
    assert decisions.wake_at is None


def test_a_request_that_no_device_serves_any_more_waits_and_says_so() -> None:
    decisions = plan([device("a", fault="it hung")], [request(1)])
    assert [wait.reason for wait in decisions.waits] == ["no device of the pool would do at present"]


def test_a_node_past_its_time_is_lost_with_its_leases_and_its_devices_are_not_granted() -> None:
    devices = [device("a"), device("b", node="n2")]
    nodes = [NodeView(name="n1", lost_at=10.0), NodeView(name="n2", lost_at=11.0)]
    leases = [lease("a", id="x"), lease("b", id="y", node="n2")]
    decisions = plan(devices, [request(1, device="a")], leases, nodes, now=10.0)
    assert decisions.lost_nodes == ("n1",)
    assert [(end.lease, end.state, end.reason) for end in decisions.ends] == [
        ("x", LeaseState.LOST, "the agent of node n1 stopped answering")
    ]
    assert decisions.grants == ()
    assert decisions.wake_at == 11.0


def test_an_expired_lease_gives_its_device_to_the_next_at_once() -> None:
    decisions = plan([GPU], [request(1)], [lease("gpu", expires_at=5.0)], now=5.0)
    assert [(end.lease, end.state) for end in decisions.ends] == [("a", LeaseState.EXPIRED)]
    assert granted(decisions) == {"r1": ["gpu"]}
    assert decisions.wake_at == 100.0


@pytest.mark.parametrize(
    ("options", "state", "reason"),
    [
        ({"withdraw_at": 5.0}, LeaseState.WITHDRAWN, "timeout: not granted in the time allowed"),
        ({"unread_at": 5.0}, LeaseState.EXPIRED, "its client stopped asking for it"),
        ({"unread_at": 4.0, "withdraw_at": 9.0}, LeaseState.EXPIRED, "its client stopped asking for it"),
    ],
)
def test_a_request_past_its_time_is_withdrawn(
    options: dict[str, float], state: LeaseState, reason: str
) -> None:
    decisions = plan([GPU], [request(1, **options)], now=5.0)
    assert [(end.lease, end.state, end.reason) for end in decisions.ends] == [("r1", state, reason)]
    assert decisions.grants == ()


@pytest.mark.parametrize(
    ("queued", "expires_at", "expected"),
    [
        ([], 50.0, 50.0),
        ([], 500.0, 100.0),
        ([request(1, withdraw_at=20.0, unread_at=30.0)], 50.0, 20.0),
        ([request(1, withdraw_at=40.0, unread_at=30.0)], 50.0, 30.0),
        ([request(1)], 50.0, 50.0),
    ],
)
def test_the_next_look_is_at_the_next_deadline(
    queued: list[Request], expires_at: float, expected: float
) -> None:
    assert plan([GPU], queued, [lease("gpu", expires_at=expires_at)]).wake_at == expected


@pytest.mark.parametrize(
    ("devices", "wanted", "expected"),
    [
        ([], {}, {}),
        ([GPU], {}, {}),
        ([GPU], {"kind": "cpu"}, {"gpu": "it is of kind gpu, not cpu"}),
        ([GPU], {"memory_bytes": 9 * GIB}, {"gpu": f"it has {8 * GIB} bytes of memory, not {9 * GIB}"}),
        ([GPU], {"device": "x"}, {"gpu": "the request is for device x only"}),
        ([device("a", fault="it hung")], {}, {"a": "it is faulty: it hung"}),
        (
            [GPU, device("b", node="n2"), CPU],
            {"kind": "gpu", "count": 3},
            {
                "gpu": "it would do, but of 3 wanted at once the pool has 2",
                "b": "it would do, but of 3 wanted at once the pool has 2",
                "cpu": "it is of kind cpu, not gpu",
            },
        ),
        ([GPU, device("b", node="n2", environment="other")], {"count": 2}, {}),
        (
            [GPU, CPU],
            {"count": 2, "devices": ("gpu", "gone")},
            {
                "gpu": "it would do, but of 2 wanted at once the pool has 1",
                "cpu": "it is not one of the devices that were asked for",
            },
        ),
    ],
)
def test_a_request_that_can_never_be_served_is_told_why_per_device(
    devices: list[DeviceView], wanted: dict[str, object], expected: dict[str, str]
) -> None:
    assert unfit(request(1, **wanted), devices) == expected
