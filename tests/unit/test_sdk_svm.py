"""Shared virtual memory, without a node: what is sent, and what is refused."""

import gc
import itertools
import mmap

import numpy as np
import pytest

import accelpool as cl
from accelpool import upper_core
from accelpool.svm_mirror import IS_POSSIBLE, PAGE_BYTES
from accelpool.testing import FakeConnection, built, fake_context, fake_spanning_context, kernel_info
from accelpool_wire import messages as m
from accelpool_wire.errors import MemoryError as NoMemory

from .svm_rig import connection, device, free_address
from .test_sdk_svm_mirror import address_of

pytestmark = pytest.mark.skipif(not IS_POSSIBLE, reason="needs Linux and 64 bits")
RW, INVALID = cl.svm_mem_flags.READ_WRITE, cl.status_code.INVALID_VALUE
NOT_HERE = cl.status_code.INVALID_OPERATION


@pytest.fixture
def fake():
    return connection()


@pytest.fixture
def memory(ctx):
    """An allocation of 100 bytes; its handle is `memory._memory.buffer._handle`."""
    return cl.SVMAllocation(ctx, 100, 0, RW)


def handle_of(allocation):
    return allocation._memory.buffer._handle


def posted(fake, kind):
    return [message for message in fake.posted if isinstance(message, kind)]


# ---- allocating --------------------------------------------------------------------------------------


def test_an_allocation_asks_for_whole_pages_once(fake, memory):
    (asked,) = fake.asked
    assert (asked.flags, asked.size, asked.alignment) == (1, PAGE_BYTES, PAGE_BYTES)
    assert (memory.size, memory.buf.nbytes) == (100, 100)
    assert memory.buf.ctypes.data == memory.svm_ptr
    assert memory.buf.base is memory


def test_an_address_that_is_taken_is_held_until_another_one_is_found(fake, ctx):
    own = mmap.mmap(-1, PAGE_BYTES)
    found = free_address(PAGE_BYTES)
    addresses = iter([address_of(own), address_of(own), found])
    fake.answers[m.CreateSVM] = lambda _: m.SVMCreated(0, next(addresses))
    memory = cl.SVMAllocation(ctx, 100, 0, RW)
    assert memory.svm_ptr == found
    tried = [message.svm for message in fake.asked]
    assert fake.released == tried[:2]
    assert handle_of(memory) == tried[2]


def test_when_no_address_is_free_all_are_released_and_it_says_so(fake, ctx):
    own = mmap.mmap(-1, PAGE_BYTES)
    fake.answers[m.CreateSVM] = m.SVMCreated(0, address_of(own))
    with pytest.raises(cl.MemoryError, match="no address that the node had for 100 bytes is free") as caught:
        cl.SVMAllocation(ctx, 100, 0, RW)
    assert caught.value.code == cl.status_code.MEM_OBJECT_ALLOCATION_FAILURE
    assert fake.released == [message.svm for message in fake.asked]
    assert len(fake.released) == 8


def test_memory_that_runs_out_while_addresses_are_held_is_told_with_them(fake, ctx):
    own = mmap.mmap(-1, PAGE_BYTES)
    answers = iter([m.SVMCreated(0, address_of(own)), NoMemory("clSVMAlloc", -4, "none left")])

    def answer(_):
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    fake.answers[m.CreateSVM] = answer
    with pytest.raises(cl.MemoryError, match="no address"):
        cl.SVMAllocation(ctx, 100, 0, RW)
    assert len(fake.released) == 2


@pytest.mark.parametrize("address", [0, 8, -PAGE_BYTES, 1 << 47, (1 << 64) - PAGE_BYTES])
def test_a_node_that_tells_an_impossible_address_breaks_the_protocol(fake, ctx, address):
    fake.answers[m.CreateSVM] = m.SVMCreated(0, address)
    with pytest.raises(cl.errors.RemoteProtocolError):
        cl.SVMAllocation(ctx, 100, 0, RW)
    assert len(fake.released) == 1


