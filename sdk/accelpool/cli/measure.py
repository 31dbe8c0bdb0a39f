"""What `accelpool bench` measures, in PyOpenCL's words: the same for the pool and for a local device.

The bench of this project's own source tree (`bench/`) measures more, with both sides taking turns and the
network's floor beside them. This one asks how a device does for whoever borrows it, within seconds.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

MIB = 1 << 20
ROUND_TRIPS = 200
LAUNCHES = 2000
SIZES = (1 * MIB, 64 * MIB)
COPIES = 8
SIDE = 256
TOLERANCE = 1e-4
"""Of the largest value: sums of 256 products in float32, in any order."""

SOURCE = """
__kernel void nothing(void) { }
__kernel void matmul(const int n, __global const float *a, __global const float *b, __global float *c) {
    const int row = get_global_id(1), column = get_global_id(0);
    float sum = 0.0f;
    for (int i = 0; i < n; ++i) sum += a[row * n + i] * b[i * n + column];
    c[row * n + column] = sum;
}
"""

now: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One thing that was measured: the median of its samples.

    Attributes:
        name: What.
        unit: "us", "ms", "1/s" or "GB/s" (10^9 bytes).
        value: How much.
    """

    name: str
    unit: str
    value: float


def figures(cl: Any, context: Any) -> Iterator[Figure]:
    """Measure a device, one figure after the other.

    Args:
        cl: The module whose context it is: `accelpool` or `pyopencl`.
        context: A context on one device for OpenCL C.
    """
    queue = cl.CommandQueue(context)
    begun = now()
    program = cl.Program(context, SOURCE).build()
    yield Figure(name="build of two small kernels", unit="ms", value=(now() - begun) * 1e3)
    nothing = program.nothing
    yield _null_round_trip(queue, nothing)
    yield _launch_rate(queue, nothing)
    longest = int(context.devices[0].max_mem_alloc_size)
    for size in (size for size in SIZES if size <= longest):
        yield from _transfers(cl, context, queue, size)
    yield _matmul(cl, context, queue, program.matmul)[0]


def is_right(cl: Any, context: Any) -> bool:
    """Whether a device multiplies matrices as NumPy does."""
    program = cl.Program(context, SOURCE).build()
    return _matmul(cl, context, cl.CommandQueue(context), program.matmul)[1] <= TOLERANCE


def _null_round_trip(queue: Any, nothing: Any) -> Figure:
    def once() -> None:
        nothing(queue, (1,), None)
        queue.finish()

    return Figure(name="empty kernel and back", unit="us", value=_median_s(once, ROUND_TRIPS) * 1e6)


def _launch_rate(queue: Any, nothing: Any) -> Figure:
    def all_of_them() -> None:
        for _ in range(LAUNCHES):
            nothing(queue, (1,), None)
        queue.finish()

    return Figure(name="launches", unit="1/s", value=LAUNCHES / _median_s(all_of_them, 3))


def _transfers(cl: Any, context: Any, queue: Any, size: int) -> Iterator[Figure]:
    host = np.ones(size, np.uint8)
    buffer = cl.Buffer(context, cl.mem_flags.READ_WRITE, size)

    def write() -> None:
        cl.enqueue_copy(queue, buffer, host)
        queue.finish()

    def read() -> None:
        cl.enqueue_copy(queue, host, buffer)

    for name, copy in (("write", write), ("read", read)):
        rate = size / _median_s(copy, COPIES) / 1e9
        yield Figure(name=f"{name} {size // MIB} MiB", unit="GB/s", value=rate)
    buffer.release()


def _matmul(cl: Any, context: Any, queue: Any, kernel: Any) -> tuple[Figure, float]:
    """Multiply two matrices; return how long that takes, and how far the result is from NumPy's."""
    a, b = np.random.default_rng(1).random((2, SIDE, SIDE), np.float32)
    flags = cl.mem_flags.READ_ONLY | cl.mem_flags.COPY_HOST_PTR
    inputs = [cl.Buffer(context, flags, hostbuf=np.ascontiguousarray(each)) for each in (a, b)]
    product = np.empty_like(a)
    output = cl.Buffer(context, cl.mem_flags.WRITE_ONLY, product.nbytes)

    def once() -> None:
        kernel(queue, (SIDE, SIDE), None, np.int32(SIDE), *inputs, output)
        queue.finish()

    took_ms = _median_s(once, COPIES) * 1e3
    cl.enqueue_copy(queue, product, output)
    expected = a @ b
    error = float(np.max(np.abs(product - expected)) / np.max(expected))
    return Figure(name=f"matmul {SIDE} x {SIDE}", unit="ms", value=took_ms), error


def _median_s(work: Callable[[], None], count: int) -> float:
    """Return how long some work takes, in seconds: the median, after once that does not count."""
    work()
    samples = []
    for _ in range(count):
        begun = now()
        work()
        samples.append(now() - begun)
    return statistics.median(samples)
