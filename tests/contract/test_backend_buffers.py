"""Buffers: content goes in, moves about, and comes out."""

from __future__ import annotations

import pytest

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, LogicError

from ..integration.wire_client import OUT_OF_ORDER, Client
from ..integration.worker_rig import Target

PATTERN = bytes(range(256))


@pytest.mark.parametrize("size", [1, 255, 256, 65_535, 65_536, 300_001])
def test_a_buffer_made_with_content_holds_it(client: Client, context: int, queue: int, size: int) -> None:
    content = (PATTERN * (size // 256 + 1))[:size]
    buffer = client.buffer(context, content=content)
    assert client.read(queue, buffer, size) == content


@pytest.mark.parametrize("size", [1, 3, 4096, 65_535, 65_536, 65_537, 1 << 20])
def test_what_was_written_is_read_back(client: Client, context: int, queue: int, size: int) -> None:
    content = (PATTERN * (size // 256 + 1))[:size]
    buffer = client.buffer(context, size)
    client.write(queue, buffer, content)
    assert client.read(queue, buffer, size) == content


def test_writes_and_reads_at_offsets_touch_nothing_else(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=bytes(16))
    client.write(queue, buffer, b"abc", offset=5)
    assert client.read(queue, buffer, 16) == bytes(5) + b"abc" + bytes(8)
    assert client.read(queue, buffer, 2, offset=6) == b"bc"
    assert client.read(queue, buffer, 1, offset=15) == b"\0"


def test_a_large_write_at_an_odd_offset_stays_in_place(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=bytes(200_000))
    client.write(queue, buffer, b"x" * 100_003, offset=33)
    assert client.read(queue, buffer, 200_000) == bytes(33) + b"x" * 100_003 + bytes(200_000 - 100_036)


def test_copies_move_regions_between_buffers(client: Client, context: int, queue: int) -> None:
    source, target = client.buffer(context, content=PATTERN), client.buffer(context, content=bytes(256))
    client.copy(queue, source, target, 16, source_offset=32, target_offset=200)
    assert client.read(queue, target, 256) == bytes(200) + PATTERN[32:48] + bytes(40)


def test_copies_within_a_buffer_move_regions_that_do_not_overlap(
    client: Client, context: int, queue: int
) -> None:
    buffer = client.buffer(context, content=PATTERN)
    client.copy(queue, buffer, buffer, 128, source_offset=128)
    assert client.read(queue, buffer, 256) == PATTERN[128:] * 2


def test_copies_between_contexts_are_cudas_alone(client: Client, context: int, target: Target) -> None:
    other, third = client.context(), client.context()
    source, copied = client.buffer(context, content=b"content!"), client.buffer(other, content=bytes(8))
    queues = [client.queue(each) for each in (context, other, third)]
    for queue in queues if not target.is_cuda else queues[2:]:
        client.copy(queue, source, copied, 4)
        assert client.failure().code == ErrorCode.INVALID_CONTEXT
    if target.is_cuda:
        client.copy(queues[0], source, copied, 4, target_offset=4)
        client.finish(queues[0])
        client.copy(queues[1], source, copied, 4)
        assert client.read(queues[1], copied, 8) == b"contcont"


def test_copies_onto_themselves_are_refused(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=PATTERN)
    client.copy(queue, buffer, buffer, 128, target_offset=64)
    assert client.failure().code == ErrorCode.MEM_COPY_OVERLAP
    assert client.read(queue, buffer, 256) == PATTERN


@pytest.mark.parametrize("pattern", [b"a", b"ab", b"abcd", bytes(range(16)), bytes(range(128))])
def test_fills_repeat_a_pattern(client: Client, context: int, queue: int, pattern: bytes) -> None:
    buffer = client.buffer(context, content=bytes(512))
    client.fill(queue, buffer, pattern, 256, offset=128)
    assert client.read(queue, buffer, 512) == bytes(128) + pattern * (256 // len(pattern)) + bytes(128)


def test_sub_buffers_show_a_region_of_their_buffer(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=PATTERN * 8)
    region = client.sub_buffer(buffer, 1024, 512)
    assert client.read(queue, region, 4, offset=1) == PATTERN[1:5]
    client.write(queue, region, b"new", offset=2)
    assert client.read(queue, buffer, 3, offset=1026) == b"new"


def test_sub_buffers_end_where_their_region_ends(client: Client, context: int, queue: int) -> None:
    region = client.sub_buffer(client.buffer(context, 4096), 1024, 512)
    with pytest.raises(LogicError, match="buffer of 512 bytes") as caught:
        client.read(queue, region, 1, offset=512)
    assert caught.value.code == ErrorCode.INVALID_VALUE


def test_sub_buffers_work_in_kernels(
    client: Client, context: int, queue: int, program: int, computes: bool
) -> None:
    buffer = client.buffer(context, content=(7).to_bytes(4, "little") * 512)
    region = client.sub_buffer(buffer, 1024, 1024)
    client.launch(queue, client.kernel(program, "twice"), [256], region)
    halves = [7] * 256 + [14 if computes else 7] * 256
    assert client.read(queue, buffer, 2048) == b"".join(n.to_bytes(4, "little") for n in halves)


def test_sub_buffers_outlive_the_handle_of_their_buffer(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=PATTERN * 8)
    region = client.sub_buffer(buffer, 1024, 256)
    client.release(buffer)
    assert client.read(queue, region, 256) == PATTERN


@pytest.mark.parametrize(("origin", "size"), [(0, 0), (0, 4097), (4096, 1), (-1024, 1024), (1024, -1)])
def test_sub_buffers_outside_their_buffer_are_refused(
    client: Client, context: int, origin: int, size: int
) -> None:
    client.sub_buffer(client.buffer(context, 4096), origin, size)
    assert client.failure().routine == "clCreateSubBuffer"


@pytest.mark.parametrize("size", [0, -1, -(1 << 63)])
def test_buffers_without_bytes_are_refused(client: Client, context: int, size: int) -> None:
    client.buffer(context, size)
    error = client.failure()
    assert (error.routine, error.code) == ("clCreateBuffer", ErrorCode.INVALID_BUFFER_SIZE)


@pytest.mark.parametrize("size", [1 << 40, (1 << 63) - 1, (1 << 64) - 1])
def test_buffers_beyond_the_share_are_refused(client: Client, context: int, size: int) -> None:
    client.buffer(context, size)
    error = client.failure()
    assert (error.routine, error.code) == ("clCreateBuffer", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE)


OVERRUNS = [(0, 65), (64, 1), (63, 2), (-1, 4), (1 << 63, 1), (0, 0)]


@pytest.mark.parametrize(("offset", "size"), OVERRUNS)
def test_reads_outside_a_buffer_are_refused(
    client: Client, context: int, queue: int, offset: int, size: int
) -> None:
    buffer = client.buffer(context, 64)
    with pytest.raises(LogicError) as caught:
        client.read(queue, buffer, size, offset)
    assert (caught.value.routine, caught.value.code) == ("clEnqueueReadBuffer", ErrorCode.INVALID_VALUE)


@pytest.mark.parametrize(("offset", "size"), OVERRUNS)
def test_writes_outside_a_buffer_are_refused_and_write_nothing(
    client: Client, context: int, queue: int, offset: int, size: int
) -> None:
    buffer = client.buffer(context, content=bytes(64))
    client.write(queue, buffer, b"x" * size, offset)
    error = client.failure()
    assert (error.routine, error.code) == ("clEnqueueWriteBuffer", ErrorCode.INVALID_VALUE)
    assert client.read(queue, buffer, 64) == bytes(64)


@pytest.mark.parametrize(("offset", "size"), OVERRUNS)
def test_copies_outside_a_buffer_are_refused_either_way(
    client: Client, context: int, queue: int, offset: int, size: int
) -> None:
    small, large = client.buffer(context, 64), client.buffer(context, 4096)
    client.copy(queue, small, large, size, source_offset=offset)
    assert client.failure().code == ErrorCode.INVALID_VALUE
    client.copy(queue, large, small, size, target_offset=offset)
    assert client.failure().code == ErrorCode.INVALID_VALUE


@pytest.mark.parametrize(("pattern", "offset", "size"), [
    (b"", 0, 16), (b"x" * 129, 0, 129), (b"abcd", 0, 6), (b"abcd", 2, 8), (b"a", 60, 5), (b"a", -1, 1),
    (b"abc", 0, 6),
])  # fmt: skip
def test_fills_that_do_not_fit_are_refused(
    client: Client, context: int, queue: int, pattern: bytes, offset: int, size: int
) -> None:
    buffer = client.buffer(context, content=bytes(64))
    client.fill(queue, buffer, pattern, size, offset)
    error = client.failure()
    assert (error.routine, error.code) == ("clEnqueueFillBuffer", ErrorCode.INVALID_VALUE)
    assert client.read(queue, buffer, 64) == bytes(64)


@pytest.mark.parametrize("flags", [1 << 63, (1 << 64) - 1, -1, 0b111])
def test_odd_flags_make_a_buffer_or_a_typed_error(client: Client, context: int, flags: int) -> None:
    client.buffer(context, 64, flags=flags)
    assert all(isinstance(error, Error) for error in client.failures())


@pytest.mark.parametrize("flags", [0, 1, 4, 8, 1 | 8, 1 | 8 | 32, 1 | 16, 1 | 32])
def test_content_is_copied_whatever_the_host_pointer_flags_say(
    client: Client, context: int, queue: int, flags: int
) -> None:
    buffer = client.buffer(context, content=PATTERN, flags=flags)
    assert client.read(queue, buffer, 256) == PATTERN


def test_a_large_read_from_an_out_of_order_queue_waits_for_its_list(client: Client, context: int) -> None:
    queue = client.queue(context, OUT_OF_ORDER)
    buffer = client.buffer(context, content=bytes(100_000))
    written = client.write(queue, buffer, b"x" * 100_000)
    filled = client.fill(queue, buffer, b"y", 50_000, wait_for=[written])
    assert client.read(queue, buffer, 100_000, wait_for=[filled]) == b"y" * 50_000 + b"x" * 50_000