def test_no_bytes_are_no_memory_and_cost_nothing(fake, ctx):
    memory = cl.SVMAllocation(ctx, 0, 0, RW)
    assert (memory.svm_ptr, memory.size) == (0, 0)
    memory.release()
    assert fake.asked == []
    assert cl.csvm_empty(ctx, 0, np.float32).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "error", "code"),
    [
        ((100, 3, RW), cl.RuntimeError, cl.status_code.OUT_OF_RESOURCES),
        ((100, 1 << 17, RW), cl.RuntimeError, cl.status_code.OUT_OF_RESOURCES),
        ((1 << 40, 0, RW), cl.RuntimeError, cl.status_code.OUT_OF_RESOURCES),
        ((100, 0, 3), cl.LogicError, INVALID),
        (
            (100, 0, RW | cl.svm_mem_flags.SVM_FINE_GRAIN_BUFFER),
            cl.LogicError,
            NOT_HERE,
        ),
        ((100, 0, RW | cl.svm_mem_flags.SVM_ATOMICS), cl.LogicError, NOT_HERE),
    ],
)
def test_what_is_not_possible_is_refused_before_anything_is_sent(fake, ctx, arguments, error, code):
    with pytest.raises(error) as caught:
        cl.SVMAllocation(ctx, *arguments)
    assert caught.value.code == code
    assert fake.asked == []


def test_an_alignment_beyond_a_page_is_asked_for(fake, ctx):
    cl.SVMAllocation(ctx, 100, 65536, RW)
    assert fake.asked[0].alignment == 65536


def test_a_session_has_a_limit(monkeypatch, ctx):
    monkeypatch.setattr("accelpool.svm_memory.MAX_ALLOCATIONS", 2)
    kept = [cl.SVMAllocation(ctx, 1, 0, RW) for _ in range(2)]
    with pytest.raises(cl.MemoryError, match="2 allocations"):
        cl.SVMAllocation(ctx, 1, 0, RW)
    kept.clear()
    cl.SVMAllocation(ctx, 1, 0, RW)


# ---- who has it --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "honoured"), [(15, 1), (1, 1), (14, 0), (0, 0)])
def test_devices_have_coarse_grained_memory_at_most(told, honoured):
    assert fake_context(FakeConnection([device(told)])).devices[0].svm_capabilities == honoured


def test_without_the_feature_there_is_none():
    fake = connection()
    fake.features = frozenset()
    ctx = fake_context(fake)
    assert ctx.devices[0].svm_capabilities == 0
    with pytest.raises(cl.LogicError, match=r"INVALID_OPERATION.*use a Buffer"):
        cl.SVMAllocation(ctx, 100, 0, RW)


def test_over_several_nodes_there_is_none_and_it_says_why():
    ctx = fake_spanning_context([connection(), connection()])
    assert [each.svm_capabilities for each in ctx.devices] == [0, 0]
    with pytest.raises(cl.LogicError, match=r"INVALID_OPERATION.*several nodes"):
        cl.csvm_empty(ctx, 4, np.float32)


@pytest.mark.parametrize("make", [cl.fsvm_empty, lambda ctx, n, t: cl.fsvm_empty_like(ctx, np.empty(n, t))])
def test_fine_grained_memory_is_refused_with_the_reason(ctx, make):
    with pytest.raises(cl.LogicError, match=r"INVALID_OPERATION.*two machines.*csvm_empty"):
        make(ctx, 4, np.float32)


# ---- arrays, kernels -----------------------------------------------------------------------------------


def test_arrays_are_as_they_were_asked_for(ctx):
    array = cl.csvm_empty(ctx, (3, 5), np.float32, order="F")
    assert (array.shape, array.dtype, array.strides) == ((3, 5), np.float32, (4, 12))
    assert isinstance(array.base, cl.SVMAllocation)
    like = cl.csvm_empty_like(ctx, array)
    assert (like.shape, like.dtype, like.strides) == (array.shape, array.dtype, array.strides)
    with pytest.raises(ValueError, match="neither"):
        cl.csvm_empty_like(ctx, np.zeros((4, 4))[::2, ::2])
    with pytest.raises(ValueError, match="order"):
        cl.csvm_empty(ctx, 3, np.float32, order="A")
    with pytest.raises(TypeError, match="shape"):
        cl.csvm_empty(ctx, 3.5, np.float32)


