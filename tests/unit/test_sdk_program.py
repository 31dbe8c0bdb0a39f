"""Programs: a round trip to build, what is known of them since then, what is refused."""

from pathlib import Path

import pytest

import accelpool as cl
from accelpool.testing import built
from accelpool_wire import messages as m

from .kernel_rig import SAXPY, with_compiler


@pytest.fixture
def fake():
    return with_compiler()


@pytest.fixture
def program(ctx):
    return cl.Program(ctx, "source").build("-D N=4 -w")


def test_a_program_from_source_is_posted_and_its_build_is_a_round_trip(fake, ctx):
    program = cl.Program(ctx, b"source")
    assert fake.posted[-1] == m.CreateProgramWithSource(program._handle, ctx._handle, "source")
    assert program.build(["-D", "N=4"]) is program
    assert fake.asked == [m.BuildProgram(program._handle, [0], "-D N=4")]


@pytest.mark.parametrize("source", [5, None, Path("kernel.cl")])
def test_a_source_that_is_no_text_is_named(ctx, source):
    with pytest.raises(TypeError, match="the source is a string, or SPIR-V as bytes, not "):
        cl.Program(ctx, source)


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


def test_a_compiler_is_told_to_let_go_once_per_session(fake, ctx):
    cl.unload_platform_compiler(ctx.devices[0].platform)
    assert fake.posted[-1] == m.UnloadPlatformCompiler(0)


def test_programs_of_two_contexts_are_not_linked(fake, ctx):
    other = cl.Program(cl.Context(ctx.devices), "source")
    with pytest.raises(cl.LogicError, match="another context"):
        cl.link_program(ctx, [other])
