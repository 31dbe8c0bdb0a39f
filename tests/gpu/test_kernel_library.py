"""Every kernel of the library in CUDA C++, on a GPU of a pool on this machine, against its NumPy twin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import accelpool
import accelpool.cuda

from ..conftest import Pool, running
from ..cuda_launcher import CudaLauncher
from ..kernel_library import KernelLibraryCases

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine shows no NVIDIA GPU"),
]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A context on a GPU, current in this thread while a module's tests run."""
    for pool in running(Pool(folder=tmp_path_factory.mktemp("cuda-pool"), backend="cuda")):
        with (
            accelpool.connect(pool.url, pool.token) as broker,
            accelpool.cuda.acquire(broker=broker, wait=30) as context,
        ):
            yield context


@pytest.fixture
def launcher(context: Any) -> CudaLauncher:
    return CudaLauncher()


class TestKernelLibrary(KernelLibraryCases):
    """On a CUDA device."""
