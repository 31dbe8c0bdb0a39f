"""Where CUDA's compilers are found, and that what is not there is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accelpool_node import cuda_toolkit, discover
from accelpool_node.agent.devices import hardware, without_second_faces
from accelpool_node.discover import Listed
from accelpool_wire.errors import Unavailable


def listed(name: str, api: str, **numbers: int) -> Listed:
    infos = {"bus": 0x4008, "slot": 0x4009, "domain": 0x400A}
    info = {infos[what]: number for what, number in numbers.items()}
    return Listed(name=name, platform={}, info=info, kind="gpu", api=api)


def test_nvrtc_is_found_in_a_toolkit_and_beside_the_loaders_libraries(tmp_path: Path) -> None:
    (tmp_path / "home/lib64").mkdir(parents=True)
    (tmp_path / "home/lib64/libnvrtc.so.12.8.61").touch()
    (tmp_path / "home/lib64/libnvrtc-builtins.so.12.8").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/libnvrtc.so.13").touch()
    variables = {"CUDA_HOME": str(tmp_path / "home"), "LD_LIBRARY_PATH": f"{tmp_path}/other:"}
    found = cuda_toolkit.nvrtc_libraries(variables)
    ours = {path: version for path, version in found.items() if path.startswith(str(tmp_path))}
    assert ours == {
        f"{tmp_path}/home/lib64/libnvrtc.so.12.8.61": 12,
        f"{tmp_path}/other/libnvrtc.so.13": 13,
    }


def test_without_pycuda_or_the_driver_the_backend_is_unavailable_and_says_why() -> None:
    if cuda_toolkit.has_pycuda() and any(map(os.path.exists, cuda_toolkit.CONTROL_NODES)):
        pytest.skip("both are here")
    with pytest.raises(Unavailable, match=r"PyCUDA: pip install 'accelpool\[cuda\]'|NVIDIA's driver"):
        discover.load_backend("cuda")


def test_hardware_is_its_place_on_the_bus() -> None:
    assert hardware(listed("gpu", "cuda", bus=0x19, slot=3 << 3, domain=1)) == "0001:19:03"
    assert hardware(listed("gpu", "opencl", bus=0x19, slot=3 << 3)) == "0000:19:03"
    assert hardware(listed("cpu", "opencl")) == ""


def test_hardware_that_cuda_shows_too_has_no_second_name() -> None:
    one, other = {"bus": 1, "slot": 0}, {"bus": 2, "slot": 0}
    found = without_second_faces({
        "nvidia": [listed("a", "opencl", **one), listed("b", "opencl", **other), listed("c", "opencl")],
        "cuda": [listed("a", "cuda", **one)],
    })  # fmt: skip
    assert {name: [device.name for device in devices] for name, devices in found.items()} == {
        "nvidia": ["b", "c"],
        "cuda": ["a"],
    }


def test_without_cuda_every_device_keeps_its_name() -> None:
    devices = {"nvidia": [listed("a", "opencl", bus=1, slot=0)], "bundled": [listed("cpu", "opencl")]}
    assert without_second_faces(devices) == devices
