"""Whether a device computes what it should: the part of it that all drivers have in common."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from accelpool_wire.errors import Error

PROBE_SIZE = 64  # the widest vectors that a compiler makes of a kernel have 16 elements
PROBE_TOLERANCE = 1e-4
MAX_TOLD = 500


def fault_of(compute: Callable[[np.ndarray, np.ndarray], None]) -> str:
    """Return what is wrong with a device, "" if nothing is.

    Args:
        compute: Has the device write exp(-x) + rsqrt(x) of its first argument into its second;
            both (64,) float32, C order.
    """
    x = np.linspace(0.5, 4.0, PROBE_SIZE, dtype=np.float32)
    y = np.zeros_like(x)
    try:
        compute(x, y)
    except Error as error:
        return " ".join(str(error).split())[:MAX_TOLD]
    expected = np.exp(-x) + 1 / np.sqrt(x)
    if np.allclose(y, expected, rtol=PROBE_TOLERANCE, atol=0):
        return ""
    worst = int(np.argmax(np.nan_to_num(abs(y - expected), nan=np.inf)))
    return f"it computes exp(-x) + rsqrt(x) of {x[worst]:g} as {y[worst]:g}, not {expected[worst]:g}"
