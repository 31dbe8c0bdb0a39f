"""What requests may ask of devices: parts, expressions, alternatives, placement."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.scheduler_rig import GIB, device, granted, lease, plan, request

from accelpool_broker.scheduler import (
    WHOLE,
    Demand,
    DeviceView,
    Inventory,
    NodeView,
    Placement,
    Share,
    selector,
    unfit,
)
from accelpool_wire.errors import Invalid


def share(device: str, memory_bytes: int, compute: float) -> Share:
    return Share(device=device, memory_bytes=memory_bytes, compute_ppm=round(compute * WHOLE))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, share("a", 8 * GIB, 1.0)),
        ({"memory_bytes": 2 * GIB}, share("a", 2 * GIB, 0.25)),
        ({"memory_bytes": 1}, share("a", 1, 1 / WHOLE)),
        ({"memory_ppm": 500_000}, share("a", 4 * GIB, 0.5)),
        ({"compute_ppm": 750_000}, share("a", 6 * GIB, 0.75)),
        ({"memory_bytes": 2 * GIB, "compute_ppm": 500_000}, share("a", 2 * GIB, 0.5)),
        ({"memory_bytes": 2 * GIB, "is_exclusive": True}, share("a", 8 * GIB, 1.0)),
    ],
)
def test_a_share_has_what_was_asked_for_and_the_rest_in_proportion(
    wanted: dict[str, Any], expected: Share
) -> None:
    (grant,) = plan([device("a")], [request(1, **wanted)]).grants
    assert grant.shares == (expected,)


def test_parts_of_one_device_go_to_several_requests_up_to_the_whole() -> None:
    queue = [request(order, compute_ppm=400_000) for order in (1, 2, 3)]
    assert granted(plan([device("a")], queue)) == {"r1": ["a"], "r2": ["a"]}


def test_memory_alone_can_be_what_is_short() -> None:
    queue = [request(order, memory_bytes=5 * GIB, compute_ppm=100_000) for order in (1, 2)]
    assert granted(plan([device("a")], queue)) == {"r1": ["a"]}


def test_a_part_goes_to_the_fullest_device_that_has_room() -> None:
    leases = [
        lease("a", id="x", compute=0.25),
        lease("b", id="y", compute=0.5),
        lease("c", id="z", compute=0.75),
    ]
    devices = [device(name) for name in "abcd"]
    assert granted(plan(devices, [request(1, compute_ppm=500_000)], leases)) == {"r1": ["b"]}


def test_a_part_spread_goes_to_a_free_device_or_the_emptiest() -> None:
    wanted = {"compute_ppm": 250_000, "placement": Placement.SPREAD}
    devices = [device(name) for name in "abc"]
    leases = [lease("a", id="x", compute=0.5), lease("b", id="y", compute=0.25)]
    queue = [request(1, **wanted), request(2, **wanted)]
    assert granted(plan(devices, queue, leases)) == {"r1": ["c"], "r2": ["b"]}


def test_whole_devices_and_exclusive_ones_are_not_parted() -> None:
    leases = [lease("a", id="x", compute=0.1)]
    queue = [request(1), request(2, is_exclusive=True, memory_bytes=GIB)]
    assert granted(plan([device("a")], queue, leases)) == {}


NVIDIA: dict[str, Any] = {"attributes": {"vendor": "NVIDIA", "extensions": ["cl_khr_fp64"]}}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('device.kind == "gpu"', ["a"]),
        ("device.memory_bytes >= 16 * GiB", ["b"]),
        ('device.attributes.vendor.startsWith("NV") && "cl_khr_fp64" in device.attributes.extensions', ["c"]),
        ('has(device.attributes.nope) || device.name == "b"', ["b"]),
        ('device.labels.rack == "r2"', ["c"]),
        ('device["node"] == "n2"', ["c"]),
        ('device.api == "opencl" && device.node == "n1"', ["a"]),
    ],
)
def test_an_expression_chooses_devices(where: str, expected: list[str]) -> None:
    devices = [
        device("a"),
        device("b", memory_bytes=16 * GIB),
        device("c", node="n2", memory_bytes=9 * GIB, **NVIDIA),
    ]
    nodes = [NodeView(name="n1", lost_at=9.0), NodeView(name="n2", lost_at=9.0, labels={"rack": "r2"})]
    assert granted(plan(devices, [request(1, where=where)], nodes=nodes)) == {"r1": expected}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"api": "cuda"}, ["a"]),
        ({"api": "opencl"}, ["b"]),
        ({}, ["b"]),
        ({"kind": "gpu", "where": "device.memory_bytes > 0"}, ["b"]),
        ({"device": "a"}, ["a"]),
        ({"devices": ("a",)}, ["a"]),
    ],
)
def test_a_cuda_device_goes_to_who_asks_for_cuda_or_names_it(
    wanted: dict[str, Any], expected: list[str]
) -> None:
    devices = [device("a", api="cuda"), device("b")]
    assert granted(plan(devices, [request(1, **wanted)])) == {"r1": expected}


def test_a_pool_without_cuda_says_so() -> None:
    reasons = unfit(request(1, api="cuda"), [device("a")])
    assert reasons == {"a": "it is for programs of opencl, not of cuda"}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("device.kind ==", "Syntax error"),
        (
            "device.memory_bytes + 1 == nope",
            "undeclared reference to 'nope'.*; what a device has is `device`'s, such as",
        ),
        ('"gpu"', "it is of type STRING"),
        ("true || " * 300 + "true", "2000 are possible"),
        ('["aaaaaaaa"]' + ".map(s, [s, s])" * 40 + ".all(x, x == x)", "41 loops .* 2 are possible"),
        ('["a"].exists(s, s' + " + s" * 400 + ' == "")', "not possible together"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_error(where: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        selector(where)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ('device.kind == "cpu"', "`where` is false for it"),
        (
            "device.attributes.nope == 1",
            '`where` cannot be told for it: NOT_FOUND: Key not found in map : "nope"',
        ),
        ("device.memory_bytes", "`where` is of type INT for it, not true or false"),
        (
            "{0}.all(a, {0}.all(b, true))".format("[" + "1," * 110 + "1]"),
            "`where` cannot be told for it: INTERNAL: Iteration budget exceeded [INTERNAL]",
        ),
    ],
)
def test_an_expression_that_holds_for_no_device_is_told_per_device(where: str, reason: str) -> None:
    assert unfit(request(1, where=where), [device("a")]) == {"a": reason}


def test_the_first_alternative_that_can_be_served_is() -> None:
    devices = [
        device("big", memory_bytes=40 * GIB),
        device("s1", memory_bytes=20 * GIB),
        device("s2", memory_bytes=20 * GIB),
    ]
    wanted = request(
        1, Demand(memory_bytes=20 * GIB, count=2, is_exclusive=True), memory_bytes=40 * GIB, is_exclusive=True
    )
    (first,) = plan(devices, [wanted]).grants
    assert (first.alternative, [share.device for share in first.shares]) == (0, ["big"])
    (second,) = plan(devices, [wanted], [lease("big")]).grants
    assert (second.alternative, [share.device for share in second.shares]) == (1, ["s1", "s2"])


def test_of_several_alternatives_each_has_to_be_impossible_for_a_refusal() -> None:
    devices = [device("a")]
    assert unfit(request(1, Demand(), kind="cpu"), devices) == {}
    assert unfit(request(1, Demand(count=2), kind="cpu"), devices) == {
        "a": "alternative 1: it is of kind gpu, not cpu; "
        "alternative 2: it would do, but of 2 wanted at once the pool has 1"
    }


def on_nodes(*nodes: str) -> list[DeviceView]:
    return [device(f"d{number}", node=node) for number, node in enumerate(nodes)]


@pytest.mark.parametrize(
    ("placement", "taken", "expected"),
    [
        (Placement.NEAR, ["d0"], ["d2", "d3"]),
        (Placement.SAME_NODE, ["d0"], ["d2", "d3"]),
        (Placement.SAME_NODE, ["d0", "d2"], None),
        (Placement.SPREAD, [], ["d0", "d2"]),
        (Placement.SPREAD, ["d0"], ["d2", "d1"]),
        (Placement.PACK, ["d2"], ["d3", "d4"]),
    ],
)
def test_several_devices_lie_as_asked_for(
    placement: Placement, taken: list[str], expected: list[str] | None
) -> None:
    devices = (
        on_nodes("n1", "n1", "n2", "n2", "n2")
        if placement is Placement.PACK
        else on_nodes("n1", "n1", "n2", "n2")
    )
    leases = [lease(name, id=f"l{name}") for name in taken]
    found = granted(plan(devices, [request(1, count=2, placement=placement)], leases))
    assert found == ({} if expected is None else {"r1": expected})


def test_what_no_node_alone_has_is_refused_if_it_has_to_be_one() -> None:
    reasons = unfit(request(1, count=2, placement=Placement.SAME_NODE), on_nodes("n1", "n2"))
    assert set(reasons.values()) == {"it would do, but of 2 wanted at once no node has more than 1"}


def test_a_device_with_the_wanted_image_comes_first() -> None:
    devices = [device("a", "accelerator"), device("b", "accelerator", loaded_image="f00")]
    assert granted(plan(devices, [request(1, image="f00")])) == {"r1": ["b"]}
    assert granted(plan(devices, [request(1, image="f00")], [lease("b")])) == {"r1": ["a"]}


def test_taints_keep_out_who_does_not_tolerate_them() -> None:
    nodes = [NodeView(name="n1", lost_at=9.0, taints=("maintenance",))]
    assert unfit(request(1), [device("a")], nodes) == {
        "a": "its node has the taint maintenance, which the request does not tolerate"
    }
    assert granted(plan([device("a")], [request(1, tolerates=("maintenance",))], nodes=nodes)) == {
        "r1": ["a"]
    }


def test_a_cordoned_node_takes_no_new_leases_and_keeps_its_own() -> None:
    nodes = [NodeView(name="n1", lost_at=9.0, is_cordoned=True)]
    decisions = plan([device("a"), device("b")], [request(1)], [lease("a")], nodes)
    assert (decisions.grants, decisions.ends, decisions.notices) == ((), (), ())
    assert [wait.reason for wait in decisions.waits] == ["2 devices would do: 2 cordoned"]


def test_candidates_are_the_same_however_they_are_found() -> None:
    devices = [device(f"d{number}", "gpu" if number % 2 else "cpu", f"n{number % 3}") for number in range(12)]
    inventory = Inventory([], devices)
    by_kind = inventory.candidates(Demand(where='device.kind == "gpu"'))
    one_by_one = inventory.candidates(Demand(where='device.kind == "gpu" && device.name != ""'))
    assert by_kind.places == one_by_one.places == inventory.candidates(Demand(kind="gpu")).places


@pytest.mark.parametrize(
    "where",
    [
        'device.name == "d1"',
        'device.`name` == "d1"',
        'device. // the name\nname == "d1"',
        '[device].exists(d, d.name == "d1")',
    ],
)
def test_an_expression_that_names_one_device_is_asked_of_each(where: str) -> None:
    found = Inventory([], [device("d0"), device("d1")]).candidates(Demand(where=where))
    assert found.places == (1,)
