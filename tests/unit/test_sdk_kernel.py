"""Programs and kernels: a round trip to build, a posted message to launch, errors that name the argument."""

import copy
import gc
import pickle

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import FakeConnection, built, fake_context, kernel_info
from accelpool_wire import messages as m

SAXPY = kernel_info("saxpy", "float a", "global float* x", "global float* y", "int n")
MIXED = kernel_info("mixed", "local float* tmp", "float4 v", "struct_t s", "constant int* k", "uchar c")


@pytest.fixture
def fake():
    fake = FakeConnection()
    fake.answers[m.BuildProgram] = built(SAXPY, MIXED, kernel_info("nop"))
    return fake


@pytest.fixture
def program(ctx):
    return cl.Program(ctx, "source").build("-D N=4 -w")


@pytest.fixture
def x(ctx):
    return cl.Buffer(ctx, 0, 64)


def launched(fake):
    return fake.posted[-1]


# ---- programs ----------------------------------------------------------------------------------------


def test_a_program_from_source_is_posted_and_its_build_is_a_round_trip(fake, ctx):
    program = cl.Program(ctx, b"source")
    assert fake.posted[-1] == m.CreateProgramWithSource(program._handle, ctx._handle, "source")
    assert program.build(["-D", "N=4"]) is program
    assert fake.asked == [m.BuildProgram(program._handle, [0], "-D N=4")]


def test_a_program_from_binaries_sends_them_one_after_the_other(fake, ctx):
    program = cl.Program(ctx, ctx.devices, [b"binary"])
    assert fake.posted[-1] == m.CreateProgramWithBinary(program._handle, ctx._handle, [0], [6])
    assert fake.payloads[-1] == b"binary"
    assert program.build().source == ""


@pytest.mark.parametrize(("devices", "binaries"), [(1, []), (0, []), (1, [b""]), (1, [b"a", b"b"])])
def test_binaries_are_one_per_device(ctx, devices, binaries):
    with pytest.raises(cl.LogicError) as caught:
        cl.Program(ctx, ctx.devices[:devices], binaries)
    assert caught.value.code == -30


def test_spir_v_is_refused_where_no_device_takes_it(ctx):
    with pytest.raises(cl.LogicError, match="intermediate language") as caught:
        cl.Program(ctx, b"\x03\x02\x23\x07rest")
    assert caught.value.code == -59


def test_a_program_needs_a_context():
    with pytest.raises(TypeError):
        cl.Program(None, "source")


def test_infos_of_a_built_program(fake, ctx, program):
    assert program.kernel_names == "saxpy;mixed;nop"
    assert (program.num_kernels, program.num_devices, program.reference_count) == (3, 1, 1)
    assert (program.source, program.il, program.context) == ("source", "", ctx)
    assert program.devices == ctx.devices
    assert [kernel.function_name for kernel in program.all_kernels()] == ["saxpy", "mixed", "nop"]
    assert program.binaries == [f"binary of {program._handle}".encode()]
    assert program.binary_sizes == [len(program.binaries[0])]
    with pytest.raises(cl.LogicError):
        program.get_info(5)


def test_infos_of_a_build(ctx, program):
    info, device = cl.program_build_info, ctx.devices[0]
    assert program.get_build_info(device, info.STATUS) == 0
    assert program.get_build_info(device, info.OPTIONS) == "-D N=4 -w"
    assert program.get_build_info(device, info.LOG) == ""
    assert program.get_build_info(device, info.BINARY_TYPE) == cl.program_binary_type.EXECUTABLE
    with pytest.raises(cl.LogicError, match="no 5 "):
        program.get_build_info(device, 5)
    with pytest.raises(cl.LogicError) as caught:
        program.get_build_info(cl.Device({}, cl.Platform({}), ("n", "", "d")), info.LOG)
    assert caught.value.code == -33


def test_a_program_that_does_not_compile_says_why(fake, ctx):
    fake.answers[m.BuildProgram] = cl.RuntimeError("clBuildProgram", -11, "line 1: error: x is undeclared")
    program = cl.Program(ctx, "x")
    with pytest.raises(cl.RuntimeError, match="x is undeclared"):
        program.build()
    assert "undeclared" in program.get_build_info(ctx.devices[0], cl.program_build_info.LOG)
    assert program.get_build_info(ctx.devices[0], cl.program_build_info.STATUS) == -2
    assert "failed" in repr(program)


