"""Rectangles in buffers: bytes without gaps go in and out, and nothing beside them is touched."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import LogicError

from ..integration.wire_client import WAIT_S, Client

START = [0, 0, 0]
HUGE = (1 << 64) - 1
DATA = bytes(range(200))


def read(
    client: Client, queue: int, buffer: int, origin: Sequence[int], region: Sequence[int], *pitches: int
) -> bytes:
    target = bytearray(max(math.prod(region), 1) if math.prod(region) < 1 << 20 else 1)
    message = m.EnqueueReadBufferRect(queue, buffer, list(origin), list(region), *pitches)
    client.connection.read(message, memoryview(target)).wait(WAIT_S)
    return bytes(target)


def rows(content: bytes, starts: Sequence[int], width: int) -> bytes:
    return b"".join(content[start : start + width] for start in starts)


def test_a_rectangle_is_read_from_where_it_is(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=DATA)
    found = read(client, queue, buffer, [2, 1, 1], [3, 2, 2], 10, 50)
    assert found == rows(DATA, [62, 72, 112, 122], 3)


def test_pitches_of_0_mean_no_gaps(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=DATA)
    assert read(client, queue, buffer, [0, 2, 0], [4, 3, 2]) == DATA[8:32]


def test_a_rectangle_is_written_and_nothing_else(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=bytes(200))
    client.post(m.EnqueueWriteBufferRect(queue, buffer, [2, 1, 1], [3, 2, 2], 10, 50), b"abcdefghijkl")
    found = client.read(queue, buffer, 200)
    assert rows(found, [62, 72, 112, 122], 3) == b"abcdefghijkl"
    assert found.count(0) == 188


def test_large_rectangles_go_in_and_out(client: Client, context: int, queue: int) -> None:
    content = bytes(range(256)) * 1200
    buffer = client.buffer(context, 1 << 20)
    client.post(m.EnqueueWriteBufferRect(queue, buffer, [7, 0, 0], [600, 512, 1], 1024), content)
    assert read(client, queue, buffer, [7, 0, 0], [600, 512, 1], 1024) == content


def test_rectangles_are_copied_between_buffers(client: Client, context: int, queue: int) -> None:
    source, target = client.buffer(context, content=DATA), client.buffer(context, content=bytes(200))
    client.post(
        m.EnqueueCopyBufferRect(queue, source, target, [2, 1, 1], [1, 0, 0], [3, 2, 2], [10, 50], [7, 28])
    )
    found = client.read(queue, target, 200)
    assert rows(found, [1, 8, 29, 36], 3) == rows(DATA, [62, 72, 112, 122], 3)
    assert found.count(0) == 188


def test_rectangles_are_copied_side_by_side_in_a_buffer(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=DATA)
    client.post(
        m.EnqueueCopyBufferRect(queue, buffer, buffer, START, [5, 0, 0], [5, 20, 1], [10, 0], [10, 0])
    )
    found = client.read(queue, buffer, 200)
    assert rows(found, range(5, 200, 10), 5) == rows(DATA, range(0, 200, 10), 5)


@pytest.mark.parametrize(
    ("target_origin", "pitches", "code"),
    [([1, 1, 0], [10, 0], ErrorCode.MEM_COPY_OVERLAP), ([0, 0, 0], [10, 0], ErrorCode.MEM_COPY_OVERLAP),
     ([0, 1, 0], [12, 0], ErrorCode.INVALID_VALUE)],
)  # fmt: skip
def test_rectangles_that_overlap_are_refused(
    client: Client, context: int, queue: int, target_origin: list[int], pitches: list[int], code: int
) -> None:
    buffer = client.buffer(context, content=DATA)
    region = [4, 4, 1]
    client.post(
        m.EnqueueCopyBufferRect(queue, buffer, buffer, START, target_origin, region, [10, 0], pitches)
    )
    error = client.failure()
    assert (error.routine, error.code) == ("clEnqueueCopyBufferRect", code)
    assert client.read(queue, buffer, 200) == DATA


BAD = [
    ([0, 0, 0], [8, 8, 1], 9, 0), ([57, 0, 0], [8, 1, 1], 0, 0), ([0, 8, 0], [8, 1, 1], 8, 0),
    ([0, 0, 0], [8, 1, 2], 8, 57), ([0, 0, 2], [8, 1, 1], 8, 32), (START, [0, 1, 1], 0, 0),
    (START, [-1, 1, 1], 0, 0), ([-1, 0, 0], [1, 1, 1], 0, 0), (START, [8, 2, 1], 7, 0),
    (START, [8, 2, 2], 8, 15), (START, [HUGE, 1, 1], 0, 0), (START, [1, HUGE, HUGE], 0, 0),
    ([HUGE, HUGE, HUGE], [1, 1, 1], HUGE, HUGE), (START, [1, 1, 1], -1, 0), (START, [1, 1, 1], 0, -1),
    ([0, 0], [1, 1, 1], 0, 0), (START, [1, 1], 0, 0), ([], [], 0, 0),
]  # fmt: skip


@pytest.mark.parametrize(("origin", "region", "row_pitch", "slice_pitch"), BAD)
def test_rectangles_that_are_not_within_their_buffer_are_refused_by_every_command(
    client: Client,
    context: int,
    queue: int,
    origin: list[int],
    region: list[int],
    row_pitch: int,
    slice_pitch: int,
) -> None:
    buffer, other = client.buffer(context, content=DATA[:64]), client.buffer(context, 4096)
    with pytest.raises(LogicError) as caught:
        read(client, queue, buffer, origin, region, row_pitch, slice_pitch)
    assert (caught.value.routine, caught.value.code) == ("clEnqueueReadBufferRect", ErrorCode.INVALID_VALUE)
    client.post(m.EnqueueWriteBufferRect(queue, buffer, origin, region, row_pitch, slice_pitch), b"xxxxxxxx")
    assert client.failure().code == ErrorCode.INVALID_VALUE
    pitches = [row_pitch, slice_pitch]
    for message in (
        m.EnqueueCopyBufferRect(queue, buffer, other, origin, START, region, pitches, [0, 0]),
        m.EnqueueCopyBufferRect(queue, other, buffer, START, origin, region, [0, 0], pitches),
    ):
        client.post(message)
        assert client.failure().code == ErrorCode.INVALID_VALUE
    assert client.read(queue, buffer, 64) == DATA[:64]


@pytest.mark.parametrize("pitches", [[], [8], [8, 64, 512]])
def test_pitches_are_two(client: Client, context: int, queue: int, pitches: list[int]) -> None:
    buffer = client.buffer(context, 64)
    client.post(m.EnqueueCopyBufferRect(queue, buffer, buffer, START, [0, 4, 0], [8, 2, 1], pitches, [8, 64]))
    assert client.failure().code == ErrorCode.INVALID_VALUE


@pytest.mark.parametrize("size", [1, 15, 17])
def test_a_write_of_another_size_than_its_region_is_refused(
    client: Client, context: int, queue: int, size: int
) -> None:
    buffer = client.buffer(context, content=DATA[:64])
    client.post(m.EnqueueWriteBufferRect(queue, buffer, START, [8, 2, 1]), b"x" * size)
    error = client.failure()
    assert (error.routine, error.code) == ("clEnqueueWriteBufferRect", ErrorCode.INVALID_VALUE)
    assert client.read(queue, buffer, 64) == DATA[:64]
