"""Every kernel of the library, on every OpenCL device present, against its NumPy twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelpool_kernels import Role, entry, source

from ..kernel_library import MOST_ROWS, KernelLibraryCases, empty_results, scalars_of

pytestmark = pytest.mark.opencl


class OpenCLLauncher:
    """Runs kernels of the library by their entries."""

    most_rows = MOST_ROWS

    def __init__(self, cl: Any, context: Any) -> None:
        self._cl = cl
        self._context = context
        self._queue = cl.CommandQueue(context)

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
        kernel = getattr(self._cl.Program(self._context, source(name)).build(), name)
        values = self._values(name, arguments)
        ndrange = entry(name).ndrange(**scalars_of(name, arguments))
        kernel(self._queue, ndrange.global_size, ndrange.local_size, *values.values())
        written = empty_results(name, arguments)
        for key, array in written.items():
            self._cl.enqueue_copy(self._queue, array, values[key])
        self._queue.finish()
        return written

    def _values(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        local_bytes = entry(name).local_bytes(**scalars_of(name, arguments))
        values = {}
        for argument in entry(name).arguments:
            if argument.role is Role.LOCAL:
                values[argument.name] = self._cl.LocalMemory(local_bytes[argument.name])
            elif argument.role is Role.SCALAR:
                values[argument.name] = arguments[argument.name]
            else:
                values[argument.name] = self._buffer(arguments[argument.name])
        return values

    def _buffer(self, array: np.ndarray) -> Any:
        flags = self._cl.mem_flags
        return self._cl.Buffer(self._context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=array)


@pytest.fixture
def launcher(cl: Any, context: Any) -> OpenCLLauncher:
    return OpenCLLauncher(cl, context)


class TestKernelLibrary(KernelLibraryCases):
    """On OpenCL devices."""