def test_kernels_get_a_handle_and_an_offset(fake, ctx, queue):
    fake.answers[m.BuildProgram] = built(kernel_info("f", "global float* x", "global float* y"))
    kernel = cl.Program(ctx, "source").build().f
    array = cl.csvm_empty(ctx, 10, np.float32)
    kernel(queue, (1,), None, array.base, cl.SVM(array[3:]))
    handle = handle_of(array.base)
    assert posted(fake, m.EnqueueNDRangeKernel)[0].args == [{handle: 0}, {handle: 12}]
    kernel(queue, (1,), None, cl.SVMAllocation(ctx, 0, 0, RW), array.base.as_buffer(ctx))
    assert posted(fake, m.EnqueueNDRangeKernel)[1].args[0] is None


def test_kernels_without_argument_infos_get_them_as_well(fake, ctx, queue, memory):
    fake.answers[m.BuildProgram] = built(m.KernelInfo("f", 1, "", [], []))
    cl.Program(ctx, "source").build().f(queue, (1,), None, memory)
    assert posted(fake, m.EnqueueNDRangeKernel)[0].args == [{handle_of(memory): 0}]


def test_what_is_no_shared_virtual_memory_is_no_argument(fake, ctx, queue, memory):
    fake.answers[m.BuildProgram] = built(kernel_info("f", "global float* x"), kernel_info("g", "float x"))
    program = cl.Program(ctx, "source").build()
    memory.release()
    for wrong in (cl.SVM(np.zeros(4)), memory, cl.SVMAllocation(fake_context(connection()), 4, 0, RW)):
        with pytest.raises(cl.LogicError, match="shared virtual memory of its context"):
            program.f(queue, (1,), None, wrong)
    with pytest.raises(cl.LogicError):
        program.g(queue, (1,), None, memory)


# ---- mapping -----------------------------------------------------------------------------------------


def test_a_mapping_reads_and_its_end_writes(fake, queue, memory):
    fake.content = bytes(range(100))
    with memory.map_rw(queue) as array:
        assert bytes(array) == fake.content
        assert array.ctypes.data == memory.svm_ptr
        array[0] = 99
    (read,) = [message for message in fake.asked if isinstance(message, m.EnqueueReadBuffer)]
    assert (read.buffer, read.offset, read.size) == (handle_of(memory), 0, 100)
    (write,) = posted(fake, m.EnqueueWriteBuffer)
    assert (write.buffer, write.offset) == (handle_of(memory), 0)
    assert fake.payloads[fake.posted.index(write)] == bytes([99, *range(1, 100)])


def test_a_mapping_for_reading_writes_nothing_and_one_that_invalidates_reads_nothing(fake, queue, memory):
    mapping = memory.map_ro(queue, size=10)
    assert mapping.event.command_type == cl.command_type.SVM_MAP
    assert mapping.release().command_type == cl.command_type.SVM_UNMAP
    assert posted(fake, m.EnqueueWriteBuffer) == []
    asked = len(fake.asked)
    memory.map(queue, flags=cl.map_flags.WRITE_INVALIDATE_REGION, size=10).release()
    assert len(fake.asked) == asked
    assert len(fake.payloads[-1]) == 10


def test_a_part_of_an_array_is_mapped_at_its_offset(fake, ctx, queue):
    array = cl.csvm_empty(ctx, 10, np.uint8)
    part = cl.SVM(array[4:8])
    with part.map_rw(queue) as mapped:
        assert mapped is part.mem
    assert posted(fake, m.EnqueueWriteBuffer)[0].offset == 4
    assert len(fake.payloads[-1]) == 4


def test_a_mapping_that_is_dropped_is_written_back_before_the_next_command(fake, queue, memory):
    mapping = memory.map_rw(queue)
    del mapping
    gc.collect()
    cl.enqueue_marker(queue)
    assert [type(message) for message in fake.posted[-2:]] == [m.EnqueueWriteBuffer, m.EnqueueMarker]


@pytest.mark.parametrize("size", [0, 101])
def test_no_more_is_mapped_than_there_is(queue, memory, size):
    with pytest.raises(cl.LogicError, match="INVALID_VALUE"):
        memory.map_rw(queue, size=size)