def test_what_the_compiler_says_of_a_good_program_is_a_warning(fake, ctx):
    fake.answers[m.BuildProgram] = built(SAXPY, log="warning: unused")
    with pytest.warns(cl.CompilerWarning, match="warning: unused"):
        cl.Program(ctx, "source").build()


@pytest.mark.parametrize(
    "use", [lambda p: p.kernel_names, lambda p: cl.Kernel(p, "saxpy"), lambda p: p.binaries]
)
def test_a_program_is_built_before_it_is_used(ctx, use):
    with pytest.raises(cl.LogicError, match="build it first") as caught:
        use(cl.Program(ctx, "source"))
    assert caught.value.code == -45


def test_an_unknown_kernel_is_refused_with_those_there_are(program):
    with pytest.raises(cl.LogicError, match="saxpy, mixed, nop") as caught:
        cl.Kernel(program, "saxpi")
    assert caught.value.code == -46
    with pytest.raises(AttributeError, match="saxpi"):
        _ = program.saxpi


def test_private_names_are_no_kernels(program):
    with pytest.raises(AttributeError):
        _ = program._nothing


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


# ---- arguments ---------------------------------------------------------------------------------------


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


def test_what_lives_in_a_session_is_not_pickled(ctx, queue, program, x):
    event = cl.enqueue_marker(queue)
    device, platform = ctx.devices[0], ctx.devices[0].platform
    for thing in (ctx, queue, program, program.nop, x, event, device, platform):
        name = type(thing).__name__
        for copying in (pickle.dumps, copy.copy):
            with pytest.raises(TypeError, match=f"{name} cannot be pickled or copied: it lives in a session"):
                copying(thing)


# ---- queues and devices ------------------------------------------------------------------------------


@pytest.mark.parametrize("properties", [[1, 2], [0x1093], {0x1093: 2}, [0x1093, 1 << 20], [0x1093, 5], 4])
def test_queue_properties_that_cannot_be_are_refused(ctx, properties):
    with pytest.raises(cl.LogicError):
        cl.CommandQueue(ctx, None, properties)


def test_only_a_queue_on_its_device_has_a_size_and_is_a_default(ctx):
    queue = cl.CommandQueue(ctx, None, [])
    for number in (cl.queue_properties.SIZE, cl.queue_properties.DEVICE_DEFAULT):
        with pytest.raises(cl.LogicError):
            queue.get_info(number)
    with pytest.raises(cl.LogicError, match="on-device"):
        ctx.set_default_device_command_queue(ctx.devices[0], queue)


def test_infos_with_versions_and_topologies_are_objects():
    info = {cl.device_info.ILS_WITH_VERSION: [(4194304, "SPIR-V")], cl.device_info.TOPOLOGY_AMD: [3, 0, 1]}
    device = cl.Device(info, cl.Platform({}), ("n", "", "d"))
    assert [(il.version, il.name) for il in device.ils_with_version] == [(4194304, "SPIR-V")]
    assert (device.topology_amd, device.topology_amd.type) == (cl.DeviceTopologyAmd(3, 0, 1), 1)
    assert device.parent_device is None


@pytest.mark.parametrize("use", [lambda d: d.create_sub_devices([0x1086, 1]), lambda d: d.host_timer()])
def test_a_device_that_is_not_leased_cannot_be_parted_or_timed(use):
    with pytest.raises(cl.LogicError, match="not under a lease") as caught:
        use(cl.Device({}, cl.Platform({}), ("n", "", "d")))
    assert caught.value.code == -59


@pytest.mark.parametrize("kind", [cl.Device, cl.Program, cl.Context, cl.CommandQueue, cl.Kernel])
def test_there_are_no_pointers(kind):
    with pytest.raises(cl.LogicError, match="no pointer"):
        kind.from_int_ptr(1)


def test_a_compiler_is_told_to_let_go_once_per_session(fake, ctx):
    cl.unload_platform_compiler(ctx.devices[0].platform)
    assert fake.posted[-1] == m.UnloadPlatformCompiler(0)


def test_programs_of_two_contexts_are_not_linked(fake, ctx):
    other = cl.Program(cl.Context(ctx.devices), "source")
    with pytest.raises(cl.LogicError, match="another context"):
        cl.link_program(ctx, [other])
