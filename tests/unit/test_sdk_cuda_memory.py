"""Device memory by its address: allocations, copies, fills, what lies where."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from tests.unit.cuda_rig import APART, FIRST_ADDRESS, FakeCuda, cuda_context

import accelpool.cuda.driver as cuda
from accelpool.errors import MemoryError as NoMemory
from accelpool_wire import messages as m


@pytest.fixture
def fake():
    return FakeCuda()


@pytest.fixture
def context(fake):
    with cuda_context(fake) as context:
        yield context


@pytest.fixture
def memory(context):
    """1000 bytes of device memory."""
    return cuda.mem_alloc(1000)


def handle(allocation):
    return (int(allocation) - FIRST_ADDRESS) // APART


def test_an_allocation_is_its_address_and_costs_one_round_trip(fake, context):
    before = context.round_trips
    memory = cuda.mem_alloc(1000)
    assert context.round_trips == before + 1
    assert int(memory) == FIRST_ADDRESS + APART * fake.sent(m.CreateBuffer)[-1].buffer
    assert hex(memory) == hex(int(memory))


def test_copies_find_the_buffer_by_address(fake, memory):
    cuda.memcpy_htod(memory, np.arange(4, dtype=np.uint8))
    cuda.memcpy_htod(int(memory) + 996, b"abcd")
    cuda.memcpy_htod(np.intp(int(memory) + 8), bytearray(8))
    written = [(write.buffer, write.offset) for write in fake.sent(m.EnqueueWriteBuffer)]
    assert written == [(handle(memory), 0), (handle(memory), 996), (handle(memory), 8)]
    assert fake.payloads[-3:] == [b"\0\1\2\3", b"abcd", bytes(8)]


def test_a_read_waits_and_fills_the_array(fake, memory):
    fake.content = np.arange(10, dtype=np.float32).tobytes()
    got = np.empty(10, np.float32)
    cuda.memcpy_dtoh(got, int(memory) + 4)
    np.testing.assert_array_equal(got, np.arange(10))
    read = fake.asked[-1]
    assert (read.buffer, read.offset, read.size, read.is_blocking) == (handle(memory), 4, 40, True)


def test_device_copies_name_both_buffers(fake, memory):
    other = cuda.mem_alloc(500)
    cuda.memcpy_dtod(int(other) + 100, int(memory) + 1, 400)
    (copy,) = fake.sent(m.EnqueueCopyBuffer)
    assert (copy.source, copy.target) == (handle(memory), handle(other))
    assert (copy.source_offset, copy.target_offset, copy.size) == (1, 100, 400)


@pytest.mark.parametrize(
    ("fill", "pattern", "size"),
    [
        (lambda at: cuda.memset_d8(at, 0xAB, 10), b"\xab", 10),
        (lambda at: cuda.memset_d16(at, 0x1234, 10), b"\x34\x12", 20),
        (lambda at: cuda.memset_d32(at, -1, 10), b"\xff" * 4, 40),
        (lambda at: cuda.memset_d32_async(at, np.uint32(5), 1), b"\5\0\0\0", 4),
    ],
)
def test_fills_are_patterns(fake, memory, fill, pattern, size):
    fill(int(memory) + 8)
    (sent,) = fake.sent(m.EnqueueFillBuffer)
    assert (sent.buffer, sent.offset, sent.pattern, sent.size) == (handle(memory), 8, pattern, size)


def test_rows_with_gaps_are_filled_one_by_one(fake, memory):
    cuda.memset_d2d32(memory, 64, 7, 2, 3)
    assert [(fill.offset, fill.size) for fill in fake.sent(m.EnqueueFillBuffer)] == [
        (0, 8),
        (64, 8),
        (128, 8),
    ]
    cuda.memset_d2d8(memory, 16, 7, 16, 4)
    assert fake.sent(m.EnqueueFillBuffer)[-1].size == 64


@pytest.mark.parametrize(
    "wrong",
    [
        lambda at: cuda.memcpy_htod(at - 1, b"a"),
        lambda at: cuda.memcpy_htod(at + 1000, b"a"),
        lambda at: cuda.memcpy_htod(at + 999, b"ab"),
        lambda at: cuda.memcpy_dtoh(bytearray(1001), at),
        lambda at: cuda.memcpy_dtod(at, at + 500, 501),
        lambda at: cuda.memset_d8(at, 0, 1001),
        lambda at: cuda.memset_d32(at + 2, 0, 1),
        lambda at: cuda.memcpy_htod(0, b"a"),
    ],
)
def test_what_lies_beyond_is_refused(fake, memory, wrong):
    before = len(fake.posted)
    with pytest.raises(cuda.LogicError, match="invalid value"):
        wrong(int(memory))
    assert len(fake.posted) == before


def test_a_number_too_large_for_a_fill_overflows(memory):
    with pytest.raises(OverflowError):
        cuda.memset_d8(memory, 256, 1)


def test_nothing_is_copied_or_filled_of_no_bytes(fake, memory):
    before = len(fake.posted)
    cuda.memcpy_htod(memory, b"")
    cuda.memcpy_dtoh(bytearray(), memory)
    cuda.memcpy_dtod(memory, memory, 0)
    cuda.memset_d8(memory, 0, 0)
    assert len(fake.posted) == before


def test_freed_memory_is_released_before_the_next_is_allocated(fake, context):
    first = cuda.mem_alloc(10)
    number = handle(first)
    del first
    gc.collect()
    cuda.mem_alloc(10)
    order = [type(message) for message in fake.posted if isinstance(message, (m.Release, m.CreateBuffer))]
    assert order[:3] == [m.CreateBuffer, m.Release, m.CreateBuffer]
    assert fake.sent(m.Release)[0].handles == [number]


def test_freeing_twice_and_using_freed_memory_are_logic_errors(fake, memory):
    address = int(memory)
    memory.free()
    assert isinstance(fake.posted[-1], m.Release)
    with pytest.raises(cuda.LogicError, match="invalid handle"):
        memory.free()
    with pytest.raises(cuda.LogicError):
        int(memory)
    with pytest.raises(cuda.LogicError, match="nothing of this context"):
        cuda.memcpy_htod(address, b"a")


def test_a_full_device_is_a_memory_error_after_another_try(fake, context):
    fake.answers[m.GetBufferAddress] = NoMemory("clCreateBuffer", -4, "the share is full")
    with pytest.raises(cuda.MemoryError, match="cuMemAlloc failed: out of memory") as caught:
        cuda.mem_alloc(10)
    assert caught.value.code == 2
    assert len(fake.sent(m.CreateBuffer)) == 2


@pytest.mark.parametrize(
    ("size", "error"), [(0, cuda.LogicError), (-1, cuda.LogicError), (1 << 40, cuda.MemoryError)]
)
def test_impossible_sizes_are_refused_here(fake, context, size, error):
    with pytest.raises(error):
        cuda.mem_alloc(size)
    assert not fake.sent(m.CreateBuffer)


def test_memory_info_is_the_shares(memory):
    assert cuda.mem_get_info() == ((1 << 30) - 1000, 1 << 30)
    memory.free()
    assert cuda.mem_get_info() == (1 << 30, 1 << 30)


def test_an_address_tells_its_allocation(memory):
    assert cuda.mem_get_address_range(int(memory) + 5) == (int(memory), 1000)
    with pytest.raises(cuda.LogicError):
        cuda.mem_get_address_range(5)


def test_a_pitched_allocation_has_rows_of_a_multiple_of_512_bytes(fake, context):
    memory, pitch = cuda.mem_alloc_pitch(1000, 3, 4)
    assert pitch == 1024
    assert cuda.mem_get_address_range(memory)[1] == 3072


def test_page_locked_memory_is_what_asynchronous_reads_do_not_wait_for(fake, memory):
    ordinary, locked = np.empty(4, np.uint8), cuda.pagelocked_empty(4, np.uint8)
    cuda.memcpy_dtoh_async(ordinary, memory)
    assert fake.asked[-1].event == 0
    fake.content = b"abcd"
    cuda.memcpy_dtoh_async(locked[:2], memory)
    assert fake.asked[-1].event
    cuda.Context.synchronize()
    assert locked[:2].tobytes() == b"ab"


@pytest.mark.parametrize(
    "made",
    [
        cuda.pagelocked_empty((3, 4), np.float32, order="F"),
        cuda.pagelocked_zeros((3, 4), np.float32, order="F"),
        cuda.aligned_zeros((3, 4), np.float32, order="F", alignment=64),
        cuda.pagelocked_empty_like(np.zeros((3, 4), np.float32, order="F")),
        cuda.aligned_zeros_like(np.zeros((3, 4), np.float32, order="F")),
    ],
)
def test_host_arrays_are_ordinary_ones(made):
    assert (made.shape, made.dtype, made.flags.f_contiguous) == ((3, 4), np.dtype(np.float32), True)
    assert isinstance(made.base, cuda.HostPointer)
    made[...] = 5


def test_aligned_memory_is_aligned():
    assert cuda.aligned_empty(100, np.uint8, alignment=4096).ctypes.data % 4096 == 0


def test_registered_memory_is_the_arrays_own(fake, memory):
    array = np.zeros(4, np.uint8)
    locked = cuda.register_host_memory(array)
    locked[1] = 7
    assert array[1] == 7
    cuda.memcpy_dtoh_async(locked, memory)
    assert fake.asked[-1].event
    locked.base.unregister()


def test_memory_that_both_sides_see_is_refused(memory):
    with pytest.raises(cuda.LogicError, match="not supported"):
        cuda.managed_empty(4, np.uint8)
    with pytest.raises(cuda.LogicError, match="not supported"):
        memory.as_buffer(4)
    with pytest.raises(cuda.LogicError, match="not supported"):
        cuda.pagelocked_empty(4, np.uint8).base.get_device_pointer()


def test_a_pool_gives_the_same_memory_again_without_a_round_trip(context):
    pool = cuda.DeviceMemoryPool()
    first = pool.allocate(1000)
    address = int(first)
    first.free()
    before = context.round_trips
    second = pool.allocate(1000)
    assert (int(second), context.round_trips, len(second)) == (address, before, 1000)
    assert (pool.held_blocks, pool.active_blocks) == (0, 1)
    del second
    assert (pool.held_blocks, pool.active_blocks) == (1, 0)
    pool.stop_holding()
    assert pool.managed_bytes == 0


def test_to_and_from_device(fake, context):
    memory = cuda.to_device(np.arange(3, dtype=np.uint8))
    assert fake.payloads[-1] == b"\0\1\2"
    fake.content = b"\5\6\7"
    np.testing.assert_array_equal(cuda.from_device(memory, 3, np.uint8), [5, 6, 7])
    np.testing.assert_array_equal(cuda.from_device_like(memory, np.empty(3, np.uint8)), [5, 6, 7])


def test_what_says_its_address_is_device_memory(fake, memory):
    class Holder(cuda.PointerHolderBase):
        def get_pointer(self):
            return int(memory) + 16

    cuda.memcpy_htod(Holder(), b"a")
    assert fake.sent(m.EnqueueWriteBuffer)[-1].offset == 16


def test_an_array_of_a_page_locked_pool_knows_how_many_bytes_it_is_over():
    pool = cuda.PageLockedMemoryPool()
    memory = pool.allocate((3, 5), np.int16).base
    assert isinstance(memory, cuda.PooledHostAllocation)
    assert (len(memory), pool.alloc_size(pool.bin_number(30))) == (30, 30)
    memory.free()
