"""The functions that docs/sdk-cuda.md has instead of textures, and what they are to read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

DOCUMENT = Path(__file__).parents[1] / "docs" / "sdk-cuda.md"
FUNCTIONS = "\n".join(re.findall(r"```cuda\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL))
KERNEL = """
extern "C" __global__ void
sample(Matrix m, const float *x, const float *y, float *points, float *blends, int n) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        points[i] = texel(m, (int)floorf(x[i]), (int)floorf(y[i]));
        blends[i] = blend(m, x[i], y[i]);
    }
}
"""


def expected() -> tuple[np.ndarray, ...]:
    """An image, where to read it (x, y), and what a texture has there by POINT and by LINEAR, clamped.

    Source: CUDA C++ Programming Guide, texture fetching: nearest-point sampling, linear filtering.
    """
    rng = np.random.default_rng(7)
    image = rng.random((9, 13), np.float32)
    x = rng.uniform(-3, 16, 500).astype(np.float32)
    y = rng.uniform(-3, 12, 500).astype(np.float32)
    points = _at(image, np.floor(x), np.floor(y))
    left, top = np.floor(x - 0.5), np.floor(y - 0.5)
    right, down = x - 0.5 - left, y - 0.5 - top
    above = (1 - right) * _at(image, left, top) + right * _at(image, left + 1, top)
    below = (1 - right) * _at(image, left, top + 1) + right * _at(image, left + 1, top + 1)
    return image, x, y, points, (1 - down) * above + down * below


def _at(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    height, width = image.shape
    return image[np.clip(y, 0, height - 1).astype(int), np.clip(x, 0, width - 1).astype(int)]
