"""What a pool cannot honour is refused, with OpenCL's code and the reason."""

import io

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import DEVICE, PLATFORM, FakeConnection, built, fake_context, kernel_info
from accelpool_wire import messages as m


def test_a_pipe_is_an_invalid_operation_that_says_what_to_use(ctx):
    with pytest.raises(cl.LogicError, match="Buffer") as caught:
        cl.Pipe(ctx, 0, 4, 4)
    assert caught.value.code == cl.status_code.INVALID_OPERATION


def test_devices_say_that_they_have_no_pipes_whatever_their_driver_says():
    info = {**DEVICE, cl.device_info.PIPE_SUPPORT: 1}
    device = fake_context(FakeConnection([m.Device("d", dict(PLATFORM), info)])).devices[0]
    assert device.pipe_support == 0


def test_devices_whose_driver_says_nothing_say_nothing(ctx):
    with pytest.raises(cl.LogicError) as caught:
        _ = ctx.devices[0].svm_capabilities
    assert caught.value.code == cl.status_code.INVALID_VALUE


def test_there_is_no_opengl():
    assert not cl.have_gl()
    assert not hasattr(cl, "GLBuffer")


def test_debugging_warns_that_nobody_knows_how(ctx):
    for known in (ctx, ctx.devices[0].platform):
        with pytest.warns(UserWarning, match="Do not know how to enable debugging on 'Fake platform'"):
            cl.enable_debugging(known)


def test_a_deprecated_name_of_a_devices_identifier_warns(ctx):
    device = ctx.devices[0]
    with pytest.deprecated_call():
        assert device.persistent_unique_id == device.hashable_model_and_version_identifier


def test_a_call_is_captured_as_a_program(fake, ctx, queue):
    pytest.importorskip("pyopencl")
    source = "__kernel void twice(__global float *x, int n) { }"
    fake.answers[m.BuildProgram] = built(kernel_info("twice", "global float* x", "int n"))
    fake.content = bytes(range(16))
    kernel = cl.Program(ctx, source).build().twice
    kernel.set_scalar_arg_dtypes([None, np.int32])
    written = io.StringIO()
    kernel.capture_call(written, queue, (4,), None, cl.Buffer(ctx, 1, 16), np.int32(4))
    program = written.getvalue()
    compile(program, "captured", "exec")
    assert source in program
    assert "import accelpool as cl" in program
    assert "knl.set_scalar_arg_dtypes((None, np.dtype('int32'),))" in program
    assert not any(isinstance(message, m.EnqueueNDRangeKernel) for message in fake.posted)


def test_a_captured_call_goes_to_a_file_as_well(fake, ctx, queue, tmp_path):
    pytest.importorskip("pyopencl")
    fake.answers[m.BuildProgram] = built(kernel_info("nothing"))
    kernel = cl.Program(ctx, "__kernel void nothing() { }").build().nothing
    kernel.capture_call(str(tmp_path / "captured.py"), queue, (4,), None)
    assert "knl(queue, (4,), None," in (tmp_path / "captured.py").read_text()


def test_a_call_of_a_program_from_a_binary_is_not_captured(fake, ctx, queue):
    pytest.importorskip("pyopencl")
    fake.answers[m.BuildProgram] = built(kernel_info("twice", "global float* x"))
    kernel = cl.Program(ctx, ctx.devices, [b"binary"]).build().twice
    with pytest.raises(RuntimeError, match="source not available"):
        kernel.capture_call(io.StringIO(), queue, (4,), None, cl.Buffer(ctx, 1, 16))
