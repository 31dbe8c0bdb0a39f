"""Allocators and the memory pool, without a device."""

from __future__ import annotations

import pytest

from accelpool import CommandQueue, LogicError, MemoryError, mem_flags
from accelpool.memory_pool import DeferredAllocator, ImmediateAllocator, MemoryPool
from accelpool.testing import FakeConnection, fake_context
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode


@pytest.fixture
def fake() -> FakeConnection:
    return FakeConnection()


@pytest.fixture
def queue(fake: FakeConnection) -> CommandQueue:
    return CommandQueue(fake_context(fake))


@pytest.fixture
def pool(queue: CommandQueue) -> MemoryPool:
    return MemoryPool(ImmediateAllocator(queue))


def created(fake: FakeConnection) -> list[int]:
    return [message.size for message in fake.posted if isinstance(message, m.CreateBuffer)]


def test_a_deferred_allocator_waits_for_nothing(fake: FakeConnection, queue: CommandQueue) -> None:
    allocate = DeferredAllocator(queue.context)
    buffer = allocate(100)
    assert buffer is not None
    assert buffer.size == 100
    assert allocate(0) is None
    assert fake.asked == []


def test_an_immediate_allocator_waits_for_the_buffer(fake: FakeConnection, queue: CommandQueue) -> None:
    assert ImmediateAllocator(queue)(100) is not None
    assert [type(message) for message in fake.asked] == [m.Sync]


def test_an_allocator_refuses_host_pointers(queue: CommandQueue) -> None:
    with pytest.raises(LogicError, match="no host pointer"):
        DeferredAllocator(queue.context, mem_flags.USE_HOST_PTR)


@pytest.mark.parametrize(
    ("size", "bits", "rounded"),
    [(1, 4, 1), (15, 4, 15), (16, 4, 17), (32, 4, 35), (1000, 4, 1023), (1024, 4, 1151), (1024, 1, 2047)],
)
def test_sizes_are_rounded_to_the_largest_with_their_leading_bits(
    queue: CommandQueue, size: int, bits: int, rounded: int
) -> None:
    assert MemoryPool(DeferredAllocator(queue.context), bits).rounded_size(size) == rounded


def test_a_buffer_given_back_is_lent_again(fake: FakeConnection, pool: MemoryPool) -> None:
    first = pool.allocate(1000)
    assert first is not None
    handle = first._handle
    assert (pool.active_blocks, pool.active_bytes, pool.managed_bytes) == (1, 1000, 1023)
    del first
    assert (pool.active_blocks, pool.held_blocks, pool.managed_bytes) == (0, 1, 1023)
    second = pool(1010)
    assert second is not None
    assert second._handle == handle
    assert created(fake) == [1023]


def test_a_buffer_is_given_back_once(pool: MemoryPool) -> None:
    buffer = pool.allocate(10)
    assert buffer is not None
    buffer.release()
    with pytest.raises(LogicError, match="released already"):
        buffer.release()
    assert pool.held_blocks == 1


def test_nothing_is_lent_for_nothing(pool: MemoryPool) -> None:
    assert pool.allocate(0) is None
    with pytest.raises(ValueError, match="negative"):
        pool.allocate(-1)


def test_a_pool_that_holds_no_longer_frees_what_comes_back(fake: FakeConnection, pool: MemoryPool) -> None:
    held, lent = pool.allocate(10), pool.allocate(20)
    assert held is not None
    assert lent is not None
    held.release()
    pool.stop_holding()
    lent.release()
    assert pool.managed_bytes == 0
    assert len(fake.released) == 2


def test_short_of_memory_a_pool_frees_what_it_holds_and_asks_again(
    fake: FakeConnection, pool: MemoryPool
) -> None:
    held = pool.allocate(10)
    assert held is not None
    held.release()
    failures = [MemoryError("clCreateBuffer", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, "none left")]

    def answer(_message: m.Message) -> m.Done:
        if failures:
            raise failures.pop()
        return m.Done(0)

    fake.answers[m.Sync] = answer
    lent = pool.allocate(1000)
    assert lent is not None
    assert pool.held_blocks == 0
    failures.append(MemoryError("clCreateBuffer", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, "none left"))
    with pytest.raises(MemoryError, match="none left"):
        pool.allocate(1000)
