"""Runs the kernel library's kernels through PyCUDA's names, in the current context."""

from __future__ import annotations

from typing import Any

import numpy as np

import accelpool.cuda.driver as cuda
from accelpool_kernels import Role, entry

from .kernel_library import MOST_ROWS, empty_results


class CudaLauncher:
    """Runs kernels of the library by their entries, in the current context."""

    most_rows = MOST_ROWS

    def run(self, name: str, arguments: dict[str, Any]) -> dict[str, np.ndarray]:
        """What the kernel writes for these arguments, by name."""
        values = {
            a.name: arguments[a.name] if a.role is Role.SCALAR else cuda.to_device(arguments[a.name])
            for a in entry(name).parameters
        }
        context = cuda.Context.get_current()
        assert context is not None, "a test has one"
        getattr(context.kernels, name)(*values.values())
        written = empty_results(name, arguments)
        for key, array in written.items():
            cuda.memcpy_dtoh(array, values[key])
        return written
