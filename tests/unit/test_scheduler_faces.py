"""A GPU that shows two faces, one for OpenCL and one for CUDA, is lent once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.scheduler_rig import GIB, device, granted, lease, plan, request

from accelpool_broker.scheduler import (
    DeviceView,
    Inventory,
    LeaseView,
    NodeView,
    Placement,
    Quota,
    Request,
    Share,
    TenantView,
    Why,
    decide,
    explain,
    unfit,
    unfit_in,
)

NODES = [NodeView(name="n1", lost_at=100.0)]


def faces(number: int = 0, **options: Any) -> list[DeviceView]:
    """Return both faces of a GPU: ocl0 and cuda0."""
    hardware = f"n1/{number}"
    return [
        device(f"ocl{number}", environment="nvidia", hardware=hardware, **options),
        device(f"cuda{number}", environment="cuda", api="cuda", hardware=hardware, **options),
    ]


def told(queue: list[Request], leases: list[LeaseView], devices: list[DeviceView]) -> dict[str, str]:
    """Return what the explanation of the first request says of each device."""
    inventory = Inventory(NODES, devices)
    outcome = decide(inventory=inventory, leases=leases, queue=queue, now=0.0)
    return {one.device: one.mismatch or one.doing for one in explain(queue[0], outcome.room, 0.0).verdicts}


@pytest.mark.parametrize(("api", "face"), [("", "ocl0"), ("opencl", "ocl0"), ("cuda", "cuda0")])
def test_a_request_gets_the_face_that_speaks_as_it_does(api: str, face: str) -> None:
    assert granted(plan(faces(), [request(1, api=api)])) == {"r1": [face]}


@pytest.mark.parametrize(
    ("held", "api", "lent_as"),
    [("ocl0", "cuda", "opencl"), ("cuda0", "opencl", "cuda"), ("cuda0", "", "cuda")],
)
def test_a_lease_of_one_face_keeps_everybody_from_the_other(held: str, api: str, lent_as: str) -> None:
    decisions = plan(faces(), [request(1, api=api)], [lease(held)])
    assert decisions.grants == ()
    assert decisions.waits[0].reason == f"1 device would do: 1 leased as {lent_as}"


def test_who_waits_is_told_by_which_face_the_hardware_is_lent() -> None:
    assert told([request(1, api="cuda")], [lease("ocl0")], faces()) == {
        "cuda0": "its hardware is lent as ocl0 (opencl)",
        "ocl0": "it is for programs of opencl, not of cuda",
    }


def test_two_requests_of_one_pass_do_not_get_both_faces() -> None:
    decisions = plan(faces(), [request(1, api="opencl"), request(2, api="cuda")])
    assert granted(decisions) == {"r1": ["ocl0"]}


def test_halves_on_both_faces_make_up_the_hardware() -> None:
    wanted = [
        request(1, api="opencl", compute_ppm=500_000),
        request(2, api="cuda", compute_ppm=500_000),
        request(3, api="opencl", compute_ppm=1),
    ]
    assert granted(plan(faces(), wanted)) == {"r1": ["ocl0"], "r2": ["cuda0"]}


def test_memory_of_both_faces_adds_up() -> None:
    held = LeaseView(
        id="a",
        expires_at=1000.0,
        shares=(Share(device="ocl0", memory_bytes=5 * GIB, compute_ppm=1),),
        nodes=("n1",),
    )
    too_much = request(1, api="cuda", memory_bytes=3 * GIB + 1, compute_ppm=1)
    rest = request(2, api="cuda", memory_bytes=3 * GIB, compute_ppm=1)
    assert granted(plan(faces(), [too_much], [held])) == {}
    assert granted(plan(faces(), [rest], [held])) == {"r2": ["cuda0"]}


def test_a_part_goes_to_the_gpu_that_others_have_parts_of_by_its_other_face() -> None:
    devices = [*faces(0), *faces(1)]
    decisions = plan(devices, [request(1, api="cuda", compute_ppm=500_000)], [lease("ocl1", compute=0.5)])
    assert granted(decisions) == {"r1": ["cuda1"]}


def test_several_devices_are_several_pieces_of_hardware() -> None:
    devices = faces()
    by_api = request(1, count=2, devices=("ocl0", "cuda0"))
    assert unfit(by_api, devices) == {
        "cuda0": "it would do, but of 2 wanted at once the pool has 1",
        "ocl0": "it is the same hardware as cuda0, which would do",
    }
    assert granted(plan([*devices, *faces(1)], [request(2, count=2, api="cuda")])) == {
        "r2": ["cuda0", "cuda1"]
    }


def test_a_faulty_face_leaves_the_other_to_be_lent() -> None:
    ocl, cuda = faces()
    broken = device("ocl0", environment="nvidia", hardware=ocl.hardware, fault="no such driver")
    wanted = request(1, devices=("ocl0", "cuda0"))
    assert granted(plan([broken, cuda], [wanted])) == {"r1": ["cuda0"]}


def test_a_preemptible_lease_of_one_face_yields_to_a_request_for_the_other() -> None:
    held = lease("ocl0", is_preemptible=True, granted_at=-100.0)
    decisions = plan(faces(), [request(1, api="cuda", priority=1)], [held])
    assert [(notice.lease, notice.why) for notice in decisions.notices] == [("a", Why.PREEMPTED)]


def test_what_a_request_gathers_is_kept_from_the_other_face_too() -> None:
    wanted = [request(1, api="cuda", count=2), request(2, api="opencl")]
    decisions = plan([*faces(0), *faces(1)], wanted, [lease("ocl0")])
    assert decisions.grants == ()
    assert [wait.lease for wait in decisions.waits] == ["r1", "r2"]


def test_a_reservation_of_one_face_is_kept_from_leases_of_the_other() -> None:
    reserved = request(
        1,
        api="cuda",
        starts_at=50.0,
        ends_at=80.0,
        reserved=(Share(device="cuda0", memory_bytes=8 * GIB),),
    )
    endless, short = request(2, api="opencl"), request(3, api="opencl", duration_s=40.0)
    assert granted(plan(faces(), [reserved, endless, short])) == {"r3": ["ocl0"]}


def test_one_reservation_is_not_made_over_another_of_the_other_face() -> None:
    period = {"starts_at": 50.0, "ends_at": 80.0}
    decisions = plan(faces(), [request(1, api="cuda", **period), request(2, api="opencl", **period)])
    assert [booking.lease for booking in decisions.bookings] == ["r1"]
    assert decisions.displaced == ("r2",)


def test_a_quota_counts_one_gpu_for_a_lease_of_one_of_its_faces() -> None:
    team = TenantView(name="t", quota=Quota(devices=1.0))
    halves = [
        request(number, api=api, compute_ppm=500_000, tenant="t")
        for number, api in enumerate(("opencl", "cuda"), 1)
    ]
    assert granted(plan([*faces(0), *faces(1)], halves, tenants=[team])) == {"r1": ["ocl0"], "r2": ["cuda0"]}


def test_a_node_is_as_full_as_its_hardware_whatever_faces_it_shows() -> None:
    devices = [*faces(0), *faces(1), device("x", node="n2"), device("y", node="n2")]
    nodes = [*NODES, NodeView(name="n2", lost_at=100.0)]
    held = [lease("ocl0", compute=0.5), lease("x", id="b", node="n2", compute=0.75)]
    fullest = request(1, placement=Placement.PACK)
    assert granted(plan(devices, [fullest], held, nodes)) == {"r1": ["y"]}


def test_the_same_place_on_two_nodes_is_not_the_same_hardware() -> None:
    devices = [*faces(), device("other", node="n2", hardware="n2/0")]
    nodes = [*NODES, NodeView(name="n2", lost_at=100.0)]
    assert granted(plan(devices, [request(1)], [lease("cuda0")], nodes)) == {"r1": ["other"]}
    assert unfit_in(request(1, count=2), Inventory(nodes, devices)) == {}
