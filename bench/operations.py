"""What is timed, written once for pool and local, OpenCL and CUDA: launches, transfers, builds, acquiring.

An operation is made with an `Accelerator` and parameters, and has `run(count)`: that many samples of each of
its series, in seconds. Making it is not timed; what it holds is freed when it is dropped.
"""

from __future__ import annotations

import os
import time
from typing import Any, Protocol

import numpy as np

from accelpool_kernels import source
from accelpool_kernels.description import CUDA, OPENCL
from bench.accelerator import Accelerator

Series = dict[str, list[float]]
now = time.perf_counter

NULL_SOURCES = {
    OPENCL: "__kernel void nothing(void) { }",
    CUDA: 'extern "C" __global__ void nothing(void) { }',
}
LAUNCH_SOURCES = {
    OPENCL: "__kernel void touch(__global float *target, const int index, const float value)",
    CUDA: 'extern "C" __global__ void touch(float *target, const int index, const float value)',
}
LAUNCH_BODY = "{ target[index] = value; }"
MARKS = {
    OPENCL: "__kernel void mark_{salt}(__global ulong *out) {{ out[0] = {number}; }}",
    CUDA: 'extern "C" __global__ void mark_{salt}(unsigned long long *out) {{ out[0] = {number}; }}',
}
CHANGING_VALUES = 64
VALUE = np.float32(1.5)


class Operation(Protocol):
    """Something to time."""

    def run(self, count: int) -> Series:
        """Return `count` samples of each series, in seconds."""
        ...


class NullRoundTrip:
    """Enqueue an empty kernel and finish."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._queue = accelerator.queue()
        kernel = accelerator.kernel(NULL_SOURCES[accelerator.api], "nothing")
        self._launch = self._queue.launcher(kernel, (1,), None)

    def run(self, count: int) -> Series:
        """Series: null."""
        launch, finish, samples = self._launch, self._queue.finish, []
        for _ in range(count):
            start = now()
            launch()
            finish()
            samples.append(now() - start)
        return {"null": samples}


class Launches:
    """Enqueue many small kernels with three arguments each, then finish; seconds per launch.

    Args:
        accelerator: Where.
        launches: How many launches make one sample.
    """

    def __init__(self, accelerator: Accelerator, launches: int) -> None:
        self._queue = accelerator.queue()
        kernel = accelerator.kernel(f"{LAUNCH_SOURCES[accelerator.api]} {LAUNCH_BODY}", "touch")
        self._launch = self._queue.launcher(kernel, (1,), None)
        self._target = accelerator.buffer(4 * CHANGING_VALUES)
        self._indices = [np.int32(index % CHANGING_VALUES) for index in range(launches)]

    def run(self, count: int) -> Series:
        """Series: same_caller, same_sustained, changing_caller, changing_sustained."""
        series: Series = {}
        for _ in range(count):
            for name, indices in (
                ("same", self._indices[:1] * len(self._indices)),
                ("changing", self._indices),
            ):
                caller, sustained = self._launch_all(indices)
                series.setdefault(f"{name}_caller", []).append(caller)
                series.setdefault(f"{name}_sustained", []).append(sustained)
        return series

    def _launch_all(self, indices: list[np.int32]) -> tuple[float, float]:
        launch, finish, target, value = self._launch, self._queue.finish, self._target, VALUE
        finish()
        start = now()
        for index in indices:
            launch(target, index, value)
        posted = now()
        finish()
        finished = now()
        self._check(indices)
        return (posted - start) / len(indices), (finished - start) / len(indices)

    def _check(self, indices: list[np.int32]) -> None:
        """See that the launches really ran, and clear their traces."""
        values = np.empty(CHANGING_VALUES, np.float32)
        self._queue.read(values, self._target)
        self._queue.write(self._target, np.zeros(4 * CHANGING_VALUES, np.uint8))
        if any(values[index] != VALUE for index in indices):
            raise RuntimeError("a launch was lost")


class Transfer:
    """Write to a buffer and finish; read from it, blocking.

    Args:
        accelerator: Where.
        size: In bytes.
    """

    def __init__(self, accelerator: Accelerator, size: int) -> None:
        self._queue = accelerator.queue()
        self._buffer = accelerator.buffer(size)
        self._source = accelerator.host(np.random.default_rng(1).integers(0, 256, size, np.uint8))
        self._target = accelerator.host(np.zeros(size, np.uint8))
        self.run(1)
        if not np.array_equal(self._source, self._target):
            raise RuntimeError(f"{size} bytes came back different")

    def run(self, count: int) -> Series:
        """Series: write, read."""
        writes, reads, queue = [], [], self._queue
        for _ in range(count):
            start = now()
            queue.write(self._buffer, self._source)
            queue.finish()
            writes.append(now() - start)
        for _ in range(count):
            start = now()
            queue.read(self._target, self._buffer)
            reads.append(now() - start)
        return {"write": writes, "read": reads}


class Build:
    """Build the kernel library's matmul from source, never seen before (cold) and seen just now (warm)."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._number = 0
        self._source = source("matmul", accelerator.api)
        self._build(self._source)  # loads the compiler

    def run(self, count: int) -> Series:
        """Series: cold, warm."""
        cold, warm = [], []
        for _ in range(count):
            text = self._fresh_source()
            cold.append(self._build(text))
            warm.append(self._build(text))
        return {"cold": cold, "warm": warm}

    def _build(self, text: str) -> float:
        start = now()
        kernel = self._accelerator.kernel(text, "matmul")
        spent = now() - start
        del kernel
        return spent

    def _fresh_source(self) -> str:
        """Return a source that differs in its code, so that no cache of any layer knows it."""
        self._number += 1
        salt = f"{time.time_ns()}{os.getpid()}{self._number}"
        mark = MARKS[self._accelerator.api].format(salt=salt, number=hash(salt) & 0xFFFFFFFF)
        return f"{self._source}\n{mark}\n"


class Acquire:
    """Acquire the device and release it; locally: make a context and drop it."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        accelerator.give_back()

    def run(self, count: int) -> Series:
        """Series: acquire, release, both."""
        series: Series = {"acquire": [], "release": [], "both": []}
        for _ in range(count):
            time.sleep(self._accelerator.rest_s)
            start = now()
            context: Any = self._accelerator.acquire()
            acquired = now()
            self._accelerator.release(context)
            del context
            released = now()
            series["acquire"].append(acquired - start)
            series["release"].append(released - acquired)
            series["both"].append(released - start)
        return series