def test_what_is_not_mapped_is_not_unmapped(queue, memory):
    mapping = memory.map_ro(queue)
    mapping.release()
    with pytest.raises(cl.LogicError, match="released already"):
        mapping.release()
    with pytest.raises(cl.LogicError, match="not mapped"):
        memory._enqueue_unmap(queue)


def test_a_buffer_over_it_is_mapped_to_the_same_memory(ctx, queue, memory):
    buffer = memory.as_buffer(ctx)
    assert (buffer.size, buffer.uses_svm_pointer) == (100, 1)
    array, _ = cl.enqueue_map_buffer(queue, buffer, cl.map_flags.READ, 0, 100, np.uint8)
    assert array.ctypes.data == memory.svm_ptr
    with pytest.raises(cl.LogicError, match="INVALID_CONTEXT"):
        memory.as_buffer(cl.Context(ctx.devices))


# ---- copies, fills, hints ----------------------------------------------------------------------------


def test_copies_go_from_and_to_the_nodes_memory(fake, ctx, queue, memory):
    host, other = np.arange(100, dtype=np.uint8), cl.SVMAllocation(ctx, 100, 0, RW)
    event = cl.enqueue_copy(queue, memory, host)
    assert event.command_type == cl.command_type.SVM_MEMCPY
    assert posted(fake, m.EnqueueWriteBuffer)[0].buffer == handle_of(memory)
    fake.content = bytes(host)
    back = np.empty_like(host)
    cl.enqueue_copy(queue, back, cl.SVM(memory.buf))
    assert (back == host).all()
    cl.enqueue_copy(queue, other, memory, byte_count=10)
    (copy,) = posted(fake, m.EnqueueCopyBuffer)
    assert (copy.source, copy.target, copy.size) == (handle_of(memory), handle_of(other), 10)


def test_copies_that_are_none_are_refused(queue, memory):
    for size in (99, 101):
        with pytest.raises(cl.LogicError, match="do not match"):
            cl.enqueue_copy(queue, memory, np.zeros(size, np.uint8))
    with pytest.raises(cl.LogicError, match="byte_count larger"):
        cl.enqueue_copy(queue, memory, np.zeros(100, np.uint8), byte_count=101)
    with pytest.raises(ValueError, match="dst_offset must be 0"):
        cl.enqueue_copy(queue, memory, np.zeros(100, np.uint8), dst_offset=4)
    with pytest.raises(cl.LogicError, match="neither"):
        cl.enqueue_copy(queue, cl.SVM(np.zeros(4)), cl.SVM(np.zeros(4)))
    with pytest.raises(TypeError, match="memory object on one side"):
        cl.enqueue_copy(queue, np.zeros(4), np.zeros(4))


def test_fills_and_hints_name_the_memory(fake, ctx, queue):
    array = cl.csvm_empty(ctx, 16, np.float32)
    cl.enqueue_svm_memfill(queue, array[4:], np.float32(1))
    cl.enqueue_svm_memfill(queue, array, np.float32(1), byte_count=8)
    cl.enqueue_fill(queue, cl.SVM(array), np.float32(1), 64)
    fills = [(fill.buffer, fill.offset, fill.size) for fill in posted(fake, m.EnqueueFillBuffer)]
    handle = handle_of(array.base)
    assert fills == [(handle, 16, 48), (handle, 0, 8), (handle, 0, 64)]
    cl.enqueue_svm_migrate_mem(queue, [cl.SVM(array), cl.SVM(array[3:])], 0)
    assert posted(fake, m.EnqueueMigrateMemObjects)[0].mem_objects == [handle]
    with pytest.raises(cl.LogicError, match="byte_count too large"):
        cl.enqueue_svm_memfill(queue, array, np.float32(1), byte_count=65)
    with pytest.raises(cl.LogicError, match="no shared virtual memory"):
        cl.enqueue_svm_memfill(queue, np.zeros(4), np.float32(1))
    with pytest.raises(NotImplementedError):
        cl.enqueue_fill(queue, cl.SVM(array), np.float32(1), 4, offset=4)
    with pytest.raises(TypeError, match="does not know how to fill"):
        cl.enqueue_fill(queue, array, np.float32(1), 64)


# ---- the end -----------------------------------------------------------------------------------------


