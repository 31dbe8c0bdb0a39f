"""The kernel library launched in CUDA C++ on null devices, which compute nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import accelpool
import accelpool.cuda
from accelpool_kernels import entry, names, samples

from ..conftest import Pool, running
from ..cuda_launcher import CudaLauncher


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A context on a null device, current in this thread while the module's tests run."""
    for pool in running(Pool(folder=tmp_path_factory.mktemp("null-cuda-pool"), backend="null-cuda:1")):
        with (
            accelpool.connect(pool.url, pool.token) as broker,
            accelpool.cuda.acquire(broker=broker, wait=30) as context,
        ):
            yield context


@pytest.mark.parametrize("name", names())
def test_a_launch_has_what_the_kernel_takes(name: str, context: Any) -> None:
    arguments = samples.sample(name, np.random.default_rng(1))
    written = CudaLauncher().run(name, arguments)
    assert list(written) == [a.name for a in entry(name).parameters if a.role.is_written]
    assert all(np.array_equal(array, arguments[key]) for key, array in written.items())
