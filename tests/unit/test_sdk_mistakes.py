"""What newcomers get wrong: each mistake is told in the words of the call that they made."""

from types import SimpleNamespace

import numpy as np
import pytest

import accelpool as cl
from accelpool import acquire_options, aio, errors
from accelpool.testing import FakeConnection

from .kernel_rig import with_compiler

A = np.arange(8, dtype=np.float32)
SOURCE = "__kernel void twice(__global float *a, __global float *b) {}"


@pytest.fixture
def fake() -> FakeConnection:
    return with_compiler()


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        (["gpu", "cpu"], {}, r"kind is one of .*, or a list of Demand, not \['gpu', 'cpu'\]"),
        ("any", {"where": lambda device: True}, "where is an expression, a string such as"),
        ("any", {"image": b"abc"}, "image is the SHA-256 of a binary, a string, not b'abc'"),
        ("any", {"devices": [0]}, r"devices is a list of devices' ids.*, not \[0\]"),
        ("any", {"tolerates": (name for name in ["spot"])}, "tolerates is a list of strings, not <generator"),
        ("any", {"tolerates": [1]}, r"tolerates is a list of strings, not \[1\]"),
        ("any", {"tenant": 5}, "tenant is a name, a string, not 5"),
        ("any", {"preemptible": "no"}, "preemptible is True or False, not 'no'"),
        ("any", {"exclusive": "no"}, "exclusive is True or False, not 'no'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_name(kind, options, told):
    with pytest.raises(errors.Invalid, match=told):
        acquire_options.read(kind, options)


def test_a_device_is_told_to_be_asked_for_by_its_id():
    device = SimpleNamespace(pool_id="dev_1")
    with pytest.raises(errors.Invalid, match=r"devices is a list of devices' ids.*that one's is 'dev_1'"):
        acquire_options.read("any", {"devices": [device]})


def test_an_option_that_acquire_does_not_have_is_told_with_those_that_it_has():
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'timeout'; it takes api, .* wait, where$"
    ):
        acquire_options.read("any", {"timeout": 5})


MISTAKES = [
    (lambda s: cl.Context(s.ctx.devices[0]), "Context: devices is a list of devices, not <accelpool.Device"),
    (lambda s: cl.Context("gpu"), r"devices is a list of devices, not 'gpu'; `accelpool.acquire` asks"),
    (lambda s: cl.Buffer(s.ctx, A), "Buffer: flags is a number .* `hostbuf=` is for host memory"),
    (lambda s: cl.Buffer(s.ctx, 1, A), "Buffer: size is in bytes, .* `hostbuf=` is for host memory"),
    (lambda s: cl.Buffer(s.ctx, 32, hostbuf=[1]), r"host memory is .* NumPy array .*, not \[1\]"),
    (lambda s: cl.enqueue_copy(s.queue, s.buffer, [1, 2]), r"host memory is .*, not \[1, 2\]"),
    (lambda s: cl.enqueue_copy(s.queue, s.buffer, None), "host memory is .*, not None"),
    (lambda s: cl.enqueue_fill_buffer(s.queue, s.buffer, 0, 0, 8), "host memory is .*, not 0"),
    (lambda s: cl.enqueue_copy(s.queue, A, s.buffer, wait_for=5), "wait_for is a list of events, not 5"),
    (
        lambda s: cl.enqueue_marker(s.queue, wait_for=cl.enqueue_marker(s.queue)),
        "events, not <accelpool.Event",
    ),
    (lambda s: cl.Program(SOURCE), "Program: a context and a source are needed"),
    (
        lambda s: cl.enqueue_nd_range_kernel(s.queue, s.program, (8,), None),
        "a Kernel is needed, not <accelpool.P",
    ),
    (lambda s: mapped(over="gpu"), "map: over is a Context, or a list of some, not 'gpu'"),
    (lambda s: mapped(over=[s.ctx, "gpu"]), "map: over is a Context"),
    (lambda s: mapped(over=s.queue), "map: over is a Context"),
    (lambda s: mapped(over=s.ctx, fill=A), "map: fill is a function .*, not of type ndarray"),
    (lambda s: mapped(len, over=s.ctx), "map: kernel is the name of one of the library, or OpenCL C, not <"),
    (lambda s: mapped("saxpi", over=s.ctx), "map: no kernel 'saxpi' in the library; there are vector_add"),
    (lambda s: mapped(chunks=None, over=s.ctx), "map: chunks is an iterable of arrays"),
    (lambda s: aio.map(SOURCE, [A], over=s.ctx, fill=np.empty_like), "aio.map: no event loop is running"),
]


def mapped(kernel=SOURCE, chunks=(A,), *, over, fill=np.empty_like):
    """A map, begun."""
    return cl.map(kernel, chunks, over=over, fill=fill)


@pytest.mark.parametrize(("mistake", "told"), MISTAKES)
def test_a_mistake_is_told_in_the_words_of_its_call(ctx, queue, mistake, told):
    program = cl.Program(ctx, SOURCE).build()
    here = SimpleNamespace(ctx=ctx, queue=queue, buffer=cl.Buffer(ctx, 0, 32), program=program)
    with pytest.raises((TypeError, RuntimeError), match=told):
        mistake(here)


def test_the_arguments_of_a_kernel_of_the_library_are_told_with_their_types(ctx, queue):
    with pytest.raises(
        TypeError, match=r"saxpy takes 4 arguments, not 1: int n, float a, float\* x, float\* y"
    ):
        ctx.kernels.saxpy(queue, 1)


def test_a_fill_that_returns_no_array_is_told_so(ctx):
    with pytest.raises(
        errors.ChunkFailed, match="chunk 0: map: fill returns an array, or a tuple of some, not None"
    ):
        list(cl.map(SOURCE, [A], over=ctx, fill=lambda chunk: None))


def test_a_name_of_old_examples_comes_with_what_is_there_instead():
    with pytest.raises(AttributeError, match="'enqueue_read_buffer': enqueue_copy"):
        cl.enqueue_read_buffer  # noqa: B018 - it asks


def test_modules_of_ours_are_there_without_a_further_import():
    assert cl.aio is aio
    assert cl.cuda.acquire
