"""Where CUDA's compilers are found, and that what is not there is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from accelpool_node import cuda_toolkit, discover
from accelpool_wire.errors import Unavailable


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
    with pytest.raises(Unavailable, match=r"PyCUDA: pip install .*\[cuda\]|NVIDIA's driver"):
        discover.load_backend("cuda")
