"""PyOpenCL's own Python layer over a pool's devices, against NumPy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import accelpool

pytest.importorskip("mako", reason="scan, reduction and sort are templates of Mako")
if accelpool.upper_layer.pyopencl_folder() is None:
    pytest.skip("PyOpenCL is not installed", allow_module_level=True)

pytestmark = pytest.mark.opencl

RNG = np.random.default_rng(20_260_101)
SIZES = [1, 7, 1000, 65_537]


@pytest.fixture(scope="module")
def queue(cl: Any, context: Any) -> Any:
    return cl.CommandQueue(context)


def on_device(queue: Any, array: np.ndarray) -> Any:
    import accelpool.array as cl_array

    return cl_array.to_device(queue, array)


@pytest.mark.parametrize("size", SIZES)
def test_arithmetic_is_numpys(queue: Any, size: int) -> None:
    x, y = RNG.random(size, dtype=np.float32), RNG.random(size, dtype=np.float32) + 1
    a, b = on_device(queue, x), on_device(queue, y)
    np.testing.assert_allclose((a + 2 * b - a / b).get(), x + 2 * y - x / y, rtol=1e-5)
    np.testing.assert_allclose((a**2).get(), x**2, rtol=1e-5)


def test_augmented_arithmetic_changes_the_array_itself(queue: Any) -> None:
    x = np.arange(100, dtype=np.int32)
    a = on_device(queue, x)
    a += 3
    a *= 2
    np.testing.assert_array_equal(a.get(), (x + 3) * 2)


def test_complex_arithmetic_finds_its_header(queue: Any) -> None:
    z = (RNG.random(100) + 1j * RNG.random(100)).astype(np.complex64)
    a = on_device(queue, z)
    np.testing.assert_allclose((a * a + 1j).get(), z * z + 1j, rtol=1e-5)
    np.testing.assert_allclose(a.imag.get(), z.imag)


def test_comparisons_and_choice_are_numpys(queue: Any) -> None:
    import accelpool.array as cl_array

    x = RNG.integers(-9, 9, 500).astype(np.int32)
    a = on_device(queue, x)
    np.testing.assert_array_equal((a > 0).get().astype(bool), x > 0)
    chosen = cl_array.if_positive(a, a, -a)
    np.testing.assert_array_equal(chosen.get(), np.abs(x))


def test_slices_share_memory(queue: Any) -> None:
    x = np.arange(1000, dtype=np.float32)
    a = on_device(queue, x)
    part = a[100:200]
    np.testing.assert_array_equal(part.get(), x[100:200])
    part.fill(5)
    x[100:200] = 5
    np.testing.assert_array_equal(a.get(), x)
    np.testing.assert_array_equal(a.reshape(10, 100)[3].get(), x[300:400])


def test_arrays_are_made_as_numpy_makes_them(queue: Any) -> None:
    import accelpool.array as cl_array

    np.testing.assert_array_equal(cl_array.zeros(queue, (3, 4), np.float32).get(), np.zeros((3, 4)))
    np.testing.assert_array_equal(cl_array.arange(queue, 5, 50, 3, dtype=np.int32).get(), np.arange(5, 50, 3))
    joined = cl_array.concatenate([cl_array.arange(queue, 3, dtype=np.int32)] * 2)
    np.testing.assert_array_equal(joined.get(), [0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize("size", SIZES)
def test_reductions_are_numpys(queue: Any, size: int) -> None:
    import accelpool.array as cl_array

    x = RNG.integers(-1000, 1000, size).astype(np.int32)
    a = on_device(queue, x)
    assert cl_array.sum(a).get() == x.sum()
    assert cl_array.max(a).get() == x.max()
    assert cl_array.dot(a, a).get() == np.dot(x, x)
    assert bool((a == a).all().get())


def test_a_reduction_of_ones_own(queue: Any, context: Any) -> None:
    from accelpool.reduction import ReductionKernel

    x, y = RNG.random(10_000, dtype=np.float32), RNG.random(10_000, dtype=np.float32)
    kernel = ReductionKernel(
        context,
        np.float32,
        neutral="0",
        reduce_expr="a+b",
        map_expr="x[i]*y[i]",
        arguments="__global float *x, __global float *y",
    )
    got = kernel(on_device(queue, x), on_device(queue, y)).get()
    np.testing.assert_allclose(got, np.dot(x.astype(np.float64), y), rtol=1e-4)


def test_an_elementwise_kernel_of_ones_own(queue: Any, context: Any) -> None:
    import accelpool.array as cl_array
    from accelpool.elementwise import ElementwiseKernel

    x = RNG.random(1000, dtype=np.float32)
    a = on_device(queue, x)
    z = cl_array.empty_like(a)
    kernel = ElementwiseKernel(context, "float k, float *x, float *z", "z[i] = k*x[i] + i", "line")
    kernel(np.float32(3), a, z)
    np.testing.assert_allclose(z.get(), 3 * x + np.arange(1000, dtype=np.float32), rtol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_scans_are_numpys(queue: Any, context: Any, size: int) -> None:
    from accelpool.scan import ExclusiveScanKernel, InclusiveScanKernel

    x = RNG.integers(0, 10, size).astype(np.int32)
    a = on_device(queue, x)
    InclusiveScanKernel(context, np.int32, "a+b", "0")(a)
    np.testing.assert_array_equal(a.get(), np.cumsum(x))
    b = on_device(queue, x)
    ExclusiveScanKernel(context, np.int32, "a+b", "0")(b)
    np.testing.assert_array_equal(b.get(), np.cumsum(x) - x)


def test_a_generic_scan_writes_what_it_is_told(queue: Any, context: Any) -> None:
    import accelpool.array as cl_array
    from accelpool.scan import GenericScanKernel

    x = RNG.integers(0, 10, 5000).astype(np.int32)
    a = on_device(queue, x)
    out = cl_array.zeros(queue, x.size + 1, np.int32)
    GenericScanKernel(
        context,
        np.int32,
        arguments="__global int *a, __global int *out",
        input_expr="a[i]",
        scan_expr="a+b",
        neutral="0",
        output_statement="out[i+1] = item;",
    )(a, out)
    np.testing.assert_array_equal(out.get()[1:], np.cumsum(x))


def test_copy_if_keeps_order(queue: Any) -> None:
    from accelpool.algorithm import copy_if

    x = RNG.integers(0, 1000, 10_000).astype(np.int32)
    kept, count, _ = copy_if(on_device(queue, x), "ary[i] > 300")
    expected = x[x > 300]
    assert count.get() == expected.size
    np.testing.assert_array_equal(kept.get()[: expected.size], expected)


def test_radix_sort_sorts(queue: Any, context: Any) -> None:
    from accelpool.algorithm import RadixSort

    x = RNG.integers(0, 2**16, 10_000).astype(np.int32)
    sort = RadixSort(context, "int *ary", key_expr="ary[i]", sort_arg_names=["ary"])
    (ordered,), _ = sort(on_device(queue, x), key_bits=16)
    np.testing.assert_array_equal(ordered.get(), np.sort(x))


def test_bitonic_sort_sorts(queue: Any, context: Any) -> None:
    from accelpool.bitonic_sort import BitonicSort

    x = RNG.integers(0, 2**16, 4096).astype(np.int32)
    ordered, event = BitonicSort(context)(on_device(queue, x))
    event.wait()
    np.testing.assert_array_equal(ordered.get(), np.sort(x))


@pytest.mark.parametrize("generator", ["PhiloxGenerator", "ThreefryGenerator"])
def test_random_numbers_are_uniform_and_differ(queue: Any, context: Any, generator: str) -> None:
    from accelpool import clrandom

    made = getattr(clrandom, generator)(context)
    x = made.uniform(queue, 20_000, np.float32).get()
    assert x.min() >= 0
    assert x.max() <= 1
    assert abs(x.mean() - 0.5) < 0.01
    assert np.unique(x).size > 19_000


@pytest.mark.parametrize("name", ["sin", "exp", "sqrt", "log1p", "tanh"])
def test_functions_are_numpys(queue: Any, name: str) -> None:
    from accelpool import clmath

    x = RNG.random(1000, dtype=np.float32)
    got = getattr(clmath, name)(on_device(queue, x)).get()
    np.testing.assert_allclose(got, getattr(np, name)(x), rtol=1e-5)


def test_vectors_are_structures_of_numpy(queue: Any) -> None:
    import accelpool.array as cl_array
    from accelpool import cltypes

    vector = cltypes.make_float4(1, 2, 3, 4)
    a = cl_array.zeros(queue, 10, cltypes.float4)
    a.fill(vector)
    assert a.get()[7] == vector


def test_a_memory_pool_lends_buffers_again(queue: Any) -> None:
    import accelpool.array as cl_array
    from accelpool.tools import ImmediateAllocator, MemoryPool

    pool = MemoryPool(ImmediateAllocator(queue))
    x = np.arange(1000, dtype=np.float32)
    a = cl_array.to_device(queue, x, allocator=pool)
    np.testing.assert_array_equal((a + a).get(), x + x)
    assert pool.active_blocks == 1
    assert pool.held_blocks >= 1
    del a
    assert pool.active_bytes == 0
    pool.stop_holding()
    assert pool.managed_bytes == 0


def test_devices_have_coarse_grained_memory_at_most(context: Any) -> None:
    from accelpool.characterize import has_coarse_grain_buffer_svm, has_fine_grain_buffer_svm

    device = context.devices[0]
    is_new = device.platform._get_cl_version() >= (2, 0)  # PyOpenCL's helper asks the platform, too
    assert has_coarse_grain_buffer_svm(device) == (is_new and bool(device.svm_capabilities & 1))
    assert not has_fine_grain_buffer_svm(device)


@pytest.mark.parametrize("is_pooled", [False, True])
def test_arrays_live_in_shared_virtual_memory(cl: Any, context: Any, queue: Any, is_pooled: bool) -> None:
    import accelpool.array as cl_array
    from accelpool.characterize import has_coarse_grain_buffer_svm
    from accelpool.tools import SVMAllocator, SVMPool

    if not has_coarse_grain_buffer_svm(context.devices[0]):
        pytest.skip("the device has no coarse-grained shared virtual memory")
    allocator = SVMAllocator(context, queue=queue)
    x = np.arange(1000, dtype=np.float32)
    a = cl_array.to_device(queue, x, allocator=SVMPool(allocator) if is_pooled else allocator)
    assert isinstance(a.data, cl.SVMPointer)
    np.testing.assert_array_equal((a + a).get(), x + x)
    assert cl_array.sum(a).get() == x.sum()
    a.fill(3)
    np.testing.assert_array_equal(a.get(), np.full_like(x, 3))


CLIENT = """
import sys
import numpy as np
import accelpool as cl
import accelpool.array as cl_array

with cl.acquire(wait=30) as ctx:
    queue = cl.CommandQueue(ctx)
    a = cl_array.to_device(queue, np.arange(10, dtype=np.float32))
    print((a + a).get().sum())
print([name for name in sys.modules if name.partition(".")[0] == "pyopencl"])
print([line.split()[-1] for line in open("/proc/self/maps") if "OpenCL" in line or "pocl" in line])
"""


def test_a_client_loads_neither_pyopencl_nor_a_driver(opencl_pool: Any) -> None:
    env = {"ACCELPOOL_URL": opencl_pool.url, "ACCELPOOL_TOKEN": opencl_pool.token}
    done = subprocess.run(
        [sys.executable, "-c", CLIENT], capture_output=True, text=True, timeout=100, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["90.0", "[]", "[]"]
