"""Kernels: a posted message to launch, infos that are known, forgotten parameters that are told."""

import gc

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


def launched(fake):
    return fake.posted[-1]


# ---- launches ----------------------------------------------------------------------------------------


def test_a_call_is_one_posted_message(fake, queue, program, x):
    kernel = program.saxpy
    count = len(fake.posted)
    event = kernel(queue, (64,), (16,), np.float32(2), x, None, 7)
    assert len(fake.posted) == count + 1
    assert launched(fake) == m.EnqueueNDRangeKernel(
        queue._handle,
        kernel._core._handle,
        [64],
        [16],
        event._handle,
        [np.float32(2).tobytes(), x._handle, None, (7).to_bytes(4, "little")],
    )
    assert event.command_type == cl.command_type.NDRANGE_KERNEL


def test_the_worker_has_one_kernel_per_name(fake, queue, program, x):
    for _ in range(3):
        program.saxpy(queue, (64,), None, 2.0, x, x, 1)
    assert [type(message) for message in fake.posted].count(m.CreateKernel) == 1


def test_arguments_stay_until_set_again(fake, queue, program, x):
    kernel = program.saxpy
    kernel.set_args(2.0, x, x, 1)
    cl.enqueue_nd_range_kernel(queue, kernel, (8,), None)
    first = launched(fake).args
    kernel.set_arg(3, np.int32(9))
    cl.enqueue_nd_range_kernel(queue, kernel, [8], None)
    assert launched(fake).args == [*first[:3], np.int32(9).tobytes()]


def test_kernels_of_the_same_name_have_arguments_of_their_own(fake, queue, program, x):
    one, other = program.saxpy, program.saxpy
    one.set_args(1.0, x, x, 1)
    other.set_args(2.0, x, x, 1)
    clone = one.clone()
    clone.set_arg(3, 5)
    cl.enqueue_nd_range_kernel(queue, one, (8,), None)
    assert launched(fake).args[0] == np.float32(1).tobytes()
    assert launched(fake).args[3] == np.int32(1).tobytes()


def test_set_arguments_are_kept_alive(fake, ctx, queue, program):
    kernel = program.saxpy
    kernel.set_args(1.0, cl.Buffer(ctx, 0, 64), None, 1)
    gc.collect()
    assert fake.released == []


def test_wait_lists_and_offsets_go_along(fake, queue, program):
    marker = cl.enqueue_marker(queue)
    program.nop(queue, (8, 4), None, global_offset=(1, 2), wait_for=[marker])
    assert (launched(fake).wait_for, launched(fake).offset) == ([marker._handle], [1, 2])


def test_a_launch_with_missing_arguments_is_refused(queue, program, x):
    kernel = program.saxpy
    kernel.set_arg(1, x)
    with pytest.raises(cl.LogicError, match=r"\[0, 2, 3\] are not set") as caught:
        cl.enqueue_nd_range_kernel(queue, kernel, (8,), None)
    assert caught.value.code == -52


def test_an_empty_ndrange_may_be_a_marker(fake, queue, program):
    event = program.nop(queue, (0,), None, allow_empty_ndrange=True)
    assert fake.posted[-1] == m.EnqueueMarker(queue._handle, event._handle)
    program.nop(queue, (0,), None)
    assert launched(fake).global_size == [0]


def test_a_queue_of_another_context_is_refused(program):
    other = cl.CommandQueue(fake_context(FakeConnection()))
    with pytest.raises(cl.LogicError) as caught:
        program.nop(other, (8,), None)
    assert caught.value.code == -34
    with pytest.raises(TypeError):
        program.nop(None, (8,), None)


def test_many_different_sizes_are_not_all_remembered(queue, program):
    for size in range(1, 200):
        program.nop(queue, (size,), None)
    assert len(program.nop._core._ranges) <= 64


# ---- infos -------------------------------------------------------------------------------------------


def test_infos_of_a_kernel(ctx, program):
    kernel = program.saxpy
    assert (kernel.function_name, kernel.num_args, kernel.attributes) == ("saxpy", 4, "")
    assert (kernel.context, kernel.program, kernel.reference_count) == (ctx, program, 1)
    assert kernel.get_arg_info(1, cl.kernel_arg_info.TYPE_NAME) == "float*"
    assert (
        kernel.get_arg_info(1, cl.kernel_arg_info.ADDRESS_QUALIFIER) == cl.kernel_arg_address_qualifier.GLOBAL
    )
    assert repr(kernel) == "<accelpool.Kernel 'saxpy'>"
    for wrong in (
        lambda: kernel.get_info(5),
        lambda: kernel.get_arg_info(9, cl.kernel_arg_info.NAME),
        lambda: kernel.get_arg_info(0, 5),
        lambda: kernel.get_work_group_info(5, ctx.devices[0]),
        lambda: kernel.get_sub_group_info(ctx.devices[0], 5),
    ):
        with pytest.raises(cl.LogicError):
            wrong()


def test_work_group_infos_of_a_kernel(ctx, program):
    info = cl.kernel_work_group_info
    assert program.saxpy.get_work_group_info(info.WORK_GROUP_SIZE, ctx.devices[0]) == 256
    assert program.saxpy.get_work_group_info(info.PREFERRED_WORK_GROUP_SIZE_MULTIPLE, ctx.devices[0]) == 8


def test_a_kernel_that_is_not_built_for_a_device_says_so(fake, ctx):
    fake.answers[m.BuildProgram] = built(m.KernelInfo("bare", 0, "", [], []))
    kernel = cl.Program(ctx, "source").build().bare
    with pytest.raises(cl.LogicError, match="not built for"):
        kernel.get_work_group_info(cl.kernel_work_group_info.WORK_GROUP_SIZE, ctx.devices[0])


# ---- forgotten parameters ----------------------------------------------------------------------------


def test_a_forgotten_queue_is_told(program, x):
    with pytest.raises(TypeError, match=r"queue is a CommandQueue, not \(16,\): saxpy\(queue, global_"):
        program.saxpy((16,), None, 2.0, x, x, 16)


def test_a_forgotten_local_size_is_told(queue, program, x):
    with pytest.raises(TypeError, match=r"local_size is a tuple of 1 to 3 ints.*local_size may be None"):
        program.saxpy(queue, (16,), 2.0, x, x, 16)


def test_a_number_as_global_size_is_told(queue, program, x):
    with pytest.raises(TypeError, match=r"global_size is a tuple of .* such as \(1000,\), not 1000"):
        program.saxpy(queue, 1000, None, 2.0, x, x, 16)


def test_what_is_wrong_with_the_arguments_alone_is_told_as_such(queue, program, x):
    with pytest.raises(TypeError, match="saxpy takes 4 arguments, not 1"):
        program.saxpy(queue, (16,), None, 2.0)


def test_a_launch_without_a_queue_is_told(program):
    with pytest.raises(TypeError, match="the first parameter is a CommandQueue, not None"):
        cl.enqueue_nd_range_kernel(None, program.nop, (1,), None)
