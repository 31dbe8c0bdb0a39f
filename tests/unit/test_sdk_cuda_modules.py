"""Modules: from source and from code, their globals, what does not compile."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from tests.unit.cuda_rig import FakeCuda, cuda_context, kernel

import accelpool.cuda.driver as cuda
from accelpool.cuda import compiler
from accelpool.cuda.compiler import SourceModule
from accelpool.errors import CompilerWarning
from accelpool.errors import LogicError as LowerLogicError
from accelpool.errors import RuntimeError as LowerRuntimeError
from accelpool.testing import built
from accelpool_wire import messages as m

SOURCE = "__global__ void scale(float *x) {}"
PTX = b"//\n.version 8.0\n"


@pytest.fixture
def fake():
    return FakeCuda()


@pytest.fixture
def context(fake):
    with cuda_context(fake) as context:
        yield context


def sources(fake):
    return [message.source for message in fake.sent(m.CreateProgramWithSource)]


@pytest.mark.parametrize(
    "make",
    [cuda.Linker, compiler.DynamicModule, lambda: compiler.DynamicSourceModule("__global__ void f() {}")],
)
def test_what_would_be_linked_says_what_does_instead(make):
    with pytest.raises(cuda.LogicError, match=r"cuLinkCreate.*not supported.*SourceModule.*module_from_file"):
        make()


def test_a_source_is_wrapped_compiled_and_known_after_one_round_trip(fake, context):
    trips = context.round_trips
    module = SourceModule(SOURCE)
    assert sources(fake) == [f'extern "C" {{\n{SOURCE}\n}}\n']
    assert fake.asked[-1].options == ""
    module.get_function("scale")
    assert context.round_trips == trips + 1
    assert fake.posted[-1].name == "scale"


def test_a_source_may_be_taken_as_it_is_with_options(fake, context):
    SourceModule(SOURCE, no_extern_c=True, options=["-DN=5", "-use_fast_math"], arch="sm_80", code="sm_80")
    assert sources(fake) == [SOURCE]
    assert fake.asked[-1].options == "-DN=5 -use_fast_math -arch sm_80 -code sm_80"


def test_a_word_with_spaces_stays_a_word(fake, context):
    SourceModule(SOURCE, options=['-DNAME="a b"', "-lineinfo"])
    assert shlex.split(fake.asked[-1].options) == ['-DNAME="a b"', "-lineinfo"]


def test_nothing_of_pyopencls_environment_is_added(fake, context, monkeypatch):
    monkeypatch.setenv("PYOPENCL_BUILD_OPTIONS", "-cl-fast-relaxed-math")
    SourceModule(SOURCE)
    assert fake.asked[-1].options == ""


def test_files_in_folders_that_are_said_go_along(fake, context, tmp_path, monkeypatch):
    (tmp_path / "mine.h").write_text("int mine;")
    (tmp_path / "here.h").write_text("int here;")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.h").write_text("int more;")
    SourceModule("#include <more.h>\n#include <cuda_fp16.h>", options=["-I", str(tmp_path / "sub")])
    SourceModule('#include "mine.h"', include_dirs=[str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    SourceModule('#include "here.h"')
    first, second, third = sources(fake)
    assert "int more;" in first
    assert "#include <cuda_fp16.h>" in first
    assert "int mine;" in second
    assert '#include "here.h"' in third  # a compiler's working folder is none of the program's


def test_pycudas_headers_go_along_where_they_are(fake, context, tmp_path, monkeypatch):
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda" / "pycuda-complex.hpp").write_text("struct complex_number;")
    monkeypatch.setattr(compiler, "pycuda_folder", lambda: tmp_path)
    SourceModule("#include <pycuda-complex.hpp>")
    assert "struct complex_number;" in sources(fake)[0]


@pytest.mark.parametrize("code", [-11, -43])
def test_what_does_not_compile_is_a_compile_error_with_the_log(fake, context, code):
    fake.answers[m.BuildProgram] = LowerRuntimeError("nvrtcCompileProgram", code, "kernel.cu(1): error: oops")
    with pytest.raises(cuda.CompileError) as caught:
        SourceModule("nonsense", options=["-lineinfo"])
    error = caught.value
    assert error.stderr == "kernel.cu(1): error: oops"
    assert error.command_line == ["nvcc", "-lineinfo", "kernel.cu"]
    assert "[stderr:\nkernel.cu(1): error: oops]" in str(error)
    assert isinstance(error, cuda.Error)


def test_another_failure_is_cudas(fake, context):
    fake.answers[m.BuildProgram] = LowerLogicError("x", -30, "CUDA_ERROR_NO_BINARY_FOR_GPU: for sm_20")
    with pytest.raises(cuda.RuntimeError, match="no binary for gpu"):
        SourceModule(SOURCE)


def test_what_the_compiler_warns_of_is_a_warning(fake, context):
    fake.answers[m.BuildProgram] = built(kernel("scale"), log="warning: unused")
    with pytest.warns(CompilerWarning, match="unused"):
        SourceModule(SOURCE)


def test_compile_returns_the_code_of_the_device(fake, context):
    assert compiler.compile(SOURCE).startswith(b"binary of")
    with pytest.raises(cuda.CompileError, match="cubins"):
        compiler.compile(SOURCE, target="ptx")


def test_a_kernel_that_is_not_there_is_a_logic_error(context):
    with pytest.raises(
        cuda.LogicError, match=r"cuModuleGetFunction failed: not found .* it has scale, nothing"
    ):
        SourceModule(SOURCE).get_function("other")


def test_code_makes_a_module(fake, context):
    module = cuda.module_from_buffer(PTX)
    assert fake.sent(m.CreateProgramWithBinary)[-1].sizes == [len(PTX)]
    assert fake.payloads[-1] == PTX
    module.get_function("scale")


def test_a_file_of_code_makes_a_module(fake, context, tmp_path):
    path = tmp_path / "a.ptx"
    path.write_bytes(PTX)
    cuda.module_from_file(str(path))
    assert fake.payloads[-1] == PTX
    with pytest.raises(cuda.RuntimeError, match="file not found"):
        cuda.module_from_file(str(Path(tmp_path) / "none"))


def test_a_handler_is_told_what_the_linker_said(fake, context):
    told = []
    fake.answers[m.BuildProgram] = built(kernel("scale"), log="42 registers")
    cuda.module_from_buffer(PTX, message_handler=lambda *args: told.append(args))
    fake.answers[m.BuildProgram] = LowerLogicError("cuModuleLoadDataEx", -42, "CUDA_ERROR_INVALID_PTX: oops")
    with pytest.raises(cuda.LogicError, match="invalid ptx"):
        cuda.module_from_buffer(
            PTX, [(cuda.jit_option.OPTIMIZATION_LEVEL, 4)], lambda *args: told.append(args)
        )
    assert told[0] == (True, "42 registers", "")
    assert (told[1][0], "oops" in told[1][2]) == (False, True)


def test_no_code_is_no_module(context):
    with pytest.raises(cuda.LogicError, match="invalid image"):
        cuda.module_from_buffer(b"")


def test_a_variable_is_device_memory_asked_for_once(fake, context):
    module = SourceModule("__constant__ float table[64];")
    trips = context.round_trips
    address, size = module.get_global("table")
    assert (size, module.get_global("table")) == (256, (address, size))
    assert context.round_trips == trips + 1
    cuda.memcpy_htod(address + 8, b"abcd")
    write = fake.sent(m.EnqueueWriteBuffer)[-1]
    assert (write.buffer, write.offset) == (fake.asked[-1].buffer, 8)


def test_a_variable_that_is_not_there_is_a_logic_error(fake, context):
    fake.answers[m.CreateVariableBuffer] = LowerLogicError(
        "cuModuleGetGlobal", -30, "CUDA_ERROR_NOT_FOUND: x"
    )
    with pytest.raises(cuda.LogicError, match="cuModuleGetGlobal failed: not found"):
        SourceModule(SOURCE).get_global("x")


def test_textures_and_surfaces_are_refused(context):
    module = SourceModule(SOURCE)
    for ask in (module.get_texref, module.get_surfref):
        with pytest.raises(cuda.LogicError, match="not supported"):
            ask("x")


def test_a_plain_compilation_adds_nothing_to_the_source(fake, context):
    source = "__global__ void scale(float *x) {}"
    assert compiler.compile_plain(source, [], False, "nvcc", None).startswith(b"binary of")
    assert fake.sent(m.CreateProgramWithSource)[-1].source == source
