"""What clients may ask of programs and devices, and what a worker refuses before a driver sees it."""

from __future__ import annotations

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from .scripted_device import CONTEXT, QUEUE, Device
from .spirv_assembler import filling_module

SOURCE, COMPILED, HEADER, OTHER, FOREIGN, KERNEL, MADE = 50, 51, 52, 53, 54, 55, 60
NOP = "kernel void nop() {}"


@pytest.fixture
def device() -> Device:
    """A session with a built program, a compiled one, a header, and a program of another context."""
    device = Device()
    device.say(m.CreateContext(OTHER, [0]))
    for handle, context in ((SOURCE, CONTEXT), (COMPILED, CONTEXT), (HEADER, CONTEXT), (FOREIGN, OTHER)):
        device.say(m.CreateProgramWithSource(handle, context, NOP))
    device.ask(m.BuildProgram(SOURCE, [0]))
    device.say(m.CreateKernel(KERNEL, SOURCE, "nop"))
    for handle in (COMPILED, FOREIGN):
        assert isinstance(device.ask(m.CompileProgram(handle, [0])), m.Built)
    return device


def test_a_compiled_program_has_no_kernels_and_a_linked_one_has_them(device: Device) -> None:
    built = device.ask(m.LinkProgram(MADE, CONTEXT, [COMPILED], []))
    assert isinstance(built, m.Built)
    assert [kernel.name for kernel in built.kernels] == ["nop"]
    library = device.ask(m.LinkProgram(MADE + 1, CONTEXT, [COMPILED], [0], "-create-library"))
    assert isinstance(library, m.Built)
    assert library.kernels == []
    assert isinstance(device.ask(m.LinkProgram(MADE + 2, CONTEXT, [MADE + 1], [0])), m.Built)


def test_a_built_in_kernel_is_built_and_used(device: Device) -> None:
    device.say(m.CreateProgramWithBuiltInKernels(MADE, CONTEXT, [0], "accelpool.nothing"))
    built = device.ask(m.BuildProgram(MADE, [0]))
    assert isinstance(built, m.Built)
    assert [kernel.name for kernel in built.kernels] == ["accelpool.nothing"]


LONG = "x" * ((1 << 20) + 1)
ANSWERED: dict[str, tuple[m.Message, int]] = {
    "build options": (m.BuildProgram(SOURCE, [0], LONG), ErrorCode.INVALID_BUILD_OPTIONS),
    "options with NUL": (m.BuildProgram(SOURCE, [0], "a\0b"), ErrorCode.INVALID_BUILD_OPTIONS),
    "compiler options": (m.CompileProgram(SOURCE, [0], LONG), ErrorCode.INVALID_COMPILER_OPTIONS),
    "linker options": (m.LinkProgram(MADE, CONTEXT, [COMPILED], [0], LONG), ErrorCode.INVALID_LINKER_OPTIONS),
    "no program": (m.CompileProgram(99, [0]), ErrorCode.INVALID_PROGRAM),
    "no device": (m.CompileProgram(SOURCE, [7]), ErrorCode.INVALID_DEVICE),
    "no header": (m.CompileProgram(SOURCE, [0], "", [99], ["a.h"]), ErrorCode.INVALID_PROGRAM),
    "header without a name": (m.CompileProgram(SOURCE, [0], "", [HEADER], []), ErrorCode.INVALID_VALUE),
    "header with an empty name": (m.CompileProgram(SOURCE, [0], "", [HEADER], [""]), ErrorCode.INVALID_VALUE),
    "header with a long name": (
        m.CompileProgram(SOURCE, [0], "", [HEADER], ["x" * 4097]), ErrorCode.INVALID_VALUE,
    ),
    "too many headers": (
        m.CompileProgram(SOURCE, [0], "", [HEADER] * 4097, ["a"] * 4097), ErrorCode.INVALID_VALUE,
    ),
    "header of another context": (
        m.CompileProgram(SOURCE, [0], "", [FOREIGN], ["a.h"]), ErrorCode.INVALID_PROGRAM,
    ),
    "link of nothing": (m.LinkProgram(MADE, CONTEXT, [], [0]), ErrorCode.INVALID_VALUE),
    "link of too many": (m.LinkProgram(MADE, CONTEXT, [COMPILED] * 4097, [0]), ErrorCode.INVALID_VALUE),
    "link of another context's": (m.LinkProgram(MADE, CONTEXT, [FOREIGN], [0]), ErrorCode.INVALID_PROGRAM),
    "link of a source": (m.LinkProgram(MADE, CONTEXT, [HEADER], [0]), ErrorCode.INVALID_OPERATION),
    "link of an executable": (m.LinkProgram(MADE, CONTEXT, [SOURCE], [0]), ErrorCode.INVALID_OPERATION),
    "link under a handle in use": (m.LinkProgram(SOURCE, CONTEXT, [COMPILED], [0]), ErrorCode.INVALID_VALUE),
    "constant of a source": (
        m.SetProgramSpecializationConstant(SOURCE, 1, bytes(4)), ErrorCode.INVALID_PROGRAM,
    ),
    "constant too large": (m.SetProgramSpecializationConstant(SOURCE, 1, bytes(9)), ErrorCode.INVALID_VALUE),
    "constant of no bytes": (m.SetProgramSpecializationConstant(SOURCE, 1, b""), ErrorCode.INVALID_VALUE),
    "constant without id": (
        m.SetProgramSpecializationConstant(SOURCE, -1, bytes(4)), ErrorCode.INVALID_SPEC_ID,
    ),
    "parts of no device": (m.CreateSubDevices(9, [0x1086, 1]), ErrorCode.INVALID_DEVICE),
    "parts where there are none": (m.CreateSubDevices(0, [0x1086, 1]), ErrorCode.INVALID_VALUE),
    "parts without a way": (m.CreateSubDevices(0, []), ErrorCode.INVALID_VALUE),
    "info of no program": (m.GetInfo(m.PROGRAM, 99, 0x116A), ErrorCode.INVALID_PROGRAM),
    "info of no kernel": (m.GetInfo(m.SUB_GROUP, 99, 0x11B9), ErrorCode.INVALID_KERNEL),
    "info of no device": (m.GetInfo(m.TIMERS, 0, 0, 7), ErrorCode.INVALID_DEVICE),
    "info of nothing": (m.GetInfo(77, KERNEL, 0), ErrorCode.INVALID_VALUE),
    "info of four sizes": (m.GetInfo(m.SUB_GROUP, KERNEL, 0x2033, 0, [1] * 4), ErrorCode.INVALID_VALUE),
    "global size": (m.GetInfo(m.WORK_GROUP, KERNEL, 0x11B5), ErrorCode.INVALID_VALUE),
}  # fmt: skip


