"""Programs: from source and from binary, their build logs, their kernels."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, LogicError
from accelpool_wire.errors import RuntimeError as BuildError

from ..integration.wire_client import Client
from .conftest import SOURCE, Shared

GLOBAL, LOCAL, CONSTANT, PRIVATE = 0x119B, 0x119C, 0x119D, 0x119E
TWICE = "__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }"


def kernels(built: m.Built) -> dict[str, m.KernelInfo]:
    return {kernel.name: kernel for kernel in built.kernels}


def test_a_build_tells_every_kernel_and_how_many_arguments_it_takes(shared: Shared) -> None:
    counts = {name: kernel.num_args for name, kernel in kernels(shared.built).items()}
    without_local = 1 if shared.target.is_cuda else 2  # there it is no parameter
    assert counts == {
        "twice": 1, "add": 4, "number": 3, "reverse": without_local, "cook": 2, "is_null": 2, "constants": 2,
        "spin": 2,
    }  # fmt: skip


def test_a_build_tells_what_the_compiler_knows_of_arguments(shared: Shared, computes: bool) -> None:
    args = {name: kernel.args for name, kernel in kernels(shared.built).items()}
    if not computes or shared.target.is_cuda:
        assert args["add"] == []
        return
    assert [arg.name for arg in args["add"]] == ["a", "b", "sum", "bias"]
    assert [arg.type_name for arg in args["add"]] == ["int*", "int*", "int*", "int"]
    assert [arg.address_qualifier for arg in args["add"]] == [GLOBAL, GLOBAL, GLOBAL, PRIVATE]
    assert args["reverse"][1].address_qualifier == LOCAL
    assert args["constants"][0].address_qualifier == CONSTANT


def test_a_build_tells_what_each_device_knows_of_kernels(shared: Shared) -> None:
    for kernel in shared.built.kernels:
        (work_group,) = kernel.work_groups
        assert work_group.work_group_size >= 1
        assert work_group.preferred_work_group_size_multiple >= 1
        assert len(work_group.compile_work_group_size) == 3


@pytest.mark.usefixtures("no_cuda")
def test_required_work_group_sizes_are_told(client: Client, context: int, computes: bool) -> None:
    source = TWICE.replace("void", "__attribute__((reqd_work_group_size(4, 2, 1))) void")
    if computes:
        (kernel,) = client.build(client.program(context, source)).kernels
        assert kernel.work_groups[0].compile_work_group_size == [4, 2, 1]


def test_a_build_has_one_log_per_device(shared: Shared) -> None:
    assert len(shared.built.logs) == 1


def test_source_that_does_not_compile_fails_with_the_compilers_words(
    client: Client, context: int, computes: bool
) -> None:
    program = client.program(context, "this is not OpenCL C")
    with pytest.raises(BuildError) as caught:
        client.build(program)
    assert caught.value.code == ErrorCode.BUILD_PROGRAM_FAILURE
    assert caught.value.routine == "clBuildProgram"
    assert not computes or re.search("error", caught.value.what)


ODD_SOURCES = ["", " ", "\0", "__kernel", "é ü \u2028 \U0001f600 __kernel void", "#include <nothing.h>"]


@pytest.mark.parametrize("source", ODD_SOURCES, ids=ascii)
def test_odd_sources_give_typed_errors_and_leave_the_session_in_order(
    client: Client, context: int, queue: int, source: str
) -> None:
    with contextlib.suppress(Error):
        client.build(client.program(context, source))
    client.failures()
    assert client.read(queue, client.buffer(context, content=b"ok"), 2) == b"ok"


def test_a_program_that_did_not_build_has_no_kernels(client: Client, context: int) -> None:
    program = client.program(context, "nonsense")
    with pytest.raises(BuildError):
        client.build(program)
    client.kernel(program, "twice")
    error = client.failure()
    assert (error.routine, error.code) == ("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME)


def test_a_program_not_yet_built_has_no_kernels(client: Client, context: int) -> None:
    client.kernel(client.program(context, TWICE), "twice")
    assert "not built" in client.failure().what


def test_an_unknown_kernel_name_is_answered_with_the_names_there_are(client: Client, program: int) -> None:
    client.kernel(program, "thrice")
    error = client.failure()
    assert (error.routine, error.code) == ("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME)
    assert "thrice" in error.what
    assert "twice" in error.what


def test_build_options_reach_the_compiler(client: Client, context: int, queue: int, computes: bool) -> None:
    source = "__kernel void put(__global int *a) { a[get_global_id(0)] = VALUE; }"
    program = client.program(context, source)
    client.build(program, "-DVALUE=42")
    buffer = client.buffer(context, content=bytes(8))
    client.launch(queue, client.kernel(program, "put"), [2], buffer)
    assert client.read(queue, buffer, 8) == (42 if computes else 0).to_bytes(4, "little") * 2


@pytest.mark.parametrize("options", ["-no-such-option-at-all", "\0", "-D" + "x" * 10_000, "'"])
def test_odd_build_options_give_typed_errors_and_leave_the_session_in_order(
    client: Client, context: int, options: str
) -> None:
    with contextlib.suppress(Error):
        client.build(client.program(context, TWICE), options)
    client.sync()


def test_a_program_is_built_for_all_its_devices_when_none_are_named(client: Client, context: int) -> None:
    program = client.program(context, TWICE)
    built = client.connection.ask(m.BuildProgram(program, []), m.Built, 30)
    assert [kernel.name for kernel in built.kernels] == ["twice"]


@pytest.mark.parametrize("place", [1, -1, 1 << 62])
def test_builds_for_devices_that_are_not_there_are_refused(client: Client, context: int, place: int) -> None:
    with pytest.raises(LogicError) as caught:
        client.connection.call(m.BuildProgram(client.program(context, TWICE), [place]), 30)
    assert caught.value.code == ErrorCode.INVALID_DEVICE


def test_a_binary_works_in_another_session(
    client: Client, program: int, open_session: Callable[..., Client], computes: bool
) -> None:
    (binary,) = client.connection.fetch_binaries(program)
    other = open_session()
    context = other.context()
    copy = other.program_from_binary(context, binary)
    built = other.build(copy)
    assert "twice" in kernels(built)
    buffer = other.buffer(context, content=(21).to_bytes(4, "little"))
    queue = other.queue(context)
    other.launch(queue, other.kernel(copy, "twice"), [1], buffer)
    assert other.read(queue, buffer, 4) == (42 if computes else 21).to_bytes(4, "little")


def test_binaries_of_a_program_not_built_are_a_typed_error_or_empty(client: Client, context: int) -> None:
    program = client.program(context, TWICE)
    with contextlib.suppress(Error):
        client.connection.ask(m.GetProgramBinaries(program), m.Binaries, 30)
    client.sync()


@pytest.mark.parametrize(("sizes", "payload"), [
    ([], b""), ([0], b""), ([5], b""), ([-1, 5], b"abcd"), ([2, 2], b"abcd"), ([3], b"abcd"),
    ([1 << 40], b"abcd"),
])  # fmt: skip
def test_binaries_whose_sizes_do_not_add_up_are_refused(
    client: Client, context: int, sizes: list[int], payload: bytes
) -> None:
    program = client.new()
    client.post(m.CreateProgramWithBinary(program, context, [0], sizes), payload)
    error = client.failure()
    assert error.routine == "clCreateProgramWithBinary"
    assert error.code in (ErrorCode.INVALID_VALUE, ErrorCode.INVALID_BINARY)


def test_a_binary_that_is_none_gives_a_typed_error(client: Client, context: int, computes: bool) -> None:
    if not computes:
        return  # any bytes are a program that has no kernels
    program = client.program_from_binary(context, b"certainly not a binary" * 10)
    with pytest.raises(Error) as caught:
        client.build(program)
    assert caught.value.code < 0


def test_the_same_source_can_be_built_twice(client: Client, context: int) -> None:
    program = client.program(context, SOURCE)
    first = client.build(program)
    assert kernels(client.build(program)).keys() == kernels(first).keys()


def test_kernels_outlive_the_handle_of_their_program(
    client: Client, context: int, queue: int, computes: bool
) -> None:
    program = client.program(context, TWICE)
    client.build(program)
    kernel = client.kernel(program, "twice")
    client.release(program)
    buffer = client.buffer(context, content=(4).to_bytes(4, "little"))
    client.launch(queue, kernel, [1], buffer)
    assert client.read(queue, buffer, 4)[0] == (8 if computes else 4)
