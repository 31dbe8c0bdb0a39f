"""Mapping and migration: what is read, what is written back, and when."""

import gc

import numpy as np
import pytest

import accelpool as cl
from accelpool_wire import messages as m

READ, WRITE = cl.map_flags.READ, cl.map_flags.WRITE
INVALIDATE = cl.map_flags.WRITE_INVALIDATE_REGION


@pytest.fixture
def buffer(ctx, fake):
    fake.content = bytes(range(64))
    return cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 64)


def writes(fake):
    return [
        (message.offset, payload)
        for message, payload in zip(fake.posted, fake.payloads, strict=True)
        if isinstance(message, m.EnqueueWriteBuffer)
    ]


def test_a_mapping_for_reading_is_a_read(fake, queue, buffer):
    array, event = cl.enqueue_map_buffer(queue, buffer, READ, 16, (2, 4), np.uint16)
    assert fake.asked[-1].offset == 16
    np.testing.assert_array_equal(array.ravel().view(np.uint8), range(16))
    assert (event.command_type, type(array.base)) == (cl.command_type.MAP_BUFFER, cl.MemoryMap)
    assert buffer.map_count == 1
    unmapped = array.base.release()
    assert unmapped.command_type == cl.command_type.UNMAP_MEM_OBJECT
    assert buffer.map_count == 0
    assert not writes(fake)


def test_a_mapping_for_writing_reads_first_and_is_written_back(fake, queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, WRITE, 8, 4, np.uint8)
    array[1] = 99
    with array.base:
        array[2] = 98
    assert writes(fake) == [(8, bytes([0, 99, 98, 3]))]


def test_an_invalidating_mapping_reads_nothing(fake, queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, INVALIDATE, 0, (4,), np.uint8)
    array[:] = 7
    array.base.release()
    assert not fake.asked
    assert writes(fake) == [(0, bytes([7] * 4))]


def test_a_dropped_mapping_is_written_back_before_the_next_command(fake, queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ | WRITE, 0, (4,), np.uint8)
    array[:] = 7
    posted = len(fake.posted)
    del array
    gc.collect()
    assert len(fake.posted) == posted
    assert buffer.map_count == 0
    queue.finish()
    assert writes(fake) == [(0, bytes([7] * 4))]


def test_a_mapping_dropped_after_its_buffer_is_written_nowhere(fake, queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, INVALIDATE, 0, (4,), np.uint8)
    buffer.release()
    with pytest.raises(cl.LogicError) as caught:
        array.base.release()
    assert caught.value.code == cl.status_code.INVALID_MEM_OBJECT
    del array
    gc.collect()
    queue.finish()
    assert not writes(fake)


def test_a_mapping_not_complete_is_not_written_back(fake, queue, buffer):
    array, event = cl.enqueue_map_buffer(queue, buffer, WRITE, 0, (4,), np.uint8, is_blocking=False)
    array.base.release()
    assert not writes(fake)
    event.wait()


def test_the_bytes_of_a_mapping_that_does_not_block_come_with_its_event(queue, buffer):
    array, event = cl.enqueue_map_buffer(queue, buffer, READ, 0, (4,), np.uint8, is_blocking=False)
    event.wait()
    np.testing.assert_array_equal(array, range(4))


def test_use_host_ptr_maps_to_the_host_memory_itself(ctx, fake, queue):
    fake.content = bytes([5] * 64)
    host = np.zeros((8, 8), np.uint8)
    buffer = cl.Buffer(ctx, cl.mem_flags.USE_HOST_PTR, hostbuf=host)
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ, 8, (8,), np.uint8)
    assert np.shares_memory(array, host[1])
    assert host.sum(axis=1).tolist() == [0, 40, 0, 0, 0, 0, 0, 0]
    region = buffer.get_sub_region(0, 16)
    array, _ = cl.enqueue_map_buffer(queue, region, READ, 0, (8,), np.uint8)
    assert np.shares_memory(array, host[0])
    assert np.shares_memory(buffer.get_host_array((4, 16), np.uint8), host)


def test_alloc_host_ptr_maps_to_the_same_memory_every_time(ctx, queue):
    buffer = cl.Buffer(ctx, cl.mem_flags.ALLOC_HOST_PTR, 64)
    one, _ = cl.enqueue_map_buffer(queue, buffer, INVALIDATE, 0, (64,), np.uint8)
    two, _ = cl.enqueue_map_buffer(queue, buffer, INVALIDATE, 16, (4,), np.uint8)
    assert np.shares_memory(one[16:20], two)
    assert two.ctypes.data - one.ctypes.data == 16


def test_each_other_mapping_has_its_own_memory(queue, buffer):
    one, _ = cl.enqueue_map_buffer(queue, buffer, INVALIDATE, 0, (64,), np.uint8)
    two, _ = cl.enqueue_map_buffer(queue, buffer, INVALIDATE, 0, (64,), np.uint8)
    assert not np.shares_memory(one, two)


def test_arrays_have_the_order_and_strides_asked_for(queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ, 0, (2, 4), np.uint16, order="F")
    assert array.strides == (2, 4)
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ, 0, (2, 4), np.uint16, strides=(2, 4))
    assert array.strides == (2, 4)
    assert isinstance(array.base, cl.MemoryMap)


