"""One kernel over many chunks, on one device of a pool and then on two: what `accelpool.map` gains by that.

    python map_chunks.py [--kind any] [--chunks 16] [--steps 300]

Prints how long each took and how much faster two were, after a few chunks for which both compile the kernel.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

import accelpool as cl

ORBITS = """kernel void orbits(global const float *start, int steps, global float *end) {
    size_t i = get_global_id(0);
    float x = start[i];
    for (int step = 0; step < steps; step++)
        x = 3.7f * x * (1.0f - x);
    end[i] = x;
}"""


def like_start(chunk: tuple[np.ndarray, int]) -> np.ndarray:
    """Return the array that the kernel fills for a chunk."""
    return np.empty_like(chunk[0])


def seconds(over: Sequence[cl.Context], chunks: list[tuple[np.ndarray, int]]) -> float:
    """Return how long the chunks take on the devices of some contexts."""
    began = time.perf_counter()
    for end in cl.map(ORBITS, chunks, over=over, fill=like_start):
        assert 0.0 <= end.min() <= end.max() <= 1.0
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", default="any")
    parser.add_argument("--chunks", type=int, default=16)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    chunks = [(random.random(100_000, np.float32), options.steps) for _ in range(options.chunks)]
    with cl.acquire(options.kind, wait=60) as one, cl.acquire(options.kind, wait=60) as two:
        seconds([one, two], chunks[:4])
        alone, together = seconds([one], chunks), seconds([one, two], chunks)
    print(f"one device: {alone:.2f} s; two: {together:.2f} s, {alone / together:.2f} times as fast")


if __name__ == "__main__":
    main()
