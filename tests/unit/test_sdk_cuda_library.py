"""The kernel library from a context of CUDA's: built once, grid and shared memory from the catalogue."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from tests.unit.cuda_rig import FakeCuda, cuda_context, kernel

import accelpool.cuda.driver as cuda
import accelpool_kernels
from accelpool.testing import built
from accelpool_wire import messages as m


@pytest.fixture
def fake():
    fake = FakeCuda()
    fake.answers[m.BuildProgram] = built(*map(kernel, accelpool_kernels.names()))
    return fake


@pytest.fixture
def context(fake):
    with cuda_context(fake) as context:
        yield context


def floats(count):
    return cuda.mem_alloc(4 * count)


def launch(fake):
    return fake.sent(m.EnqueueNDRangeKernel)[-1]


def test_a_kernel_is_built_once_and_launched_as_the_catalogue_says(fake, context):
    x, y = floats(1000), floats(1000)
    for _ in range(2):
        assert context.kernels.saxpy(1000, 2.0, x, y) is None
    assert [type(message) for message in fake.asked].count(m.BuildProgram) == 1
    assert "saxpy" in fake.sent(m.CreateProgramWithSource)[-1].source
    assert (launch(fake).global_size, launch(fake).local_size) == ([1024, 1, 1], [256, 1, 1])
    numbers = np.int32(1000).tobytes() + np.float32(2).tobytes()
    assert launch(fake).args == [numbers + b"".join(int(each).to_bytes(8, "little") for each in (x, y))]


def test_shared_memory_is_the_catalogues_local_memory(fake, context):
    context.kernels.reduce_sum(100, floats(100), floats(64))
    assert launch(fake).args[-1] == m.LocalMemory(1024)


def test_a_kernel_goes_to_a_stream(fake, context):
    stream = cuda.Stream()
    context.kernels.saxpy(8, 2.0, floats(8), floats(8), stream=stream)
    assert launch(fake).queue == stream._lane.queue._handle


def test_arrays_are_copied_in_and_out(fake, context):
    fake.content = np.arange(4, dtype=np.float32).tobytes()
    y = np.zeros(4, np.float32)
    context.kernels.saxpy(4, 2.0, cuda.In(np.ones(4, np.float32)), cuda.InOut(y))
    np.testing.assert_array_equal(y, np.arange(4))


def test_an_address_within_memory_is_memory(fake, context):
    x, y = floats(8), floats(8)
    context.kernels.saxpy(4, 2.0, int(x) + 16, np.intp(int(y) + 4))
    assert launch(fake).args[0][8:16] == (int(x) + 16).to_bytes(8, "little")
    with pytest.raises(cuda.LogicError, match="x needs 16 bytes, and has 12"):
        context.kernels.saxpy(4, 2.0, int(x) + 20, y)


@pytest.mark.parametrize("n", [0, -1, 2.5, 1 << 40])
def test_a_size_out_of_range_is_refused(context, n):
    with pytest.raises(cuda.LogicError, match=r"invalid value.*n"):
        context.kernels.saxpy(n, 2.0, floats(8), floats(8))


def test_memory_that_is_too_small_is_refused(fake, context):
    with pytest.raises(cuda.LogicError, match="y needs 400 bytes, and has 396"):
        context.kernels.saxpy(100, 2.0, floats(100), floats(99))
    with pytest.raises(cuda.LogicError, match="y needs 400 bytes, and has 396"):
        context.kernels.saxpy(100, 2.0, floats(100), cuda.Out(np.zeros(99, np.float32)))
    assert not fake.sent(m.EnqueueNDRangeKernel)


def test_what_is_no_argument_is_a_type_error(context):
    with pytest.raises(TypeError, match=r"int n, float a, float\* x, float\* y"):
        context.kernels.saxpy(5)
    with pytest.raises(TypeError, match="list"):
        context.kernels.saxpy(2, 2.0, [1, 2], floats(2))


def test_an_unknown_kernel_is_refused_with_those_there_are(context):
    with pytest.raises(AttributeError, match="saxpy"):
        _ = context.kernels.saxpi


def test_the_library_and_its_kernels_describe_themselves(context):
    saxpy = context.kernels.saxpy
    assert set(accelpool_kernels.names()) <= set(dir(context.kernels))
    assert "saxpy" in repr(context.kernels)
    assert str(inspect.signature(saxpy)) == "(n, a, x, y, /, *, stream=None)"
    assert (saxpy.__name__, "saxpy(n, a, x, y): " in repr(saxpy)) == ("saxpy", True)
    for line in ("a: float, scalar: factor.", "x: (n,) float, input.", "Source: BLAS"):
        assert line in saxpy.__doc__
    assert "stream: None" in saxpy.__doc__


def test_a_kernel_keeps_nothing_of_its_context_alive(fake):
    context = cuda_context(fake)
    memory = floats(8)
    context.kernels.saxpy(8, 2.0, memory, memory)
    memory.free()
    handle = context._lower._handle
    del memory
    context.pop()
    del context
    assert handle in fake.released
