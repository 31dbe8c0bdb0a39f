"""Arguments of kernels: what each type takes, and errors that name the argument."""

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import FakeConnection, built, fake_context
from accelpool_wire import messages as m

from .kernel_rig import with_compiler


@pytest.fixture
def fake():
    return with_compiler()


@pytest.fixture
def program(ctx):
    return cl.Program(ctx, "source").build("-D N=4 -w")


@pytest.fixture
def x(ctx):
    return cl.Buffer(ctx, 0, 64)


@pytest.mark.parametrize("args", [(), (1.0,), (1.0, None, None, 1, 2)])
def test_a_wrong_count_of_arguments_is_a_type_error_as_in_pyopencl(queue, program, args):
    with pytest.raises(TypeError, match=r"takes 4 arguments, not \d: float a, float\* x"):
        program.saxpy(queue, (8,), None, *args)


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (
            (np.float64(2), None, None, 1),
            -51,
            "argument 1 (float a) of kernel saxpy: expected one float32, 4 bytes",
        ),
        ((2.0, None, None, np.int64(1)), -51, "argument 4 (int n)"),
        ((2.0, None, None, 1.5), -30, "expected one int32"),
        ((2.0, None, None, 1 << 40), -30, "expected one int32"),
        (("two", None, None, 1), -30, "got str 'two'"),
        ((object(), None, None, 1), -30, "argument 1"),
        ((None, None, None, 1), -51, "got NoneType None"),
        ((2.0, 5, None, 1), -30, "expected a Buffer"),
        ((2.0, np.zeros(4, np.float32), None, 1), -51, "got an array of 4 float32"),
        ((2.0, cl.LocalMemory(4), None, 1), -51, "argument 2 (float* x)"),
        ((cl.LocalMemory(4), None, None, 1), -51, "LocalMemory(4)"),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected(queue, program, args, code, told):
    with pytest.raises(cl.LogicError) as caught:
        program.saxpy(queue, (8,), None, *args)
    assert caught.value.code == code
    assert told in str(caught.value)


def test_buffers_are_those_of_the_context_and_not_released(program, x):
    foreign = cl.Buffer(fake_context(FakeConnection()), 0, 64)
    x.release()
    for buffer in (foreign, x):
        with pytest.raises(cl.LogicError) as caught:
            program.saxpy.set_arg(1, buffer)
        assert caught.value.code == -38


def test_scalars_are_numbers_or_bytes_of_their_size(program):
    kernel = program.saxpy
    for value in (2, 2.0, True, np.float32(2), b"1234", np.array(2, np.float32), np.int32(5)):
        kernel.set_arg(0, value)
        assert len(kernel._args[0]) == 4


def test_vectors_structs_and_local_memory(program, x):
    kernel = program.mixed
    kernel.set_args(cl.LocalMemory(256), np.zeros(4, np.float32), b"any size", x, np.uint8(3))
    assert kernel._args == [m.LocalMemory(256), bytes(16), b"any size", x._handle, b"\x03"]


@pytest.mark.parametrize(
    ("index", "value", "code"),
    [
        (0, x, -50)
        for x in (None, 5, b"1234")
    ]
    + [
        (0, cl.LocalMemory(0), -51),
        (1, np.zeros(3, np.float32), -51),
        (1, (1.0, 2.0, 3.0, 4.0), -30),
        (2, 5, -30),
        (4, 256, -30),
    ],
)  # fmt: skip
def test_other_wrong_arguments(program, index, value, code):
    with pytest.raises(cl.LogicError) as caught:
        program.mixed.set_arg(index, value)
    assert caught.value.code == code


def test_there_are_no_other_places(program):
    with pytest.raises(cl.LogicError) as caught:
        program.saxpy.set_arg(4, 1)
    assert caught.value.code == -49
    with pytest.raises(TypeError):
        program.saxpy.set_arg(-1, 1)


def test_declared_types_convert_every_number(program, x):
    kernel = program.saxpy
    kernel.set_scalar_arg_dtypes([np.float32, None, None, "i4"])
    kernel.set_args(np.float64(2), x, x, np.uint8(3))
    assert kernel._args[0] == np.float32(2).tobytes()
    assert kernel._args[3] == np.int32(3).tobytes()
    with pytest.raises(cl.LogicError, match="argument 4"):
        kernel.set_arg(3, "x")
    with pytest.raises(TypeError, match="takes 4 arguments, not 1"):
        kernel.set_scalar_arg_dtypes([None])


def test_declared_complex_and_struct_types(program):
    kernel = program.mixed
    struct = np.dtype([("a", "i4"), ("b", "f4")])
    kernel.set_arg_types([None, np.complex128, struct, None, None])
    kernel.set_arg(1, 1 + 2j)
    kernel.set_arg(2, np.zeros((), struct))
    assert kernel._args[1] == np.complex128(1 + 2j).tobytes()
    with pytest.raises(cl.LogicError):
        kernel.set_arg(2, b"short")


def test_without_argument_info_values_say_themselves_what_they_are(fake, ctx, queue, x):
    bare = m.KernelInfo("bare", 5, "", [], [m.WorkGroupInfo(128, [0, 0, 0], 0, 8, 0)])
    fake.answers[m.BuildProgram] = built(bare)
    kernel = cl.Program(ctx, "source").build().bare
    kernel.set_args(x, cl.LocalMemory(4), np.float32(1), b"12", None)
    assert kernel._args == [x._handle, m.LocalMemory(4), np.float32(1).tobytes(), b"12", None]
    with pytest.raises(cl.LogicError, match="set_scalar_arg_dtypes") as caught:
        kernel.set_arg(0, 5)
    assert caught.value.code == -30
    with pytest.raises(cl.RuntimeError) as missing:
        kernel.get_arg_info(0, cl.kernel_arg_info.NAME)
    assert missing.value.code == -19
    kernel.set_scalar_arg_dtypes([np.int64, None, None, None, None])
    kernel.set_arg(0, 5)
    assert kernel._args[0] == np.int64(5).tobytes()
