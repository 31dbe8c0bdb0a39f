"""The kernel library from a context: built once, NDRange and local memory from the catalogue."""

import inspect

import numpy as np
import pytest

import accelpool as cl
import accelpool_kernels
from accelpool.testing import built, fake_context, kernel_info
from accelpool_wire import messages as m

SPACES = {"input": "global ", "output": "global ", "inout": "global ", "local": "local ", "scalar": ""}


def compiled(name):
    entry = accelpool_kernels.entry(name)
    stars = {role: "*" if space else "" for role, space in SPACES.items()}
    args = [f"{SPACES[a.role]}{a.type}{stars[a.role]} {a.name}" for a in entry.arguments]
    return built(kernel_info(name, *args))


def buffer(ctx, count):
    return cl.Buffer(ctx, 0, 4 * count)


def test_a_kernel_is_built_once_and_launched_as_the_catalogue_says(fake, ctx, queue):
    fake.answers[m.BuildProgram] = compiled("saxpy")
    x, y = buffer(ctx, 1000), buffer(ctx, 1000)
    for _ in range(2):
        event = ctx.kernels.saxpy(queue, 1000, 2.0, x, y)
    launch = fake.posted[-1]
    assert [type(message) for message in fake.asked] == [m.BuildProgram]
    assert (launch.global_size, launch.local_size, launch.event) == ([1024], [256], event._handle)
    assert launch.args == [np.int32(1000).tobytes(), np.float32(2).tobytes(), x._handle, y._handle]


def test_local_memory_is_the_catalogues(fake, ctx, queue):
    fake.answers[m.BuildProgram] = compiled("reduce_sum")
    ctx.kernels.reduce_sum(queue, 100, buffer(ctx, 100), buffer(ctx, 64))
    assert m.LocalMemory(1024) in fake.posted[-1].args


def test_wait_lists_go_along(fake, ctx, queue):
    fake.answers[m.BuildProgram] = compiled("saxpy")
    marker = cl.enqueue_marker(queue)
    ctx.kernels.saxpy(queue, 8, 2.0, buffer(ctx, 8), buffer(ctx, 8), wait_for=[marker])
    assert fake.posted[-1].wait_for == [marker._handle]


def test_an_unknown_kernel_is_refused_with_those_there_are(ctx):
    with pytest.raises(AttributeError, match="saxpy"):
        _ = ctx.kernels.saxpi


def test_the_library_lists_its_kernels(ctx):
    assert set(accelpool_kernels.names()) <= set(dir(ctx.kernels))
    assert "saxpy" in repr(ctx.kernels)
    assert "y = a x + y" in repr(ctx.kernels.saxpy)


def test_a_kernel_describes_itself(ctx):
    saxpy = ctx.kernels.saxpy
    assert str(inspect.signature(saxpy)) == "(queue, n, a, x, y, /, *, wait_for=None)"
    assert (saxpy.__name__, "saxpy(queue, n, a, x, y)" in repr(saxpy)) == ("saxpy", True)
    for line in ("y = a x + y", "a: float, scalar: factor.", "x: (n,) float, input.", "Source: BLAS level 1"):
        assert line in saxpy.__doc__
    for name in accelpool_kernels.names():
        assert accelpool_kernels.entry(name).source in getattr(ctx.kernels, name).__doc__
    assert "to be called" in type(saxpy).__doc__
    assert str(inspect.signature(type(saxpy))).startswith("(context")


@pytest.mark.parametrize("args", [(10, 2.0, 3, 4), (10,), (10, 2.0, 3, 4, 5)])
def test_a_forgotten_queue_is_told(fake, ctx, args):
    fake.answers[m.BuildProgram] = compiled("saxpy")
    with pytest.raises(TypeError, match=r"queue is a CommandQueue, not 10: saxpy\(queue, n, a, x, y\)"):
        ctx.kernels.saxpy(*args)


def test_a_wrong_count_of_arguments_lists_them(ctx, queue):
    with pytest.raises(TypeError, match=r"int n, float a, float\* x, float\* y"):
        ctx.kernels.saxpy(queue, 5)


@pytest.mark.parametrize("n", [0, -1, 2.5, 1 << 40])
def test_a_size_out_of_range_is_refused(ctx, queue, n):
    with pytest.raises(cl.LogicError, match="n") as caught:
        ctx.kernels.saxpy(queue, n, 2.0, buffer(ctx, 8), buffer(ctx, 8))
    assert caught.value.code == -50


def test_a_buffer_that_is_too_small_is_refused(ctx, queue):
    with pytest.raises(cl.LogicError, match="y needs 400 bytes"):
        ctx.kernels.saxpy(queue, 100, 2.0, buffer(ctx, 100), buffer(ctx, 99))


def test_a_kernel_keeps_nothing_of_its_context_alive(fake):
    fake.answers[m.BuildProgram] = compiled("saxpy")
    ctx = fake_context(fake)
    queue = cl.CommandQueue(ctx)
    ctx.kernels.saxpy(queue, 8, 2.0, buffer(ctx, 8), buffer(ctx, 8))
    handle = ctx._handle
    del ctx, queue
    assert handle in fake.released
