"""What a pool cannot honour is refused, with OpenCL's code and the reason."""

import io

import numpy as np
import pytest

import accelpool as cl
from accelpool import upper_core
from accelpool.testing import DEVICE, PLATFORM, FakeConnection, built, fake_context, kernel_info
from accelpool_wire import messages as m

ARRAY = np.zeros(4)
REFUSED = {
    "pointer": lambda ctx, queue: cl.SVMPointer(),
    "array": lambda ctx, queue: cl.SVM(ARRAY),
    "allocation": lambda ctx, queue: cl.SVMAllocation(ctx, 64, 0, cl.svm_mem_flags.READ_WRITE),
    "mapping": lambda ctx, queue: cl.SVMMap(None, ARRAY, queue, None),
    "fill": lambda ctx, queue: cl.enqueue_svm_memfill(queue, ARRAY, np.float32(1)),
    "migration": lambda ctx, queue: cl.enqueue_svm_migrate_mem(queue, [ARRAY], 0),
    "empty": lambda ctx, queue: cl.svm_empty(ctx, cl.svm_mem_flags.READ_WRITE, 4, np.float32),
    "empty like": lambda ctx, queue: cl.svm_empty_like(ctx, cl.svm_mem_flags.READ_WRITE, ARRAY),
    "coarse": lambda ctx, queue: cl.csvm_empty(ctx, 4, np.float32),
    "coarse like": lambda ctx, queue: cl.csvm_empty_like(ctx, ARRAY),
    "fine": lambda ctx, queue: cl.fsvm_empty(ctx, 4, np.float32),
    "fine like": lambda ctx, queue: cl.fsvm_empty_like(ctx, ARRAY),
    "pooled": lambda ctx, queue: upper_core.PooledSVM(),
    "allocator": lambda ctx, queue: upper_core.SVMAllocator(ctx, queue=queue),
    "memory pool": lambda ctx, queue: upper_core.SVMPool(None),
    "pipe": lambda ctx, queue: cl.Pipe(ctx, 0, 4, 4),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_pool_has_not_is_an_invalid_operation_that_says_what_to_use(ctx, queue, name):
    with pytest.raises(cl.LogicError, match="Buffer") as caught:
        REFUSED[name](ctx, queue)
    assert caught.value.code == cl.status_code.INVALID_OPERATION


def test_devices_say_that_they_have_none_whatever_their_driver_says():
    info = {**DEVICE, cl.device_info.SVM_CAPABILITIES: 15, cl.device_info.PIPE_SUPPORT: 1}
    device = fake_context(FakeConnection([m.Device("d", dict(PLATFORM), info)])).devices[0]
    assert (device.svm_capabilities, device.pipe_support) == (0, 0)


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
