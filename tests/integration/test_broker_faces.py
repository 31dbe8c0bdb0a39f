"""A broker whose node shows a GPU twice, to OpenCL and to CUDA: it is lent once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.testing import GIB, BrokerInProcess, FakeClock, device, registration

from ..metrics_rig import scraped

FACES = ("gpu:ocl:opencl:card", "gpu:cuda:cuda:card")


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as broker:
        broker.register("n1", *FACES)
        yield broker


def known(broker: BrokerInProcess) -> dict[str, dict[str, Any]]:
    """Return the devices by name."""
    return {one["name"]: one for one in broker.json("GET", "/devices")["items"]}


def state(broker: BrokerInProcess, lease: dict[str, Any]) -> str:
    return str(broker.json("GET", f"/leases/{lease['id']}")["state"])


def test_faces_of_one_gpu_are_two_devices_of_the_same_hardware_and_count_as_one(
    broker: BrokerInProcess,
) -> None:
    broker.register("n2", *FACES, "cpu:c")
    found = {(one["node"], one["name"]): one["hardware"] for one in broker.json("GET", "/devices")["items"]}
    cpu = found.pop(("n2", "c"))
    assert cpu.startswith("dev_")
    assert set(found.values()) == {"n1/card", "n2/card"}
    assert found["n1", "ocl"] == found["n1", "cuda"]
    assert [node["device_count"] for node in broker.json("GET", "/nodes")["items"]] == [1, 2]


@pytest.mark.parametrize(("api", "other"), [("opencl", "cuda"), ("cuda", "opencl")])
def test_a_lease_of_one_face_makes_the_other_wait_until_it_ends(
    broker: BrokerInProcess, api: str, other: str
) -> None:
    first, second = broker.lease(api=api, exclusive=True), broker.lease(api=other)
    assert (first["state"], second["state"]) == ("active", "queued")
    assert second["reason"] == f"1 device would do: 1 leased as {api}"
    assert {(one["state"], *one["leases"]) for one in known(broker).values()} == {("leased", first["id"])}
    assert broker.json("GET", "/devices?free=true")["items"] == []
    broker.json("DELETE", f"/leases/{first['id']}")
    assert state(broker, second) == "active"


def test_who_waits_is_told_as_what_the_hardware_is_lent(broker: BrokerInProcess) -> None:
    first, second = broker.lease(api="opencl"), broker.lease(api="cuda")
    told = broker.json("GET", f"/leases/{second['id']}/explanation")["devices"]
    assert {one["name"]: (one["verdict"], one["leases"]) for one in told} == {
        "ocl": ("it is for programs of opencl, not of cuda", [first["id"]]),
        "cuda": ("its hardware is lent as ocl (opencl)", [first["id"]]),
    }


def test_halves_and_memory_of_both_faces_add_up_to_the_hardware(broker: BrokerInProcess) -> None:
    by_opencl = broker.lease(api="opencl", compute=0.5, memory_bytes=5 * GIB)
    by_cuda = broker.lease(api="cuda", compute=0.25, memory_bytes=3 * GIB)
    assert (by_opencl["state"], by_cuda["state"]) == ("active", "active")
    for one in known(broker).values():
        assert one["free"] == {"memory_bytes": 0, "compute": 0.25}
        assert one["leases"] == [by_opencl["id"], by_cuda["id"]]
    assert broker.lease(api="opencl", compute=0.25, memory_bytes=1)["state"] == "queued"
    answer = broker.call("PATCH", f"/leases/{by_cuda['id']}", json={"compute": 0.75})
    assert answer.status_code == 409
    assert broker.json("PATCH", f"/leases/{by_cuda['id']}", {"compute": 0.5})["shares"][0]["compute"] == 0.5


def test_one_lease_of_both_faces_is_refused_for_there_is_one_gpu(broker: BrokerInProcess) -> None:
    ids = [one["id"] for one in known(broker).values()]
    answer = broker.call("POST", "/leases", json={"devices": ids, "compute": 0.5}).get_json()
    assert answer["type"].endswith("/unsatisfiable")
    assert sorted(why.split(" dev_")[0] for why in answer["devices"].values()) == [
        "it is the same hardware as",
        "it would do, but of 2 wanted at once the pool has 1",
    ]


def test_grants_of_both_faces_are_numbered_in_one_series(broker: BrokerInProcess) -> None:
    epochs = [
        broker.lease(api=api, compute=0.25)["shares"][0]["epoch"]
        for api in ("opencl", "cuda", "cuda", "opencl")
    ]
    assert epochs == [1, 2, 3, 4]


def test_both_faces_have_the_memory_that_both_drivers_tell() -> None:
    bodies = [device(text, memory_bytes=size) for text, size in zip(FACES, (8 * GIB, 7 * GIB), strict=True)]
    with BrokerInProcess() as broker:
        broker.json("PUT", "/nodes/n1", registration() | {"devices": bodies}, role="node")
        assert {one["capacity"]["memory_bytes"] for one in known(broker).values()} == {7 * GIB}
        assert broker.lease(api="opencl", memory_bytes=7 * GIB, compute=0.5)["state"] == "active"
        assert broker.lease(api="cuda", memory_bytes=1, compute=0.5)["state"] == "queued"


def test_a_quota_counts_a_gpu_by_what_is_had_of_it_however_it_is_lent(broker: BrokerInProcess) -> None:
    broker.json("PUT", "/tenants/org", {"quota_devices": 1.0})
    halves = [broker.lease(api=api, compute=0.5, tenant="org") for api in ("opencl", "cuda")]
    assert [lease["state"] for lease in halves] == ["active", "active"]
    broker.clock.move(3600)
    assert broker.json("GET", "/tenants/org")["spent_device_hours"] == pytest.approx(1.0)


def test_a_lease_of_one_face_keeps_the_hardware_through_a_restart_of_the_broker(tmp_path: Path) -> None:
    clock = FakeClock()
    with BrokerInProcess(tmp_path, clock) as broker:
        broker.register("n1", *FACES)
        first, second = broker.lease(api="cuda"), broker.lease(api="opencl")
    with BrokerInProcess(tmp_path, clock) as broker:
        broker.report("n1", sequence=1)
        broker.services.pool.tick()
        assert (state(broker, first), state(broker, second)) == ("active", "queued")
        broker.json("DELETE", f"/leases/{first['id']}")
        assert state(broker, second) == "active"


def test_registering_again_without_a_restart_leaves_the_hardware_lent(broker: BrokerInProcess) -> None:
    first = broker.lease(api="cuda")
    broker.register("n1", *FACES)
    assert state(broker, first) == "active"
    assert broker.lease(api="opencl")["state"] == "queued"


def test_hardware_of_a_restarted_node_goes_to_who_waits_for_either_face(broker: BrokerInProcess) -> None:
    first, second = broker.lease(api="cuda"), broker.lease(api="opencl")
    broker.register("n1", *FACES, boot_id="boot-2")
    assert (state(broker, first), state(broker, second)) == ("lost", "active")
    assert broker.json("GET", f"/leases/{second['id']}")["shares"][0]["epoch"] > first["shares"][0]["epoch"]


def test_a_node_may_show_one_face_after_a_restart_and_both_after_another(broker: BrokerInProcess) -> None:
    broker.register("n1", "gpu:ocl", boot_id="boot-2")
    first = broker.lease(api="opencl")
    assert first["state"] == "active"
    assert known(broker)["ocl"]["hardware"] == known(broker)["ocl"]["id"]
    broker.register("n1", *FACES, boot_id="boot-3")
    assert broker.lease(api="cuda")["state"] == "active"
    assert broker.lease(api="opencl")["state"] == "queued"


def test_a_reservation_of_one_face_keeps_the_other_for_its_time(broker: BrokerInProcess) -> None:
    starts, ends = "2027-01-15T09:00:00Z", "2027-01-15T10:00:00Z"
    reserved = broker.lease(api="cuda", starts_at=starts, ends_at=ends)
    refused = broker.call("POST", "/leases", json={"api": "opencl", "starts_at": starts, "ends_at": ends})
    assert refused.get_json()["leases"] == [reserved["id"]]
    endless, short = broker.lease(api="opencl"), broker.lease(api="opencl", max_duration_s=600)
    assert (endless["state"], short["state"]) == ("queued", "active")


def test_hardware_with_too_long_a_name_is_refused(broker: BrokerInProcess) -> None:
    body = registration("gpu:g:cuda:" + "x" * 65)
    assert broker.call("PUT", "/nodes/n1", json=body, role="node").status_code == 422


def test_metrics_count_a_gpu_with_two_faces_once_and_tell_what_is_granted_of_both(
    broker: BrokerInProcess,
) -> None:
    broker.lease(kind="gpu", api="cuda", compute=0.5)
    told = scraped(broker)
    counts = {"api": "opencl", "kind": "gpu", "state": "leased"}
    assert told.value("accelpool_devices", **counts) == 1
    for name, api in (("ocl", "opencl"), ("cuda", "cuda")):
        face = {"node": "n1", "device": name, "hardware": "n1/card", "kind": "gpu", "api": api}
        assert told.value("accelpool_device_compute_granted_ratio", **face) == 0.5


@pytest.mark.parametrize(("faulty", "api"), [("ocl", "cuda"), ("cuda", "opencl")])
def test_a_gpu_with_a_faulty_face_counts_as_the_other_that_is_lent(
    broker: BrokerInProcess, faulty: str, api: str
) -> None:
    broker.report("n1", sequence=1, device_faults={faulty: "it hangs"})
    assert broker.lease(api=api)["state"] == "active"
    told = scraped(broker)
    assert told.value("accelpool_devices") == 1
    assert told.value("accelpool_devices", api=api, kind="gpu", state="leased") == 1
