"""Bulk bytes: any size, in the queue's order, both ways at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from accelpool_wire import messages as m
from accelpool_wire.errors import Error

from ..integration.wire_client import OUT_OF_ORDER, Client

KIB, MIB = 1 << 10, 1 << 20
Launch = Callable[..., int]


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes without a short period, quickly."""
    block = bytes((index * 131 + (index >> 8) * 7 + seed) & 255 for index in range(65_521))
    return (block * (size // len(block) + 1))[:size]


SIZES = [1, 4, 4 * KIB, 64 * KIB - 1, 64 * KIB, 256 * KIB, MIB + 3, 64 * MIB]


@pytest.mark.parametrize("size", SIZES)
def test_a_blocking_round_trip_returns_what_was_sent(
    client: Client, context: int, queue: int, size: int
) -> None:
    content, buffer = noise(size), client.buffer(context, size)
    client.write(queue, buffer, content)
    assert client.read(queue, buffer, size) == content


@pytest.mark.parametrize("size", SIZES)
def test_a_non_blocking_read_returns_what_was_sent(
    client: Client, context: int, queue: int, size: int
) -> None:
    content = noise(size, seed=2)
    buffer = client.buffer(context, content=content)
    target, read, event = client.start_read(queue, buffer, size)
    read.wait(30)
    assert target == content
    assert client.state(event).status == 0


@pytest.mark.parametrize("size", [5, 100 * KIB])
@pytest.mark.parametrize("offset", [1, 64 * KIB + 1])
def test_round_trips_at_offsets(client: Client, context: int, queue: int, size: int, offset: int) -> None:
    content, buffer = noise(size), client.buffer(context, content=bytes(256 * KIB))
    client.write(queue, buffer, content, offset)
    target, read, _ = client.start_read(queue, buffer, size, offset)
    assert client.read(queue, buffer, size, offset) == content
    read.wait(30)
    assert target == content
    assert client.read(queue, buffer, 1, offset - 1) == b"\0"
    assert client.read(queue, buffer, 1, offset + size) == b"\0"


@pytest.mark.parametrize("size", [4 * KIB, MIB])
def test_a_non_blocking_read_is_not_changed_by_what_follows_it(
    client: Client, context: int, queue: int, program: int, size: int
) -> None:
    buffer = client.buffer(context, content=b"\1" * size)
    reads = []
    for _ in range(5):
        reads.append(client.start_read(queue, buffer, size))
        client.launch(queue, client.kernel(program, "twice"), [size // 4], buffer)
        client.fill(queue, buffer, b"\1", size)
    client.fill(queue, buffer, b"\7", size)
    for target, read, _ in reads:
        read.wait(30)
        assert target == b"\1" * size
    assert client.read(queue, buffer, size) == b"\7" * size


@pytest.mark.parametrize("size", [64, 4 * KIB, 256 * KIB, 4 * MIB])
def test_a_write_does_not_overtake_a_running_kernel(
    client: Client, context: int, queue: int, program: int, computes: bool, size: int
) -> None:
    buffer = client.buffer(context, content=bytes(size))
    rounds = (20_000_000).to_bytes(8, "little")
    client.launch(queue, client.kernel(program, "spin"), [1], buffer, rounds)
    kept = client.buffer(context, 4)
    client.copy(queue, buffer, kept, 4)
    content = noise(size)
    client.write(queue, buffer, content)
    assert client.read(queue, buffer, size) == content
    computed = client.read(queue, kept, 4)
    assert computed != content[:4]
    assert (computed != bytes(4)) is computes


@pytest.mark.parametrize("size", [4 * KIB, 256 * KIB])
def test_a_write_waits_for_its_list(
    client: Client, context: int, queue: int, spin: Launch, size: int
) -> None:
    other = client.queue(context, OUT_OF_ORDER)
    buffer = client.buffer(context, content=bytes(size))
    held = spin(queue)
    client.post(m.Flush(queue))
    written = client.write(other, buffer, noise(size), wait_for=[held])
    assert client.wait(written)[0].status == 0
    assert client.state(held).status == 0
    assert client.read(other, buffer, size, wait_for=[written]) == noise(size)


def settled(client: Client, context: int) -> int:
    """A buffer that a device has already: what NVIDIA's driver brings there waits for all that runs."""
    buffer = client.buffer(context, content=b"quick")
    assert client.read(client.queue(context), buffer, 5) == b"quick"
    return buffer


def test_a_write_behind_a_running_kernel_leaves_other_queues_alone(
    client: Client, context: int, queue: int, spin: Launch, computes: bool
) -> None:
    other, buffer, quick = client.queue(context), client.buffer(context, MIB), settled(client, context)
    held = spin(queue, 6)
    client.write(queue, buffer, bytes(MIB))
    assert client.read(other, quick, 5) == b"quick"
    assert not computes or client.state(held).status > 0


@pytest.mark.parametrize("properties", [0, OUT_OF_ORDER])
def test_a_large_write_after_a_barrier_leaves_other_queues_alone(
    client: Client, context: int, queue: int, spin: Launch, computes: bool, properties: int
) -> None:
    other, buffer, quick = client.queue(context), client.buffer(context, MIB), settled(client, context)
    held, held_back = spin(queue, 6), client.queue(context, properties)
    client.post(m.Flush(queue))
    client.barrier(held_back, wait_for=[held])
    client.write(held_back, buffer, bytes(MIB))
    assert client.read(other, quick, 5) == b"quick"
    assert not computes or client.state(held).status > 0
    client.finish(held_back)


def test_many_small_writes_arrive_in_order(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=bytes(1000))
    for index in range(1000):
        client.write(queue, buffer, bytes([index & 255]) * (1000 - index), offset=index)
    assert client.read(queue, buffer, 1000) == bytes(index & 255 for index in range(1000))


def test_reads_and_writes_interleave_on_two_queues(client: Client, context: int) -> None:
    queues = [client.queue(context), client.queue(context)]
    buffers = [client.buffer(context, 2 * MIB) for _ in queues]
    reads = []
    for round_number in range(4):
        for queue, buffer in zip(queues, buffers, strict=True):
            content = noise(2 * MIB, seed=round_number)
            client.write(queue, buffer, content)
            reads.append((content, *client.start_read(queue, buffer, 2 * MIB)))
    for content, target, read, _ in reads:
        read.wait(30)
        assert target == content


def test_a_read_answers_when_its_queue_gets_there_not_when_it_was_asked(
    client: Client, context: int, queue: int, spin: Launch
) -> None:
    buffer, other = client.buffer(context, content=b"late"), client.queue(context)
    spin(queue)
    late, slow, _ = client.start_read(queue, buffer, 4)
    early, quick, _ = client.start_read(other, buffer, 4)
    quick.wait(30)
    slow.wait(30)
    assert (late, early) == (b"late", b"late")


def test_an_event_handle_in_use_does_not_hold_the_queue_up(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=noise(MIB))
    taken = client.marker(queue)
    message = m.EnqueueReadBuffer(queue, buffer, 0, MIB, taken, is_blocking=True)
    with pytest.raises(Exception, match="in use"):
        client.connection.read(message, memoryview(bytearray(MIB))).wait(5)
    assert client.read(queue, buffer, MIB) == noise(MIB)


def test_a_buffer_that_the_host_may_not_map_does_not_hold_the_queue_up(
    client: Client, context: int, queue: int
) -> None:
    host_no_access = 1 << 9
    buffer = client.buffer(context, MIB, flags=1 | host_no_access)
    message = m.EnqueueReadBuffer(queue, buffer, 0, MIB, is_blocking=True)
    with contextlib.suppress(Error):  # not every driver minds
        client.connection.read(message, memoryview(bytearray(MIB))).wait(5)
    client.write(queue, buffer, bytes(MIB))
    client.failures()
    assert client.read(queue, client.buffer(context, content=b"ok"), 2) == b"ok"
