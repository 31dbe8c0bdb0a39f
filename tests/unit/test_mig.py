"""Which environments a GPU's MIG instances have, and what their devices are called."""

from __future__ import annotations

import pytest

from accelpool_node.agent.devices import describe, without_parted
from accelpool_node.discover import Listed
from accelpool_node.drivers import DriverEnvironment, cuda_environment, null_environment
from accelpool_node.gpus import Gpu, Instance
from accelpool_node.mig import parents_of, with_instances

WHOLE, OTHER = (Gpu(uuid=f"GPU-{digit * 8}-0000", place=f"0000:{digit}0:00") for digit in "12")
SMALL = Instance(uuid="MIG-aaaaaaaa-0000", profile="1g.5gb", gpu_instance=9, compute_instance=0)
LARGE = Instance(uuid="MIG-bbbbbbbb-0000", profile="3g.20gb", gpu_instance=2, compute_instance=0)
PARTED = Gpu(uuid="GPU-33333333-0000", place="0001:3b:00", is_parted=True, instances=[SMALL, LARGE])
UNUSED = Gpu(uuid="GPU-44444444-0000", place="0001:3c:00", is_parted=True)


def shown(*gpus: Gpu, visible: str | None = None) -> dict[str, str | None]:
    """What CUDA shows in each environment."""
    variables = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = with_instances({"cuda": cuda_environment(variables, is_expected=False)}, gpus)
    return {name: one.variables.get("CUDA_VISIBLE_DEVICES") for name, one in found.items()}


@pytest.mark.parametrize("gpus", [(), (WHOLE, OTHER), (WHOLE, UNUSED)])
def test_without_instances_cuda_shows_what_it_likes(gpus: tuple[Gpu, ...]) -> None:
    assert shown(*gpus) == {"cuda": None}
    assert shown(*gpus, visible="1") == {"cuda": "1"}


def test_each_instance_has_an_environment_beside_that_of_the_whole_gpus() -> None:
    assert shown(WHOLE, PARTED, OTHER) == {
        "cuda": "GPU-11111111-0000,GPU-22222222-0000",
        "cuda-mig-aaaaaaaa": "MIG-aaaaaaaa-0000",
        "cuda-mig-bbbbbbbb": "MIG-bbbbbbbb-0000",
    }
    assert "cuda" not in shown(PARTED)


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("MIG-bbbbbbbb-0000", {"cuda-mig-bbbbbbbb": "MIG-bbbbbbbb-0000"}),
        ("MIG-bb, GPU-2", {"cuda": "GPU-22222222-0000", "cuda-mig-bbbbbbbb": "MIG-bbbbbbbb-0000"}),
        ("GPU-2", {"cuda": "GPU-2"}),
        ("0,1", {"cuda": "0,1"}),
        ("MIG-aa,0", {"cuda": "MIG-aa,0"}),
        ("", {"cuda": ""}),
        ("MIG-", {"cuda": "MIG-"}),
    ],
)
def test_what_the_operator_wants_to_be_visible_is_all_that_is(visible: str, expected: dict[str, str]) -> None:
    assert shown(WHOLE, PARTED, OTHER, visible=visible) == expected


def test_a_node_without_cuda_keeps_its_environments() -> None:
    null = null_environment("null:1", {})
    assert with_instances({"null": null}, [PARTED]) == {"null": null}
    beside = with_instances({"null": null, "cuda": cuda_environment({}, is_expected=False)}, [PARTED])
    assert list(beside) == ["null", "cuda-mig-aaaaaaaa", "cuda-mig-bbbbbbbb"]


def instance_environments(*instances: Instance) -> list[DriverEnvironment]:
    gpu = Gpu(uuid="GPU-3", place="0001:3b:00", is_parted=True, instances=list(instances))
    found = with_instances({"cuda": cuda_environment({"PATH": "/bin"}, is_expected=True)}, [gpu])
    return list(found.values())


def listed(name: str, *, bus: int, domain: int = 0) -> Listed:
    info = {0x101F: 20 << 30, 0x1002: 14, 0x4008: bus, 0x4009: 0, 0x400A: domain}
    return Listed(name=name, platform={}, info=info, kind="gpu", api="cuda")


def test_a_device_of_an_instance_tells_its_profile_and_its_gpu_and_is_hardware_of_its_own() -> None:
    small, large = instance_environments(SMALL, LARGE)
    told = [
        describe(one.name, listed("A100", bus=0x3B, domain=1), "", known=one.known).report
        for one in (small, large)
    ]
    assert [report.name for report in told] == ["cuda-mig-aaaaaaaa/A100", "cuda-mig-bbbbbbbb/A100"]
    assert [report.attributes["mig_profile"] for report in told] == ["1g.5gb", "3g.20gb"]
    assert [report.attributes["hardware"] for report in told] == ["0001:3b:00/9/0", "0001:3b:00/2/0"]
    assert {report.attributes["parent_hardware"] for report in told} == {"0001:3b:00"}
    assert small.expected == "the MIG instance MIG-aaaaaaaa-0000"
    assert small.variables["PATH"] == "/bin"


def test_compute_instances_of_one_gpu_instance_share_its_memory_in_equal_parts() -> None:
    first = Instance(uuid="MIG-c0", profile="1c.3g.20gb", gpu_instance=2, compute_instance=0)
    second = Instance(uuid="MIG-c1", profile="1c.3g.20gb", gpu_instance=2, compute_instance=1)
    environments = instance_environments(first, second, SMALL)
    assert [one.memory_parts for one in environments] == [2, 2, 1]
    device = describe("e", listed("A100", bus=1), "", memory_parts=2)
    assert device.report.capacity.memory_bytes == 10 << 30


def test_a_parted_gpu_is_shown_by_its_instances_alone() -> None:
    parents = parents_of([cuda_environment({}, is_expected=False), *instance_environments(SMALL)])
    whole, part = listed("whole", bus=1), listed("part", bus=0x3B, domain=1)
    found = {"nvidia": [whole, part], "cuda": [whole], "cuda-mig-aaaaaaaa": [part]}
    assert without_parted(found, parents) == {**found, "nvidia": [whole]}
    assert without_parted(found, {}) == found
