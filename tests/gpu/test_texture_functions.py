"""What docs/sdk-cuda.md has instead of textures, on a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accelpool.cuda.driver as cuda
from accelpool.cuda.compiler import SourceModule

from ..texture_functions import FUNCTIONS, KERNEL, expected

pytestmark = pytest.mark.cuda
FIELDS = [("data", np.uintp), ("width", "i4"), ("height", "i4"), ("pitch", "i4")]


def test_they_read_as_textures_do(context: Any) -> None:
    sample = SourceModule(FUNCTIONS + KERNEL, no_extern_c=True).get_function("sample")
    image, x, y, points, blends = expected()
    memory = cuda.to_device(image)
    matrix = np.zeros(1, np.dtype(FIELDS, align=True))
    matrix[0] = (int(memory), image.shape[1], image.shape[0], image.shape[1])
    got = [np.zeros_like(x), np.zeros_like(x)]
    outs = [cuda.Out(array) for array in got]
    sample(matrix[0], cuda.In(x), cuda.In(y), *outs, np.int32(x.size), block=(256, 1, 1), grid=(2, 1))
    np.testing.assert_array_equal(got[0], points)
    np.testing.assert_allclose(got[1], blends, rtol=0, atol=1e-5)
