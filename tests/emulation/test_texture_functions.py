"""What docs/sdk-cuda.md has instead of textures: compiled for a CPU, against NumPy; and by nvcc."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ..texture_functions import FUNCTIONS, KERNEL, expected

LIMIT_S = 200
CPU = f"""
#include <algorithm>
#include <cmath>
#define __device__
using std::max;
using std::min;
static float __ldg(const float *place) {{ return *place; }}
{FUNCTIONS}
extern "C" void sample(Matrix m, const float *x, const float *y, float *points, float *blends, int n) {{
    for (int i = 0; i < n; i++) {{
        points[i] = texel(m, (int)floorf(x[i]), (int)floorf(y[i]));
        blends[i] = blend(m, x[i], y[i]);
    }}
}}
"""


class Matrix(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("pitch", ctypes.c_int),
    )


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ on the PATH")
def test_they_read_as_textures_do(tmp_path: Path) -> None:
    source, library = tmp_path / "functions.cpp", tmp_path / "functions.so"
    source.write_text(CPU)
    command = ["g++", "-std=c++17", "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
    subprocess.run(command, check=True, timeout=LIMIT_S)
    image, x, y, points, blends = expected()
    rows = np.zeros((image.shape[0], image.shape[1] + 3), np.float32)  # with a pitch
    rows[:, : image.shape[1]] = image
    matrix = Matrix(rows.ctypes.data, image.shape[1], image.shape[0], rows.shape[1])
    got = np.zeros((2, x.size), np.float32)
    arrays = (ctypes.c_void_p(array.ctypes.data) for array in (x, y, got[0], got[1]))
    ctypes.CDLL(str(library)).sample(matrix, *arrays, x.size)
    np.testing.assert_array_equal(got[0], points)
    np.testing.assert_allclose(got[1], blends, rtol=0, atol=1e-5)


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="there is no nvcc on the PATH")
def test_they_compile_for_a_gpu(tmp_path: Path) -> None:
    source = tmp_path / "functions.cu"
    source.write_text(FUNCTIONS + KERNEL)
    command = ["nvcc", "-ptx", "-o", str(tmp_path / "functions.ptx"), str(source)]
    subprocess.run(command, check=True, timeout=LIMIT_S)
