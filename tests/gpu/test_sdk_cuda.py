"""PyCUDA's names on a real GPU, as PyCUDA's users use them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import accelpool.cuda.driver as cuda
from accelpool.cuda import compiler
from accelpool.cuda.compiler import SourceModule

pytestmark = pytest.mark.cuda

RNG = np.random.default_rng(20_260_101)


@pytest.fixture
def axpy(context: Any) -> Any:
    source = """
    __global__ void axpy(float a, const float *x, float *y, int n) {
        int i = blockIdx.x * blockDim.x + threadIdx.x;
        if (i < n) y[i] += a * x[i];
    }
    """
    return SourceModule(source).get_function("axpy")


def test_hello_gpu(context: Any) -> None:
    module = SourceModule("""
    __global__ void multiply_them(float *dest, float *a, float *b) {
        const int i = threadIdx.x;
        dest[i] = a[i] * b[i];
    }
    """)
    a, b = RNG.random(400, np.float32), RNG.random(400, np.float32)
    dest = np.zeros_like(a)
    module.get_function("multiply_them")(
        cuda.Out(dest), cuda.In(a), cuda.In(b), block=(400, 1, 1), grid=(1, 1)
    )
    np.testing.assert_array_equal(dest, a * b)


def test_a_device_tells_what_its_driver_does(context: Any) -> None:
    device = context.get_device()
    assert device.compute_capability() >= (5, 0)
    assert device.warp_size == 32
    assert device.get_attributes()[cuda.device_attribute.MAX_THREADS_PER_BLOCK] >= 512
    assert device.total_memory() > 1 << 28
    assert "NVIDIA" in device.name() or device.name()
    assert cuda.get_driver_version() >= 11000


@pytest.mark.parametrize("size", [1, 1000, 100_000, 10_000_000])
def test_copies_come_back(context: Any, size: int) -> None:
    x = RNG.random(size, np.float32)
    memory, other = cuda.mem_alloc(x.nbytes), cuda.mem_alloc(x.nbytes)
    cuda.memcpy_htod(memory, x)
    cuda.memcpy_dtod(other, memory, x.nbytes)
    got = np.empty_like(x)
    cuda.memcpy_dtoh(got, other)
    np.testing.assert_array_equal(got, x)


def test_addresses_may_be_computed_with(context: Any, axpy: Any) -> None:
    x, y = np.arange(100, dtype=np.float32), np.zeros(100, np.float32)
    memory, result = cuda.to_device(x), cuda.to_device(y)
    axpy(np.float32(2), np.intp(int(memory) + 40), np.intp(int(result) + 80), np.int32(50), block=(64, 1, 1))
    y[20:70] = 2 * x[10:60]
    np.testing.assert_array_equal(cuda.from_device_like(result, y), y)
    cuda.memcpy_htod(int(memory) + 4, np.float32(7))
    assert cuda.from_device(int(memory) + 4, 1, np.float32)[0] == 7


def test_a_kernel_follows_pointers_in_device_memory(context: Any) -> None:
    module = SourceModule("""
    struct vector { int n; float *data; };
    __global__ void twice(vector *v) { for (int i = 0; i < v->n; ++i) v->data[i] *= 2; }
    """)
    data = cuda.to_device(np.arange(5, dtype=np.float32))
    struct = np.zeros(1, np.dtype([("n", np.int32), ("data", np.intp)], align=True))
    struct["n"], struct["data"] = 5, int(data)
    module.get_function("twice")(cuda.to_device(struct), block=(1, 1, 1))
    np.testing.assert_array_equal(cuda.from_device(data, 5, np.float32), [0, 2, 4, 6, 8])


def test_parameters_lie_as_the_compiler_expects(context: Any) -> None:
    module = SourceModule("""
    struct pair { float x, y; };
    __global__ void sum(double *out, char a, double b, int c, pair p, long long d, float e) {
        *out = a + b + c + p.x + p.y + d + e;
    }
    """)
    out = np.zeros(1)
    pair = np.array([(4.0, 8.0)], np.dtype([("x", np.float32), ("y", np.float32)]))[0]
    numbers = (np.int8(1), np.float64(2), np.int32(3), pair, np.int64(16), np.float32(32))
    module.get_function("sum")(cuda.Out(out), *numbers, block=(1, 1, 1))
    assert out[0] == 1 + 2 + 3 + 12 + 16 + 32


def test_fills_are_numpys(context: Any) -> None:
    memory = cuda.mem_alloc(64)
    cuda.memset_d8(memory, 1, 64)
    cuda.memset_d16(int(memory) + 16, 0x0203, 8)
    cuda.memset_d32(int(memory) + 32, 0xFFFF_FFFE, 4)
    expected = np.ones(64, np.uint8)
    expected[16:32].view(np.uint16)[:] = 0x0203
    expected[32:48].view(np.uint32)[:] = 0xFFFF_FFFE
    np.testing.assert_array_equal(cuda.from_device(memory, 64, np.uint8), expected)


def test_streams_and_events(context: Any, axpy: Any) -> None:
    n = 1 << 20
    x = cuda.to_device(np.ones(n, np.float32))
    y = cuda.to_device(np.zeros(n, np.float32))
    streams = [cuda.Stream(), cuda.Stream()]
    start, end = cuda.Event(), cuda.Event()
    start.record()
    for turn in range(20):  # in turns: the null stream between them orders them
        axpy(
            np.float32(1), x, y, np.int32(n), block=(256, 1, 1), grid=(n // 256, 1), stream=streams[turn % 2]
        )
        axpy(np.float32(1), x, y, np.int32(n), block=(256, 1, 1), grid=(n // 256, 1))
    end.record().synchronize()
    assert 0 < end.time_since(start) < 10_000
    assert end.query()
    np.testing.assert_array_equal(cuda.from_device(y, n, np.float32), np.full(n, 40))


def test_a_stream_waits_for_an_event_of_another(context: Any, axpy: Any) -> None:
    n = 1 << 20
    x, y = cuda.to_device(np.ones(n, np.float32)), cuda.to_device(np.zeros(n, np.float32))
    first, second = cuda.Stream(1), cuda.Stream(1)
    cuda.Context.synchronize()
    for _ in range(20):
        axpy(np.float32(1), x, y, np.int32(n), block=(256, 1, 1), grid=(n // 256, 1), stream=first)
        second.wait_for_event(cuda.Event().record(first))
        axpy(np.float32(1), x, y, np.int32(n), block=(256, 1, 1), grid=(n // 256, 1), stream=second)
        first.wait_for_event(cuda.Event().record(second))
    got = cuda.pagelocked_empty(n, np.float32)
    cuda.memcpy_dtoh_async(got, y, first)
    first.synchronize()
    np.testing.assert_array_equal(got, np.full(n, 40))
    assert second.is_done()


def test_variables_of_a_module_are_memory(context: Any) -> None:
    module = SourceModule("""
    __constant__ float table[4];
    __device__ int counter;
    __global__ void use(float *out) { out[threadIdx.x] = table[threadIdx.x]; atomicAdd(&counter, 1); }
    """)
    address, size = module.get_global("table")
    assert size == 16
    cuda.memcpy_htod(address, np.array([1, 2, 3, 4], np.float32))
    counter, _ = module.get_global("counter")
    cuda.memset_d32(counter, 0, 1)
    out = np.zeros(4, np.float32)
    module.get_function("use")(cuda.Out(out), block=(4, 1, 1))
    np.testing.assert_array_equal(out, [1, 2, 3, 4])
    assert cuda.from_device(counter, 1, np.int32)[0] == 4
    with pytest.raises(cuda.LogicError):
        module.get_global("nothing")


def test_dynamic_shared_memory_is_as_large_as_said(context: Any) -> None:
    module = SourceModule("""
    __global__ void reverse(int *x) {
        extern __shared__ int held[];
        held[threadIdx.x] = x[threadIdx.x];
        __syncthreads();
        x[threadIdx.x] = held[blockDim.x - 1 - threadIdx.x];
    }
    """)
    x = np.arange(256, dtype=np.int32)
    got = x.copy()
    module.get_function("reverse")(cuda.InOut(got), block=(256, 1, 1), shared=1024)
    np.testing.assert_array_equal(got, x[::-1])


def test_more_shared_memory_than_48_kib_is_had_asked_for_or_not(context: Any) -> None:
    source = """
    __global__ void last(int *x, int n) {
        extern __shared__ int held[];
        for (int i = threadIdx.x; i < n; i += blockDim.x) held[i] = i;
        __syncthreads();
        if (threadIdx.x == 0) *x = held[n - 1];
    }
    """
    most = context.get_device().get_attribute(cuda.device_attribute.MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)
    if most <= 48 << 10:
        pytest.skip(f"the device has no more than {most} bytes of shared memory for a block")
    for is_asked in (False, True):
        last, out = SourceModule(source).get_function("last"), np.zeros(1, np.int32)
        if is_asked:
            last.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, most)
            assert last.max_dynamic_shared_size_bytes == most
            last.set_attribute(cuda.function_attribute.PREFERRED_SHARED_MEMORY_CARVEOUT, 100)
            last.set_cache_config(cuda.func_cache.PREFER_SHARED)
        last(cuda.Out(out), np.int32(most // 4), block=(256, 1, 1), shared=most)
        assert out[0] == most // 4 - 1
    with pytest.raises(cuda.LogicError, match="invalid value"):
        last.set_attribute(cuda.function_attribute.MAX_DYNAMIC_SHARED_SIZE_BYTES, most + 1)


def test_prepared_and_timed_calls(context: Any, axpy: Any) -> None:
    n = 1 << 20
    x, y = cuda.to_device(np.ones(n, np.float32)), cuda.to_device(np.zeros(n, np.float32))
    axpy.prepare("fPPi")
    grid, block = (n // 256, 1), (256, 1, 1)
    axpy.prepared_call(grid, block, 1.0, x, y, n)
    axpy.prepared_async_call(grid, block, cuda.Stream(), 1.0, x, int(y), n)
    assert 0 < axpy.prepared_timed_call(grid, block, 1.0, x, y, n)() < 1
    assert axpy(np.float32(1), x, y, np.int32(n), block=block, grid=grid, time_kernel=True) > 0
    np.testing.assert_array_equal(cuda.from_device(y, n, np.float32), np.full(n, 4))


def test_a_functions_attributes(axpy: Any) -> None:
    assert 0 < axpy.num_regs < 256
    assert axpy.max_threads_per_block >= 256
    assert axpy.shared_size_bytes == 0
    assert axpy.binary_version >= 50


def test_a_cubin_made_once_is_a_module_again(context: Any) -> None:
    cubin = compiler.compile("__global__ void put(int *x) { *x = 42; }")
    out = np.zeros(1, np.int32)
    cuda.module_from_buffer(cubin).get_function("put")(cuda.Out(out), block=(1, 1, 1))
    assert out[0] == 42


def test_ptx_is_a_module(context: Any) -> None:
    major, minor = context.get_device().compute_capability()
    ptx = f""".version 6.4
