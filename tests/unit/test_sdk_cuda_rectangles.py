"""Copies of rectangles and boxes between host and device memory."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.cuda_rig import FakeCuda, cuda_context

import accelpool.cuda.driver as cuda
from accelpool_wire import messages as m


@pytest.fixture
def fake():
    return FakeCuda()


@pytest.fixture
def memory(fake):
    with cuda_context(fake):
        yield cuda.mem_alloc(4096)


def test_rows_of_an_array_go_to_rows_of_a_pitch(fake, memory):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    copy = cuda.Memcpy2D()
    copy.set_src_host(array)
    copy.set_dst_device(memory)
    copy.src_pitch, copy.dst_pitch = 4, 64
    copy.width_in_bytes, copy.height = 3, 3
    copy(aligned=True)
    (sent,) = fake.sent(m.EnqueueWriteBufferRect)
    assert (sent.origin, sent.region, sent.row_pitch) == ([0, 0, 0], [3, 3, 1], 64)
    assert fake.payloads[-1] == bytes([0, 1, 2, 4, 5, 6, 8, 9, 10])


def test_an_address_within_memory_is_a_place_in_its_rows(fake, memory):
    copy = cuda.Memcpy2D()
    copy.set_src_device(int(memory) + 64 * 2 + 8)
    copy.src_x_in_bytes, copy.src_y, copy.src_pitch = 4, 1, 64
    target = np.zeros((2, 8), np.uint8)
    copy.set_dst_host(target)
    copy.dst_pitch, copy.width_in_bytes, copy.height = 8, 4, 2
    fake.content = b"abcdefgh"
    copy(True)
    read = fake.asked[-1]
    assert (read.origin, read.region, read.row_pitch) == ([12, 3, 0], [4, 2, 1], 64)
    assert target.tobytes() == b"abcd\0\0\0\0efgh\0\0\0\0"


def test_a_view_of_an_array_is_copied_from_where_it_begins(fake, memory):
    array = np.arange(40, dtype=np.uint8).reshape(5, 8)
    copy = cuda.Memcpy2D()
    copy.set_src_host(array[1:4, 2:5])
    copy.set_dst_device(memory)
    copy.src_pitch, copy.width_in_bytes, copy.height = 8, 3, 3
    copy(cuda.Stream())
    assert fake.payloads[-1] == array[1:4, 2:5].tobytes()


def test_boxes_are_copied_within_the_device(fake, memory):
    other = cuda.mem_alloc(4096)
    copy = cuda.Memcpy3D()
    copy.set_src_device(memory)
    copy.set_dst_device(other)
    copy.src_pitch, copy.src_height, copy.src_z = 16, 4, 1
    copy.dst_pitch, copy.dst_height = 32, 2
    copy.width_in_bytes, copy.height, copy.depth = 8, 2, 3
    copy()
    (sent,) = fake.sent(m.EnqueueCopyBufferRect)
    assert (sent.source_origin, sent.target_origin, sent.region) == ([0, 0, 1], [0, 0, 0], [8, 2, 3])
    assert (sent.source_pitches, sent.target_pitches) == ([16, 64], [32, 64])


def test_an_asynchronous_read_into_page_locked_memory_does_not_wait(fake, memory):
    target, stream = cuda.pagelocked_zeros((2, 4), np.uint8), cuda.Stream()
    copy = cuda.Memcpy2D()
    copy.set_src_device(memory)
    copy.set_dst_host(target)
    copy.src_pitch = copy.dst_pitch = copy.width_in_bytes = 4
    copy.height = 2
    fake.content = b"abcdefgh"
    copy(stream)
    assert not target.any()
    stream.synchronize()
    assert target.tobytes() == b"abcdefgh"


@pytest.mark.parametrize(
    "settings",
    [
        {"width_in_bytes": 4, "height": 2000},
        {"width_in_bytes": 0, "height": 1},
        {"width_in_bytes": 8, "height": 2, "dst_pitch": 4},
        {"width_in_bytes": 100, "height": 1},
    ],
)
def test_what_is_not_in_the_memory_is_refused(fake, memory, settings):
    copy = cuda.Memcpy2D()
    copy.set_src_host(bytes(64))
    copy.set_dst_device(memory)
    for name, value in settings.items():
        setattr(copy, name, value)
    before = len(fake.posted)
    with pytest.raises(cuda.LogicError):
        copy(aligned=False)
    assert len(fake.posted) == before


def test_arrays_of_textures_and_copies_within_the_host_are_refused(memory):
    copy = cuda.Memcpy2D()
    for refuse in (copy.set_src_array, copy.set_dst_array, copy.set_src_unified, copy.set_dst_unified):
        with pytest.raises(cuda.LogicError, match="not supported"):
            refuse(object())
    copy.set_src_host(bytes(4))
    copy.set_dst_host(bytearray(4))
    copy.width_in_bytes = copy.height = 1
    with pytest.raises(cuda.LogicError, match="NumPy"):
        copy(aligned=True)