def test_released_memory_is_of_no_use_and_nobody_elses(fake, queue, memory):
    handle, array = handle_of(memory), memory.buf
    memory.release()
    assert fake.released == [handle]
    array[:] = 1
    with pytest.raises(cl.LogicError, match="released"):
        memory.release()
    with pytest.raises(cl.LogicError, match="INVALID_VALUE"):
        cl.SVM(array).map_ro(queue)


def test_memory_that_nothing_refers_to_is_released(fake, ctx):
    array = cl.csvm_empty(ctx, 4, np.float32)
    handle, part = handle_of(array.base), array[2:]
    del array
    gc.collect()
    assert fake.released == []
    del part
    gc.collect()
    assert fake.released == [handle]


def test_a_release_after_commands_has_an_event(fake, ctx, queue):
    bound = cl.SVMAllocation(ctx, 100, 0, RW, queue)
    assert bound.enqueue_release().command_type == cl.command_type.SVM_FREE
    loose = cl.SVMAllocation(ctx, 100, 0, RW)
    with pytest.raises(cl.LogicError, match="no implicit queue"):
        loose.enqueue_release()
    loose.enqueue_release(queue)
    assert {message.svm for message in fake.asked} <= {*fake.released}
    cl.SVMAllocation(ctx, 0, 0, RW).enqueue_release(queue)


def test_a_queue_of_memory_is_in_order_and_follows_the_last_one(fake, ctx, queue):
    out_of_order = cl.CommandQueue(ctx, properties=cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE)
    memory = cl.SVMAllocation(ctx, 100, 0, RW, queue)
    for bind in (memory.bind_to_queue, lambda wrong: upper_core.SVMAllocator(ctx, queue=wrong)):
        with pytest.raises(cl.LogicError, match="out-of-order"):
            bind(out_of_order)
    other = cl.CommandQueue(ctx)
    memory.bind_to_queue(other)
    assert memory._queue is other
    assert [type(message) for message in fake.posted[-2:]] == [m.EnqueueMarker, m.EnqueueBarrier]
    memory.unbind_from_queue()
    assert memory._queue is None


# ---- allocators --------------------------------------------------------------------------------------


def test_a_pool_lends_what_it_was_given_back(fake, ctx, queue):
    pool = upper_core.SVMPool(upper_core.SVMAllocator(ctx, queue=queue))
    first = pool(1000)
    assert (first.size, first._queue, first.buf.nbytes) == (1000, queue, 1000)
    assert (pool.active_blocks, pool.active_bytes, pool.managed_bytes) == (1, 1000, 1023)
    address = first.svm_ptr
    first.release()
    with pytest.raises(cl.LogicError, match="released already"):
        first.release()
    second = pool(1010)
    assert second.svm_ptr == address
    assert len(fake.asked) == 1
    del second
    gc.collect()
    assert (pool.held_blocks, pool.active_blocks) == (1, 0)
    pool.stop_holding()
    assert (pool.held_blocks, pool.managed_bytes, len(fake.released)) == (0, 0, 1)


def test_a_pool_binds_to_another_queue_in_order(fake, ctx, queue):
    pool, other = upper_core.SVMPool(upper_core.SVMAllocator(ctx, queue=queue)), cl.CommandQueue(ctx)
    lent = pool(100)
    lent.bind_to_queue(other)
    assert lent._queue is other
    del lent
    assert pool(100)._queue is queue
    assert isinstance(fake.posted[-1], m.EnqueueBarrier)


def test_a_pool_lends_no_bytes_and_counts_them_not(ctx):
    pool = upper_core.SVMPool(upper_core.SVMAllocator(ctx))
    lent = pool(0)
    assert (lent.svm_ptr, lent.size) == (0, 0)
    lent.release()
    assert pool.held_blocks == 0
    with pytest.raises(TypeError, match="SVMAllocator"):
        upper_core.SVMPool(None)


def test_pointers_are_equal_by_address_and_live_in_one_process(ctx, memory):
    assert memory == memory
    assert len({memory, cl.SVMAllocation(ctx, 4, 0, RW)}) == 2
    for pair in itertools.pairwise([memory, object(), cl.SVMPointer()]):
        assert pair[0] != pair[1]
    with pytest.raises(TypeError, match="pickled"):
        memory.__reduce__()