.target sm_{min(10 * major + minor, 75)}
.address_size 64
.visible .entry put(.param .u64 p) {{
    .reg .b64 %rd<3>;
    .reg .b32 %r<2>;
    ld.param.u64 %rd1, [p];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r1, 43;
    st.global.u32 [%rd2], %r1;
    ret;
}}
"""
    out = np.zeros(1, np.int32)
    cuda.module_from_buffer(ptx.encode()).get_function("put")(cuda.Out(out), block=(1, 1, 1))
    assert out[0] == 43


def test_what_does_not_compile_says_why(context: Any) -> None:
    with pytest.raises(cuda.CompileError, match="nonsense"):
        SourceModule("__global__ void f() { nonsense; }")
    with pytest.raises(cuda.LogicError, match="not found"):
        SourceModule("__global__ void f() {}").get_function("g")
    with pytest.raises(cuda.Error):
        cuda.module_from_buffer(b"this is no code")


def test_templates_and_options(context: Any) -> None:
    source = """
    template <typename T> __device__ T twice(T x) { return x + x; }
    extern "C" __global__ void put(int *x) { *x = twice(VALUE); }
    """
    out = np.zeros(1, np.int32)
    module = SourceModule(source, no_extern_c=True, options=["-DVALUE=21"])
    module.get_function("put")(cuda.Out(out), block=(1, 1, 1))
    assert out[0] == 42


def test_too_much_memory_is_a_memory_error_and_freed_memory_is_there_again(context: Any) -> None:
    free, total = cuda.mem_get_info()
    with pytest.raises(cuda.MemoryError):
        cuda.mem_alloc(2 * total)
    for _ in range(3):
        memory = cuda.mem_alloc(int(free * 0.6))
        del memory


def test_rectangles_go_and_come_back(context: Any) -> None:
    x = RNG.random((64, 48)).astype(np.float32)
    memory, pitch = cuda.mem_alloc_pitch(x.shape[1] * 4, x.shape[0], 4)
    copy = cuda.Memcpy2D()
    copy.set_src_host(x)
    copy.set_dst_device(memory)
    copy.width_in_bytes = copy.src_pitch = x.strides[0]
    copy.dst_pitch, copy.height = pitch, x.shape[0]
    copy(aligned=True)
    got = np.zeros((8, 4), np.float32)
    back = cuda.Memcpy2D()
    back.set_src_device(memory)
    back.src_pitch, back.src_y, back.src_x_in_bytes = pitch, 5, 12
    back.set_dst_host(got)
    back.dst_pitch = back.width_in_bytes = 16
    back.height = 8
    back(aligned=True)
    np.testing.assert_array_equal(got, x[5:13, 3:7])


def test_a_launch_that_cannot_be_is_refused(context: Any, axpy: Any) -> None:
    with pytest.raises(cuda.LogicError):
        axpy(block=(4096, 1, 1))
    n = np.int32(1)
    axpy(np.float32(1), n, block=(1, 1, 1))  # too few parameters: told by the next call that waits
    with pytest.raises(cuda.LogicError):
        cuda.Context.synchronize()
