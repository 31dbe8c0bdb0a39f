"""Runs the kernel library's kernels through PyCUDA's names, in the current context."""

from __future__ import annotations

from typing import Any

import numpy as np

import accelpool.cuda.driver as cuda
from accelpool.cuda.compiler import SourceModule
from accelpool_kernels import Role, entry, source

from .kernel_library import MOST_ROWS, empty_results, scalars_of


class CudaLauncher:
    """Runs kernels of the library by their entries, in the current context."""

    most_rows = MOST_ROWS

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
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