@pytest.mark.parametrize("fields", [[("a", "i1"), ("b", "i4")], [("a", "f4", (3,))], "M8[s]", ">i4", "S3"])
def test_arrays_have_the_dtype_asked_for(queue, buffer, fields):
    dtype = np.dtype(fields, align=True)
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ, 0, (2,), dtype)
    assert array.dtype == dtype
    assert isinstance(array.base, cl.MemoryMap)
    assert array.tobytes() == bytes(range(2 * dtype.itemsize))


def test_an_array_mapped_for_reading_is_read_only(queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ, 0, (4,), np.uint8)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_mapping_is_released_once(queue, buffer):
    array, _ = cl.enqueue_map_buffer(queue, buffer, READ, 0, (4,), np.uint8)
    array.base.release(queue)
    with pytest.raises(cl.LogicError) as caught:
        array.base.release()
    assert caught.value.code == cl.status_code.INVALID_VALUE


WRONG = {
    "beyond the end": (READ, 60, (8,), np.uint8, {}),
    "0 bytes": (READ, 0, (0,), np.uint8, {}),
    "negative shape": (READ, 0, (-2, -2), np.uint8, {}),
    "unknown flag": (64, 0, (4,), np.uint8, {}),
    "flags that exclude each other": (READ | INVALIDATE, 0, (4,), np.uint8, {}),
    "strides beyond the region": (READ, 0, (4,), np.uint8, {"strides": (2,)}),
    "strides of other dimensions": (READ, 0, (2, 2), np.uint8, {"strides": (1,)}),
    "order": (READ, 0, (4,), np.uint8, {"order": "X"}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_mapped_is_refused(fake, queue, buffer, name):
    flags, offset, shape, dtype, options = WRONG[name]
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_map_buffer(queue, buffer, flags, offset, shape, dtype, **options)
    assert (caught.value.routine, caught.value.code) == ("clEnqueueMapBuffer", cl.status_code.INVALID_VALUE)
    assert buffer.map_count == 0
    assert not fake.asked


def test_python_objects_cannot_be_mapped(queue, buffer):
    with pytest.raises(TypeError, match="Python objects"):
        cl.enqueue_map_buffer(queue, buffer, READ, 0, (4,), object)


@pytest.mark.parametrize(("access", "flags"), [
    ("HOST_NO_ACCESS", READ), ("HOST_NO_ACCESS", INVALIDATE), ("HOST_READ_ONLY", WRITE),
    ("HOST_WRITE_ONLY", READ | WRITE), ("HOST_WRITE_ONLY", 0),
])  # fmt: skip
def test_what_the_host_may_not_do_is_refused(ctx, queue, access, flags):
    buffer = cl.Buffer(ctx, getattr(cl.mem_flags, access), 64)
    with pytest.raises(cl.LogicError, match=access) as caught:
        cl.enqueue_map_buffer(queue, buffer, flags, 0, (4,), np.uint8)
    assert caught.value.code == cl.status_code.INVALID_OPERATION


def test_only_use_host_ptr_has_a_host_array(ctx, buffer):
    host = cl.Buffer(ctx, cl.mem_flags.USE_HOST_PTR, hostbuf=bytearray(8))
    for memory, shape in ((buffer, (4,)), (host, (9,))):
        with pytest.raises(cl.LogicError) as caught:
            memory.get_host_array(shape, np.uint8)
        assert caught.value.code == cl.status_code.INVALID_VALUE
    with pytest.raises(cl.LogicError, match="get_host_array"):
        host.get_info(cl.mem_info.HOST_PTR)


# ---- migration -------------------------------------------------------------------------------------------


def test_a_migration_is_a_hint_to_the_worker(fake, queue, buffer):
    event = cl.enqueue_migrate_mem_objects(queue, [buffer], cl.mem_migration_flags.CONTENT_UNDEFINED)
    expected = m.EnqueueMigrateMemObjects(queue._handle, [buffer._handle], 2, event._handle)
    assert fake.posted[-1] == expected
    assert event.command_type == cl.command_type.MIGRATE_MEM_OBJECTS


def test_a_migration_to_the_host_moves_nothing(fake, queue, buffer):
    event = cl.enqueue_migrate_mem_objects(queue, [buffer], cl.mem_migration_flags.HOST)
    assert isinstance(fake.posted[-1], m.EnqueueMarker)
    assert event.command_type == cl.command_type.MIGRATE_MEM_OBJECTS


@pytest.mark.parametrize(("count", "flags"), [(0, 0), (1, 4), (4097, 0)])
def test_a_migration_of_nothing_or_too_much_is_refused(queue, buffer, count, flags):
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_migrate_mem_objects(queue, [buffer] * count, flags)
    assert caught.value.code == cl.status_code.INVALID_VALUE


def test_copies_between_amds_devices_are_refused_as_without_the_extension(ctx, queue, buffer):
    with pytest.raises(cl.LogicError, match="not available"):
        cl.enqueue_copy_buffer_p2p_amd(ctx.devices[0].platform, queue, buffer, buffer)
