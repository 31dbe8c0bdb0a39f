"""Whole computations with kernels of the library: inputs written, computed on, results read.

Each sample starts from the same inputs, so both sides compute the same; `check` lets them be compared.
Series: `compute` is from the first launch to the end of the last, `whole` has the copies too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from accelpool_kernels import Role, entry, source
from accelpool_kernels.samples import sample
from bench.accelerator import Accelerator
from bench.operations import Series, now


class Workload:
    """Some launches of one kernel of the library.

    Args:
        accelerator: Where.
        kernel: The kernel's name.
        steps: How many launches.
        exchanged: Two arguments whose buffers change places after each launch, or none.
        sizes: The kernel's sizes.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        kernel: str,
        steps: int,
        exchanged: tuple[str, ...] = (),
        **sizes: int,
    ) -> None:
        self._steps = steps
        self._exchanged = exchanged
        self._entry = entry(kernel)
        self._values = sample(kernel, np.random.default_rng(1), **sizes)
        api = accelerator.api
        ndrange = self._entry.ndrange(api, **{name: self._values[name] for name in self._entry.sizes})
        self._queue = accelerator.queue()
        built = accelerator.kernel(source(kernel, api), kernel)
        self._launch = self._queue.launcher(built, ndrange.global_size, ndrange.local_size)
        inputs = [a.name for a in self._entry.parameters if a.role in (Role.INPUT, Role.INOUT)]
        self._inputs = {name: accelerator.host(self._values[name]) for name in inputs}
        self._output = next(a.name for a in self._entry.parameters if a.role is Role.OUTPUT)
        self._args: dict[str, Any] = {
            name: accelerator.buffer(value.nbytes) if isinstance(value, np.ndarray) else value
            for name, value in self._values.items()
        }
        self._result = accelerator.host(self._values[self._output])

    @property
    def check(self) -> float:
        """A figure that tells results apart."""
        return float(np.abs(self._result, dtype=np.float64).sum())

    def run(self, count: int) -> Series:
        """Series: compute, whole."""
        series: Series = {"compute": [], "whole": []}
        for _ in range(count):
            args = dict(self._args)
            start = now()
            for name, array in self._inputs.items():
                self._queue.write(args[name], array)
            self._queue.finish()
            written = now()
            last = self._compute(args)
            computed = now()
            self._queue.read(self._result, last)
            series["compute"].append(computed - written)
            series["whole"].append(now() - start)
        return series

    def _compute(self, args: dict[str, Any]) -> Any:
        """Launch all steps, finish, and return the buffer that the last one wrote."""
        launch = self._launch
        written = args[self._output]
        for _ in range(self._steps):
            written = args[self._output]
            launch(*args.values())
            if self._exchanged:
                first, second = self._exchanged
                args[first], args[second] = args[second], args[first]
        self._queue.finish()
        return written


class Matmul(Workload):
    """C = A B with square matrices of float32."""

    def __init__(self, accelerator: Accelerator, n: int) -> None:
        super().__init__(accelerator, "matmul", 1, m=n, n=n, k=n)


class Stencil(Workload):
    """Steps of the heat equation on a square grid."""

    def __init__(self, accelerator: Accelerator, n: int, steps: int) -> None:
        super().__init__(accelerator, "stencil5", steps, ("u", "u_next"), height=n, width=n)


class NBody(Workload):
    """Time steps of n bodies under gravity."""

    def __init__(self, accelerator: Accelerator, n: int, steps: int) -> None:
        super().__init__(accelerator, "nbody_step", steps, ("positions", "next_positions"), n=n)
