"""Every kernel of the library in CUDA C++, on a GPU of a pool on this machine, against its NumPy twin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from accelpool_kernels import Role, entry, source

from ..conftest import Pool, running
from ..kernel_library import KernelLibraryCases, empty_results, scalars_of

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="this machine shows no NVIDIA GPU"),
]


class CudaLauncher:
    """Runs kernels of the library by their entries, in the current context."""

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
        import accelpool.cuda.driver as cuda
        from accelpool.cuda.compiler import SourceModule

        kernel = SourceModule(source(name, "cuda"), no_extern_c=True).get_function(name)
        values = {
            a.name: arguments[a.name] if a.role is Role.SCALAR else cuda.to_device(arguments[a.name])
            for a in entry(name).parameters
        }
        scalars = scalars_of(name, arguments)
        ndrange = entry(name).ndrange("cuda", **scalars)
        grid = [items // local for items, local in zip(ndrange.global_size, ndrange.local_size, strict=True)]
        shared = sum(entry(name).local_bytes(**scalars).values())
        kernel(*values.values(), grid=_three(grid), block=_three(ndrange.local_size), shared=shared)
        written = empty_results(name, arguments)
        for key, array in written.items():
            cuda.memcpy_dtoh(array, values[key])
        return written


def _three(sizes: Any) -> tuple[int, ...]:
    return (*sizes, 1, 1)[:3]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A context on a GPU, current in this thread while a module's tests run."""
    import accelpool
    import accelpool.cuda

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
