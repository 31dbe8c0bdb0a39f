"""Sample arguments of every kernel, so that one test or one demo can run any of them.

Sizes are odd on purpose: no local work size divides them. Values have either sign, except
where the tolerance or the formula asks for positive ones.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.random import Generator

from accelpool_kernels.catalogue import entry
from accelpool_kernels.description import Argument, Entry, Role

DTYPES: dict[str, type[np.generic]] = {
    "uchar": np.uint8,
    "int": np.int32,
    "uint": np.uint32,
    "float": np.float32,
}
"""The NumPy type of each OpenCL C scalar type that the library uses."""

_SCALARS: dict[str, dict[str, float]] = {
    "vector_add": {"n": 1001},
    "saxpy": {"n": 1001, "a": -1.7},
    "matmul": {"m": 71, "n": 133, "k": 37},
    "reduce_sum": {"n": 40_001},
    "inclusive_scan": {"n": 5003},
    "histogram256": {"n": 40_001},
    "convolve_rows": {"height": 37, "width": 101, "taps": 7},
    "convolve_columns": {"height": 37, "width": 101, "taps": 7},
    "sobel": {"height": 37, "width": 101},
    "stencil5": {"height": 37, "width": 101, "alpha": 0.2},
    "nbody_step": {"n": 301, "dt": 0.01, "softening": 0.05},
    "mandelbrot": {
        "height": 61,
        "width": 91,
        "left": -2.1,
        "top": 1.2,
        "pixel_size": 0.04,
        "max_iterations": 200,
    },
    "black_scholes": {"n": 1001, "rate": 0.03, "volatility": 0.25},
}


def sample(name: str, rng: Generator, **sizes: int) -> dict[str, Any]:
    """Return arguments for a kernel, by name and in the order in which a caller passes them.

    Args:
        name: Of the kernel.
        rng: Where the values come from: the same state gives the same sample.
        **sizes: Scalars to use instead of the sample's own, by name.

    Returns:
        NumPy scalars for scalars; C-ordered arrays for buffers, OUTPUT ones filled with zeros.

    Raises:
        UnknownKernel: There is no such kernel.
        InvalidArgument: One of the sizes is out of range or not the kernel's.
    """
    kernel = entry(name)
    scalars = _SCALARS[name] | sizes
    kernel.ndrange(**scalars)  # refuses wrong sizes
    return {argument.name: _value(kernel, argument, scalars, rng) for argument in kernel.parameters}


def _value(kernel: Entry, argument: Argument, scalars: dict[str, float], rng: Generator) -> Any:
    dtype = DTYPES[argument.type]
    if argument.role is Role.SCALAR:
        return dtype(scalars[argument.name])
    shape = tuple(d if isinstance(d, int) else int(scalars[d]) for d in argument.shape)
    if argument.role is Role.OUTPUT:
        return np.zeros(shape, dtype)
    draw = _DRAWS.get((kernel.name, argument.name), _signed if argument.type == "float" else _bytes)
    return draw(rng, shape).astype(dtype)


def _signed(rng: Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(-1.0, 1.0, shape)


def _bytes(rng: Generator, shape: tuple[int, ...]) -> Any:
    return rng.integers(0, 256, shape)


def _positive(rng: Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.0, 1.0, shape)


def _bodies(rng: Generator, shape: tuple[int, ...]) -> Any:
    """Return bodies in a cube of side 2 around the origin, of positive mass."""
    bodies = rng.uniform(-1.0, 1.0, shape)
    bodies[:, 3] = rng.uniform(0.1, 1.0, shape[0]) / shape[0]
    return bodies


def _prices(rng: Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(5.0, 100.0, shape)


def _years(rng: Generator, shape: tuple[int, ...]) -> Any:
    return rng.uniform(0.05, 5.0, shape)


_DRAWS: dict[tuple[str, str], Callable[[Generator, tuple[int, ...]], Any]] = {
    ("reduce_sum", "values"): _positive,
    ("inclusive_scan", "values"): _positive,
    ("nbody_step", "positions"): _bodies,
    ("black_scholes", "spot"): _prices,
    ("black_scholes", "strike"): _prices,
    ("black_scholes", "expiry"): _years,
}