@pytest.mark.parametrize("case", ANSWERED)
def test_what_cannot_be_is_a_typed_answer(device: Device, case: str) -> None:
    message, code = ANSWERED[case]
    answer = device.ask(message)
    assert isinstance(answer, m.Failed)
    assert answer.code == code
    assert isinstance(device.ask(m.LinkProgram(MADE + 5, CONTEXT, [COMPILED], [0])), m.Built)


MODULE = filling_module()
POSTED: dict[str, tuple[m.Message, bytes | None, int]] = {
    "SPIR-V nobody takes": (m.CreateProgramWithIL(MADE, CONTEXT), MODULE, ErrorCode.INVALID_OPERATION),
    "no SPIR-V": (m.CreateProgramWithIL(MADE, CONTEXT), None, ErrorCode.INVALID_VALUE),
    "other bytes": (m.CreateProgramWithIL(MADE, CONTEXT), bytes(40), ErrorCode.INVALID_VALUE),
    "half a word": (m.CreateProgramWithIL(MADE, CONTEXT), MODULE[:-2], ErrorCode.INVALID_VALUE),
    "too few words": (m.CreateProgramWithIL(MADE, CONTEXT), MODULE[:16], ErrorCode.INVALID_VALUE),
    "an instruction cut": (m.CreateProgramWithIL(MADE, CONTEXT), MODULE[:60], ErrorCode.INVALID_VALUE),
    "an instruction of no words": (
        m.CreateProgramWithIL(MADE, CONTEXT), MODULE[:20] + bytes(8), ErrorCode.INVALID_VALUE,
    ),
    "unknown built-in kernel": (
        m.CreateProgramWithBuiltInKernels(MADE, CONTEXT, [0], "accelpool.nothing;other"), None,
        ErrorCode.INVALID_VALUE,
    ),
    "no built-in kernel": (
        m.CreateProgramWithBuiltInKernels(MADE, CONTEXT, [0], ""), None, ErrorCode.INVALID_VALUE,
    ),
    "on-device queue where there is none": (
        m.CreateCommandQueue(MADE, CONTEXT, 0, 5), None, ErrorCode.INVALID_QUEUE_PROPERTIES,
    ),
    "on-device queue in order": (m.CreateCommandQueue(MADE, CONTEXT, 0, 4), None, ErrorCode.INVALID_VALUE),
    "sized queue on the host": (m.CreateCommandQueue(MADE, CONTEXT, 0, 1, 99), None, ErrorCode.INVALID_VALUE),
    "default queue on the host": (
        m.SetDefaultDeviceCommandQueue(CONTEXT, 0, QUEUE), None, ErrorCode.INVALID_COMMAND_QUEUE,
    ),
    "compiler of no device": (m.UnloadPlatformCompiler(9), None, ErrorCode.INVALID_DEVICE),
}  # fmt: skip


@pytest.mark.parametrize("case", POSTED)
def test_what_cannot_be_sticks_to_the_session(device: Device, case: str) -> None:
    message, payload, code = POSTED[case]
    device.say(message, payload) if payload is not None else device.say(message)
    answer = device.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert answer.code == code
    assert isinstance(device.ask(m.Sync()), m.Done)


def test_a_program_that_was_not_made_fails_with_the_reason(device: Device) -> None:
    device.say(m.CreateProgramWithIL(MADE, CONTEXT), MODULE[:60])
    answer = device.ask(m.BuildProgram(MADE, [0]))
    assert isinstance(answer, m.Failed)
    assert (answer.routine, answer.code) == ("clCreateProgramWithIL", ErrorCode.INVALID_VALUE)


def test_spir_v_larger_than_the_limit_is_refused_before_it_is_received(device: Device) -> None:
    message = m.CreateProgramWithIL(MADE, CONTEXT)
    assert device.session.open_payload(message, (16 << 20) + 4, 99) is None


def test_clocks_and_compilers_are_the_backends(device: Device) -> None:
    answer = device.ask(m.GetInfo(m.TIMERS, 0, 0))
    assert isinstance(answer, m.Info)
    assert isinstance(answer.value, list)
    device.say(m.UnloadPlatformCompiler(0))
    assert isinstance(device.ask(m.Sync()), m.Done)
