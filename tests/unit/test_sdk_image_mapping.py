"""Mapping images: what is read, what is written back, where the pixels are meanwhile."""

import gc

import numpy as np
import pytest

import accelpool as cl
from accelpool_wire import messages as m

READ, WRITE = cl.map_flags.READ, cl.map_flags.WRITE
INVALIDATE = cl.map_flags.WRITE_INVALIDATE_REGION
FLOAT = cl.ImageFormat(cl.channel_order.R, cl.channel_type.FLOAT)
GRID = np.arange(48, dtype=np.float32).reshape(6, 8)


@pytest.fixture
def image(ctx, fake):
    fake.content = GRID[:2, :4].tobytes()
    return cl.create_image(ctx, cl.mem_flags.READ_WRITE, FLOAT, (8, 6))


def writes(fake):
    return [
        (message.origin, message.region, payload)
        for message, payload in zip(fake.posted, fake.payloads, strict=True)
        if isinstance(message, m.EnqueueWriteImage)
    ]


def test_a_mapping_for_reading_is_a_read_of_the_region(fake, queue, image):
    array, event, row, slice_ = cl.enqueue_map_image(queue, image, READ, (1, 2), (4, 2), (2, 4), np.float32)
    assert (fake.asked[-1].origin, fake.asked[-1].region) == ([1, 2, 0], [4, 2, 1])
    np.testing.assert_array_equal(array, GRID[:2, :4])
    assert (event.command_type, row, slice_) == (cl.command_type.MAP_IMAGE, 16, 0)
    assert isinstance(array.base, cl.MemoryMap)
    assert image.map_count == 1
    array.base.release()
    assert image.map_count == 0
    assert not writes(fake)


def test_a_mapping_for_writing_is_written_back(fake, queue, image):
    array, *_ = cl.enqueue_map_image(queue, image, READ | WRITE, (1, 2), (4, 2), (2, 4), np.float32)
    array[1, 1] = 99
    with array.base:
        pass
    expected = GRID[:2, :4].copy()
    expected[1, 1] = 99
    assert writes(fake) == [([1, 2, 0], [4, 2, 1], expected.tobytes())]


def test_a_dropped_mapping_is_written_back_before_the_next_command(fake, queue, image):
    array, *_ = cl.enqueue_map_image(queue, image, INVALIDATE, (0, 0), (8, 1), (8,), np.float32)
    array[:] = 7
    del array
    gc.collect()
    assert not writes(fake)
    queue.finish()
    assert writes(fake) == [([0, 0, 0], [8, 1, 1], np.full(8, 7, np.float32).tobytes())]


@pytest.mark.parametrize("is_released", [True, False])
def test_use_host_ptr_maps_to_the_host_memory_itself(ctx, fake, queue, is_released):
    fake.content = np.full(8, -1, np.float32).tobytes()
    host = GRID.copy()
    image = cl.create_image(
        ctx, cl.mem_flags.USE_HOST_PTR, FLOAT, (6, 6), pitches=(host.strides[0],), hostbuf=host
    )
    array, _, row, _ = cl.enqueue_map_image(
        queue, image, READ | WRITE, (1, 2), (4, 2), (2, 4), np.float32, strides=(32, 4)
    )
    assert row == 32
    assert np.shares_memory(array, host)
    expected = GRID.copy()
    expected[2:4, 1:5] = -1
    np.testing.assert_array_equal(host, expected)
    array[0, 0] = 5
    if is_released:
        array.base.release()
    del array
    gc.collect()
    queue.finish()
    assert np.frombuffer(writes(fake)[0][2], np.float32).tolist() == [5, -1, -1, -1, -1, -1, -1, -1]


def test_alloc_host_ptr_maps_to_the_same_memory_every_time(ctx, queue):
    image = cl.create_image(ctx, cl.mem_flags.ALLOC_HOST_PTR, FLOAT, (8, 6))
    whole, *_ = cl.enqueue_map_image(queue, image, INVALIDATE, (0, 0), (8, 6), (6, 8), np.float32)
    part, *_ = cl.enqueue_map_image(queue, image, INVALIDATE, (2, 1), (4, 1), (4,), np.float32)
    assert part.ctypes.data == whole[1, 2:].ctypes.data


def test_layers_and_slices_have_their_pitches(ctx, queue):
    volume = cl.create_image(ctx, 0, FLOAT, (4, 3, 2))
    array, _, row, slice_ = cl.enqueue_map_image(
        queue, volume, INVALIDATE, (0, 0, 0), (4, 3, 2), (2, 3, 4), np.float32
    )
    assert (row, slice_, array.size) == (16, 48, 24)


@pytest.mark.parametrize(("region", "shape", "flags"), [
    ((9, 1), (9,), READ), ((4, 1), (5,), READ), ((4, 0), (4,), READ), ((4, 1), (4,), 64),
])  # fmt: skip
def test_what_cannot_be_mapped_is_refused(queue, image, region, shape, flags):
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_map_image(queue, image, flags, (0, 0), region, shape, np.float32)
    assert (caught.value.routine, caught.value.code) == ("clEnqueueMapImage", cl.status_code.INVALID_VALUE)
    assert image.map_count == 0


def test_only_images_are_mapped_as_such(ctx, queue):
    buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 64)
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_map_image(queue, buffer, READ, (0, 0), (4, 1), (4,), np.float32)
    assert caught.value.code == cl.status_code.INVALID_MEM_OBJECT


def test_only_buffers_are_mapped_as_such(queue, image):
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_map_buffer(queue, image, READ, 0, (4,), np.float32)
    assert caught.value.code == cl.status_code.INVALID_MEM_OBJECT
