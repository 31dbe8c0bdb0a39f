"""Kernels: arguments set in every way, launches over every kind of NDRange."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

from ..integration.wire_client import Client


def ints(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


@dataclass
class Launcher:
    """Launches a kernel and compares a buffer afterwards; a device that computes nothing leaves it alone."""

    client: Client
    queue: int
    program: int
    computes: bool

    def __call__(
        self,
        name: str,
        args: Sequence[m.KernelArg],
        out: int,
        before: bytes,
        after: bytes,
        *,
        global_size: Sequence[int] = (),
        local: Sequence[int] | None = None,
        offset: Sequence[int] | None = None,
    ) -> None:
        kernel = self.client.kernel(self.program, name)
        global_size = global_size or [len(before) // 4]
        self.client.launch(self.queue, kernel, global_size, *args, local=local, offset=offset)
        assert self.client.read(self.queue, out, len(before)) == (after if self.computes else before)


@pytest.fixture
def launched(client: Client, queue: int, program: int, computes: bool) -> Launcher:
    return Launcher(client, queue, program, computes)


def test_a_launch_sets_all_arguments(client: Client, context: int, launched: Launcher) -> None:
    a, b = client.buffer(context, content=ints(1, 2, 3)), client.buffer(context, content=ints(10, 20, 30))
    total = client.buffer(context, content=ints(0, 0, 0))
    launched("add", [a, b, total, ints(100)], total, ints(0, 0, 0), ints(111, 122, 133))


@pytest.mark.parametrize(("global_size", "local"), [
    ([6], None), ([6], [3]), ([6], [1]), ([3, 2], None), ([3, 2], [3, 1]), ([3, 2, 4], None),
    ([3, 2, 4], [1, 2, 2]), ([1, 1, 1], None), ([1], [1]),
])  # fmt: skip
def test_launches_have_one_to_three_dimensions(
    client: Client, context: int, launched: Launcher, global_size: list[int], local: list[int] | None
) -> None:
    x, y, z = [*global_size, 1, 1][:3]
    before = ints(*[-1] * (x * y * z))
    after = ints(*[100 * k + 10 * j + i for k in range(z) for j in range(y) for i in range(x)])
    out = client.buffer(context, content=before)
    launched("number", [out, ints(x), ints(y)], out, before, after, global_size=global_size, local=local)


@pytest.mark.usefixtures("no_cuda")
def test_an_offset_moves_the_global_ids(client: Client, context: int, launched: Launcher) -> None:
    before = ints(*[-1] * 12)
    out = client.buffer(context, content=before)
    after = ints(*[-1] * 5, 11, 12, *[-1] * 5)
    launched("number", [out, ints(4), ints(3)], out, before, after, global_size=[2, 1], offset=[1, 1])


def test_local_memory_is_an_argument(client: Client, context: int, launched: Launcher) -> None:
    before = ints(*range(8))
    buffer = client.buffer(context, content=before)
    after = ints(3, 2, 1, 0, 7, 6, 5, 4)
    launched("reverse", [buffer, m.LocalMemory(16)], buffer, before, after, local=[4])


def test_structs_are_arguments(client: Client, context: int, launched: Launcher) -> None:
    before, after = struct.pack("<2f", 1.0, 2.0), struct.pack("<2f", 7.5, 10.5)
    buffer = client.buffer(context, content=before)
    launched("cook", [buffer, struct.pack("<ifii", 3, 0.5, 9, 4)], buffer, before, after)


def test_null_buffers_are_arguments(client: Client, context: int, launched: Launcher) -> None:
    out = client.buffer(context, content=ints(7, 7))
    launched("is_null", [out, None], out, ints(7, 7), ints(1, 1))
    other = client.buffer(context, content=ints(7, 7))
    launched("is_null", [other, out], other, ints(7, 7), ints(0, 0))


def test_constant_buffers_are_arguments(client: Client, context: int, launched: Launcher) -> None:
    table, out = client.buffer(context, content=ints(5, 6)), client.buffer(context, content=ints(0, 0))
    launched("constants", [table, out], out, ints(0, 0), ints(5, 6))


def test_arguments_set_apart_stay_for_every_launch(
    client: Client, context: int, program: int, queue: int, computes: bool
) -> None:
    a, b = client.buffer(context, content=ints(1)), client.buffer(context, content=ints(10))
    total, kernel = client.buffer(context, content=ints(0)), client.kernel(program, "add")
    client.set_args(kernel, total, ints(100), first=2)
    client.set_args(kernel, a, b)
    client.launch(queue, kernel, [1])
    assert client.read(queue, total, 4) == ints(111 if computes else 0)
    client.set_args(kernel, ints(-1), first=3)
    client.launch(queue, kernel, [1])
    assert client.read(queue, total, 4) == ints(10 if computes else 0)
    client.set_args(kernel, a, first=1)
    client.launch(queue, kernel, [1])
    assert client.read(queue, total, 4) == ints(1 if computes else 0)


def test_arguments_are_taken_when_the_launch_is_posted(
    client: Client, context: int, program: int, queue: int, computes: bool
) -> None:
    out = [client.buffer(context, content=ints(0)) for _ in range(3)]
    a, kernel = client.buffer(context, content=ints(5)), client.kernel(program, "add")
    for index, total in enumerate(out):
        client.launch(queue, kernel, [1], a, a, total, ints(index))
    results = [client.read(queue, total, 4) for total in out]
    assert results == [ints(10 + index if computes else 0) for index in range(3)]


def test_one_kernel_runs_in_two_queues(client: Client, context: int, program: int, computes: bool) -> None:
    kernel = client.kernel(program, "twice")
    for queue in (client.queue(context), client.queue(context)):
        buffer = client.buffer(context, content=ints(3))
        client.launch(queue, kernel, [1], buffer)
        assert client.read(queue, buffer, 4) == ints(6 if computes else 3)


def test_a_launch_without_all_arguments_is_refused(
    client: Client, context: int, program: int, queue: int
) -> None:
    kernel = client.kernel(program, "add")
    client.launch(queue, kernel, [1])
    assert client.failure().code == ErrorCode.INVALID_KERNEL_ARGS
    client.set_args(kernel, client.buffer(context, 4))
    client.launch(queue, kernel, [1])
    assert client.failure().code == ErrorCode.INVALID_KERNEL_ARGS


@pytest.mark.parametrize("count", [1, 3, 5, 1025])
def test_a_launch_with_another_count_of_arguments_is_refused(
    client: Client, context: int, program: int, queue: int, count: int
) -> None:
    buffer = client.buffer(context, 64)
    client.launch(queue, client.kernel(program, "add"), [1], *[buffer] * count)
    error = client.failure()
    assert (error.routine, error.code) == ("clEnqueueNDRangeKernel", ErrorCode.INVALID_KERNEL_ARGS)
    assert f"takes 4, not {count}" in error.what


@pytest.mark.parametrize("first", [4, 1000, -1, -(1 << 63), (1 << 64) - 1])
def test_arguments_at_places_that_are_not_there_are_refused(client: Client, program: int, first: int) -> None:
    client.set_args(client.kernel(program, "add"), ints(1), first=first)
    error = client.failure()
    assert (error.routine, error.code) == ("clSetKernelArg", ErrorCode.INVALID_ARG_INDEX)


WRONG_KINDS = [
    ("add", 0, ints(1), "a buffer"), ("add", 0, m.LocalMemory(16), "a buffer"), ("add", 3, None, "a value"),
    ("add", 3, m.LocalMemory(4), "a value"), ("reverse", 1, None, "local memory"),
    ("reverse", 1, ints(16), "local memory"), ("constants", 0, ints(1), "a buffer"),
]  # fmt: skip


@pytest.mark.usefixtures("no_cuda")  # its compiler keeps no argument info
@pytest.mark.parametrize(("name", "place", "arg", "expected"), WRONG_KINDS)
def test_arguments_of_the_wrong_kind_are_refused_and_named(
    client: Client, program: int, computes: bool, name: str, place: int, arg: m.KernelArg, expected: str
) -> None:
    if not computes:
        return  # its compiler keeps no argument info
    client.set_args(client.kernel(program, name), arg, first=place)
    error = client.failure()
    assert error.code in (ErrorCode.INVALID_ARG_VALUE, ErrorCode.INVALID_ARG_SIZE)
    assert f"argument {place} " in error.what
    assert f"must be {expected}" in error.what


@pytest.mark.parametrize("place", [0, 3])
def test_a_buffer_that_is_none_is_refused_wherever_it_is_set(
    client: Client, program: int, place: int
) -> None:
    client.set_args(client.kernel(program, "add"), 999_999, first=place)
    assert client.failure().code in (ErrorCode.INVALID_MEM_OBJECT, ErrorCode.INVALID_ARG_VALUE)


@pytest.mark.parametrize("value", [b"", b"abc", b"abcde", bytes(1000)])
def test_values_of_the_wrong_size_are_refused(
    client: Client, program: int, computes: bool, value: bytes
) -> None:
    client.set_args(client.kernel(program, "add"), value, first=3)
    if computes:
        error = client.failure()
        assert (error.routine, error.code) == ("clSetKernelArg", ErrorCode.INVALID_ARG_SIZE)


@pytest.mark.parametrize("size", [0, -1, 1 << 40, (1 << 64) - 1])
def test_local_memory_of_odd_sizes_is_refused_when_set_or_launched(
    client: Client, context: int, queue: int, program: int, size: int
) -> None:
    buffer = client.buffer(context, content=ints(1))
    client.launch(queue, client.kernel(program, "reverse"), [1], buffer, m.LocalMemory(size))
    assert client.failure().code in (ErrorCode.INVALID_ARG_SIZE, ErrorCode.OUT_OF_RESOURCES)
    assert client.read(queue, buffer, 4) == ints(1)


BAD_LOCAL = {ErrorCode.INVALID_WORK_GROUP_SIZE, ErrorCode.INVALID_WORK_ITEM_SIZE, ErrorCode.INVALID_VALUE}


@pytest.mark.parametrize(("sizes", "codes"), [
    ({"global_size": []}, {ErrorCode.INVALID_WORK_DIMENSION}),
    ({"global_size": [1] * 4}, {ErrorCode.INVALID_WORK_DIMENSION}),
    ({"global_size": [4], "local": [2, 2]}, {ErrorCode.INVALID_WORK_DIMENSION}),
    ({"global_size": [4], "local": []}, {ErrorCode.INVALID_WORK_DIMENSION}),
    ({"global_size": [4, 4], "offset": [1]}, {ErrorCode.INVALID_WORK_DIMENSION}),
    ({"global_size": [4], "local": [0]}, BAD_LOCAL),
    ({"global_size": [4], "local": [-1]}, BAD_LOCAL),
    ({"global_size": [1 << 40], "local": [1 << 40]}, BAD_LOCAL),  # some drivers allow 1 << 26
    ({"global_size": [-1]}, {ErrorCode.INVALID_VALUE, ErrorCode.INVALID_GLOBAL_WORK_SIZE}),
    ({"global_size": [4], "offset": [-1]}, {ErrorCode.INVALID_VALUE, ErrorCode.INVALID_GLOBAL_OFFSET}),
])  # fmt: skip
def test_launches_over_an_impossible_ndrange_are_refused(
    client: Client, context: int, program: int, queue: int, sizes: dict[str, list[int]], codes: set[int]
) -> None:
    buffer = client.buffer(context, content=ints(1, 2, 3, 4))
    local, offset = sizes.get("local"), sizes.get("offset")
    kernel = client.kernel(program, "twice")
    client.launch(queue, kernel, sizes["global_size"], buffer, local=local, offset=offset)
    error = client.failure()
    assert error.routine == "clEnqueueNDRangeKernel"
    assert error.code in codes
    assert client.read(queue, buffer, 16) == ints(1, 2, 3, 4)


@pytest.mark.usefixtures("no_cuda")
def test_a_local_size_that_a_kernel_does_not_allow_is_refused(
    client: Client, context: int, queue: int, computes: bool
) -> None:
    source = (
        "__kernel __attribute__((reqd_work_group_size(4, 1, 1))) void four(__global int *a) { a[0] = 1; }"
    )
    if not computes:
        return  # it knows nothing of attributes
    program = client.program(context, source)
    client.build(program)
    client.launch(queue, client.kernel(program, "four"), [8], client.buffer(context, 4), local=[2])
    assert client.failure().code == ErrorCode.INVALID_WORK_GROUP_SIZE


def test_a_launch_with_a_buffer_released_since_is_refused(
    client: Client, context: int, program: int, queue: int
) -> None:
    kernel, buffer = client.kernel(program, "twice"), client.buffer(context, 64)
    client.set_args(kernel, buffer)
    client.release(buffer)
    client.launch(queue, kernel, [1])
    error = client.failure()
    assert error.code == ErrorCode.INVALID_MEM_OBJECT
    assert "argument 0 of kernel twice" in error.what


def test_an_argument_that_could_not_be_set_is_not_set(
    client: Client, context: int, program: int, queue: int
) -> None:
    kernel, buffer = client.kernel(program, "twice"), client.buffer(context, content=ints(1))
    client.set_args(kernel, buffer)
    client.set_args(kernel, 999_999)
    client.failures()
    client.release(buffer)
    client.launch(queue, kernel, [1])
    assert client.failure().code == ErrorCode.INVALID_KERNEL_ARGS


def test_a_handle_used_again_for_another_buffer_does_not_stand_for_the_first(
    client: Client, context: int, program: int, queue: int, computes: bool
) -> None:
    kernel, buffer = client.kernel(program, "twice"), client.buffer(context, content=ints(1))
    client.launch(queue, kernel, [1], buffer)
    client.release(buffer)
    client.post(m.CreateBuffer(buffer, context, 1 | 32, 4), ints(50))
    client.launch(queue, kernel, [1], buffer)
    assert client.read(queue, buffer, 4) == ints(100 if computes else 50)


def test_arguments_that_name_a_handle_used_again_must_be_set_again(
    client: Client, context: int, program: int, queue: int
) -> None:
    kernel, buffer = client.kernel(program, "twice"), client.buffer(context, content=ints(1))
    client.set_args(kernel, buffer)
    client.release(buffer)
    client.post(m.CreateBuffer(buffer, context, 1 | 32, 4), ints(50))
    client.launch(queue, kernel, [1])
    assert client.failure().code == ErrorCode.INVALID_MEM_OBJECT
    assert client.read(queue, buffer, 4) == ints(50)


def test_buffers_of_another_context_do_not_harm_the_session(
    client: Client, context: int, program: int, queue: int
) -> None:
    stranger = client.buffer(client.context(), content=ints(1))
    client.launch(queue, client.kernel(program, "twice"), [1], stranger)
    with contextlib.suppress(Error):  # some drivers take them
        client.read(queue, stranger, 4)
    client.failures()
    assert client.read(queue, client.buffer(context, content=ints(2)), 4) == ints(2)
