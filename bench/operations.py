"""What is timed, written once against a module like PyOpenCL: launches, transfers, builds, acquiring.

An operation is made with an `Accelerator` and parameters, and has `run(count)`: that many samples of each of
its series, in seconds. Making it is not timed; what it holds is freed when it is dropped.
"""

from __future__ import annotations

import os
import time
from typing import Any, Protocol

import numpy as np

from accelpool_kernels import source
from bench.accelerator import Accelerator

Series = dict[str, list[float]]
now = time.perf_counter

NULL_SOURCE = "__kernel void nothing(void) { }"
LAUNCH_SOURCE = """
__kernel void touch(__global float *target, const int index, const float value) { target[index] = value; }
"""
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
        cl = accelerator.cl
        self._queue = cl.CommandQueue(accelerator.context())
        self._kernel = cl.Kernel(accelerator.build(NULL_SOURCE), "nothing")

    def run(self, count: int) -> Series:
        """Series: null."""
        queue, kernel, samples = self._queue, self._kernel, []
        for _ in range(count):
            start = now()
            kernel(queue, (1,), None)
            queue.finish()
            samples.append(now() - start)
        return {"null": samples}


class Launches:
    """Enqueue many small kernels with three arguments each, then finish; seconds per launch.

    Args:
        accelerator: Where.
        launches: How many launches make one sample.
    """

    def __init__(self, accelerator: Accelerator, launches: int) -> None:
        cl = self._cl = accelerator.cl
        self._queue = cl.CommandQueue(accelerator.context())
        self._kernel = cl.Kernel(accelerator.build(LAUNCH_SOURCE), "touch")
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
                caller, sustained = self._launch(indices)
                series.setdefault(f"{name}_caller", []).append(caller)
                series.setdefault(f"{name}_sustained", []).append(sustained)
        return series

    def _launch(self, indices: list[np.int32]) -> tuple[float, float]:
        queue, kernel, target, value = self._queue, self._kernel, self._target, VALUE
        queue.finish()
        start = now()
        for index in indices:
            kernel(queue, (1,), None, target, index, value)
        posted = now()
        queue.finish()
        finished = now()
        self._check(indices)
        return (posted - start) / len(indices), (finished - start) / len(indices)

    def _check(self, indices: list[np.int32]) -> None:
        """See that the launches really ran, and clear their traces."""
        copy, size = self._cl.enqueue_copy, 4 * CHANGING_VALUES
        values = np.empty(CHANGING_VALUES, np.float32)
        copy(self._queue, values, self._target)
        copy(self._queue, self._target, np.zeros(size, np.uint8))
        if any(values[index] != VALUE for index in indices):
            raise RuntimeError("a launch was lost")


class Transfer:
    """Write to a buffer and finish; read from it, blocking.

    Args:
        accelerator: Where.
        size: In bytes.
    """

    def __init__(self, accelerator: Accelerator, size: int) -> None:
        self._cl = accelerator.cl
        self._queue = self._cl.CommandQueue(accelerator.context())
        self._buffer = accelerator.buffer(size)
        self._source = np.random.default_rng(1).integers(0, 256, size, np.uint8)
        self._target = np.zeros(size, np.uint8)
        self.run(1)
        if not np.array_equal(self._source, self._target):
            raise RuntimeError(f"{size} bytes came back different")

    def run(self, count: int) -> Series:
        """Series: write, read."""
        writes, reads = [], []
        for _ in range(count):
            start = now()
            self._cl.enqueue_copy(self._queue, self._buffer, self._source)
            self._queue.finish()
            writes.append(now() - start)
        for _ in range(count):
            start = now()
            self._cl.enqueue_copy(self._queue, self._target, self._buffer)
            reads.append(now() - start)
        return {"write": writes, "read": reads}


class Build:
    """Build the kernel library's matmul from source, never seen before (cold) and seen just now (warm)."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._number = 0
        self._build(source("matmul"))  # loads the compiler

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
        program = self._accelerator.build(text)
        kernel = self._accelerator.cl.Kernel(program, "matmul")
        spent = now() - start
        del kernel
        return spent

    def _fresh_source(self) -> str:
        """Return a source that differs in its code, so that no cache of any layer knows it."""
        self._number += 1
        salt = f"{time.time_ns()}{os.getpid()}{self._number}"
        mark = f"__kernel void mark_{salt}(__global ulong *out) {{ out[0] = {hash(salt) & 0xFFFFFFFF}; }}"
        return f"{source('matmul')}\n{mark}\n"


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
