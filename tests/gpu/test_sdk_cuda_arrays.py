"""PyCUDA's own arrays over a pool's GPU, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accelpool.cuda
from accelpool.cuda.upper_layer import pycuda_folder

pytest.importorskip("pytools", reason="PyCUDA's arrays import it")
pytest.importorskip("mako", reason="scans are templates of Mako")

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(pycuda_folder() is None, reason="PyCUDA's Python files are not here"),
]

RNG = np.random.default_rng(20_260_101)
SIZES = [1, 7, 1000, 65_537]


@pytest.fixture(scope="module")
def gpuarray(context: Any) -> Any:
    return accelpool.cuda.gpuarray


@pytest.mark.parametrize("size", SIZES)
def test_arithmetic_is_numpys(gpuarray: Any, size: int) -> None:
    x, y = RNG.random(size, np.float32), RNG.random(size, np.float32) + 1
    a, b = gpuarray.to_gpu(x), gpuarray.to_gpu(y)
    np.testing.assert_allclose((a + 2 * b - a / b).get(), x + 2 * y - x / y, rtol=1e-5)
    np.testing.assert_allclose((a**2).get(), x**2, rtol=1e-5)
    a += 3
    np.testing.assert_allclose(a.get(), x + 3, rtol=1e-6)


def test_complex_arithmetic_finds_its_header(gpuarray: Any) -> None:
    z = (RNG.random(100) + 1j * RNG.random(100)).astype(np.complex64)
    a = gpuarray.to_gpu(z)
    np.testing.assert_allclose((a * a + 1j).get(), z * z + 1j, rtol=1e-5)
    np.testing.assert_allclose(a.imag.get(), z.imag)


def test_slices_share_memory_and_strides_are_copied(gpuarray: Any) -> None:
    x = np.arange(1000, dtype=np.float32)
    a = gpuarray.to_gpu(x)
    a[100:200].fill(np.float32(5))
    x[100:200] = 5
    np.testing.assert_array_equal(a.get(), x)
    y = RNG.random((40, 30)).astype(np.float32)
    b = gpuarray.to_gpu(y)
    np.testing.assert_array_equal(b[3:20, 5:9].get(), y[3:20, 5:9])


@pytest.mark.parametrize("size", SIZES)
def test_reductions_are_numpys(gpuarray: Any, size: int) -> None:
    x = RNG.integers(-1000, 1000, size).astype(np.int32)
    a = gpuarray.to_gpu(x)
    assert gpuarray.sum(a).get() == x.sum()
    assert gpuarray.max(a).get() == x.max()
    assert gpuarray.dot(a, a).get() == np.dot(x, x)


def test_kernels_of_ones_own(gpuarray: Any) -> None:
    from accelpool.cuda.elementwise import ElementwiseKernel
    from accelpool.cuda.reduction import ReductionKernel
    from accelpool.cuda.scan import InclusiveScanKernel

    x, y = RNG.random(10_000, np.float32), RNG.random(10_000, np.float32)
    a, b = gpuarray.to_gpu(x), gpuarray.to_gpu(y)
    z = gpuarray.empty_like(a)
    ElementwiseKernel("float k, float *x, float *z", "z[i] = k*x[i] + i", "line")(np.float32(3), a, z)
    np.testing.assert_allclose(z.get(), 3 * x + np.arange(10_000, dtype=np.float32), rtol=1e-6)
    dot = ReductionKernel(np.float32, "0", "a+b", "x[i]*y[i]", "float *x, float *y")
    np.testing.assert_allclose(dot(a, b).get(), np.dot(x.astype(np.float64), y), rtol=1e-4)
    n = RNG.integers(0, 10, 65_537).astype(np.int32)
    c = gpuarray.to_gpu(n)
    InclusiveScanKernel(np.int32, "a+b")(c)
    np.testing.assert_array_equal(c.get(), np.cumsum(n))


@pytest.mark.parametrize("name", ["sin", "exp", "sqrt", "tanh"])
def test_functions_are_numpys(gpuarray: Any, name: str) -> None:
    from accelpool.cuda import cumath

    x = RNG.random(1000, np.float32)
    got = getattr(cumath, name)(gpuarray.to_gpu(x)).get()
    np.testing.assert_allclose(got, getattr(np, name)(x), rtol=1e-5)


def test_random_numbers_are_uniform(gpuarray: Any) -> None:
    from accelpool.cuda import curandom

    x = curandom.rand((20_000,), np.float32).get()
    assert 0 <= x.min() <= x.max() <= 1
    assert abs(x.mean() - 0.5) < 0.01


def test_a_pool_of_memory_saves_round_trips(gpuarray: Any, context: Any) -> None:
    from accelpool.cuda.tools import DeviceMemoryPool

    pool = DeviceMemoryPool()
    a = gpuarray.to_gpu(np.ones(1000, np.float32), allocator=pool.allocate)
    (a + a).get()
    before = context.round_trips
    for _ in range(10):
        a + a
    assert context.round_trips == before
