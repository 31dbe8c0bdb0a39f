"""Buffers: what is sent for them, and what is refused before anything is sent."""

import gc

import numpy as np
import pytest

import accelpool as cl
from accelpool.host import flat_bytes
from accelpool_wire import messages as m

mf = cl.mem_flags


def sent(fake):
    return fake.posted[-1], fake.payloads[-1]


def test_a_buffer_is_one_posted_message(fake, ctx):
    buffer = cl.Buffer(ctx, mf.READ_ONLY, 64)
    assert sent(fake) == (m.CreateBuffer(buffer._handle, ctx._handle, mf.READ_ONLY, 64), None)
    assert fake.asked == []


def test_no_flags_are_read_write(fake, ctx):
    assert cl.Buffer(ctx, 0, 64).flags == mf.READ_WRITE


def test_a_buffer_takes_its_first_content_along(fake, ctx):
    data = np.arange(4, dtype=np.float32)
    buffer = cl.Buffer(ctx, mf.READ_ONLY | mf.COPY_HOST_PTR, hostbuf=data)
    assert sent(fake)[1] == data.tobytes()
    assert (buffer.size, buffer.hostbuf) == (16, None)


def test_a_size_below_hostbufs_takes_its_beginning(fake, ctx):
    cl.Buffer(ctx, mf.COPY_HOST_PTR, 8, np.arange(4, dtype=np.float32))
    assert sent(fake)[1] == np.arange(2, dtype=np.float32).tobytes()


def test_use_host_ptr_is_a_copy_for_the_worker(fake, ctx):
    data = bytearray(8)
    buffer = cl.Buffer(ctx, mf.USE_HOST_PTR, hostbuf=data)
    assert sent(fake)[0].flags == mf.COPY_HOST_PTR
    assert (buffer.flags, buffer.hostbuf) == (mf.USE_HOST_PTR, data)


@pytest.mark.parametrize(
    ("flags", "size", "hostbuf", "code"),
    [
        (mf.READ_WRITE, 0, None, -61),
        (mf.READ_WRITE, (1 << 30) + 1, None, -61),
        (mf.READ_WRITE, 1 << 60, None, -61),
        (mf.COPY_HOST_PTR, 8, None, -37),
        (mf.COPY_HOST_PTR, 9, b"12345678", -30),
        (mf.COPY_HOST_PTR, 0, b"", -61),
        (mf.READ_ONLY | mf.WRITE_ONLY, 8, None, -30),
        (mf.HOST_READ_ONLY | mf.HOST_NO_ACCESS, 8, None, -30),
        (mf.USE_HOST_PTR | mf.COPY_HOST_PTR, 0, bytearray(8), -30),
    ],
)
def test_what_no_device_would_take_is_refused_at_once(fake, ctx, flags, size, hostbuf, code):
    count = len(fake.posted)
    with pytest.raises(cl.LogicError) as caught:
        cl.Buffer(ctx, flags, size, hostbuf)
    assert caught.value.code == code
    assert len(fake.posted) == count


def test_hostbuf_without_its_flag_warns_and_is_refused(ctx):
    with pytest.warns(UserWarning, match="COPY_HOST_PTR"), pytest.raises(cl.LogicError) as caught:
        cl.Buffer(ctx, mf.READ_WRITE, hostbuf=bytearray(8))
    assert caught.value.code == -37


@pytest.mark.parametrize(
    ("context", "size", "hostbuf", "error"),
    [
        (False, 8, None, TypeError),
        (True, -1, None, TypeError),
        (True, 1.5, None, TypeError),
        (True, 0, 5, TypeError),
        (True, 0, np.arange(8)[::2], ValueError),
    ],
)
def test_what_is_no_buffer_at_all_is_pythons_error(ctx, context, size, hostbuf, error):
    flags = mf.READ_WRITE if hostbuf is None else mf.COPY_HOST_PTR
    with pytest.raises(error):
        cl.Buffer(ctx if context else None, flags, size, hostbuf)


def test_use_host_ptr_needs_memory_that_can_be_written(ctx):
    with pytest.raises(BufferError):
        cl.Buffer(ctx, mf.USE_HOST_PTR, hostbuf=b"12345678")


def test_infos_are_answered_without_a_round_trip(fake, ctx):
    buffer = cl.Buffer(ctx, mf.READ_ONLY, 64)
    assert (buffer.type, buffer.flags, buffer.size, buffer.offset) == (cl.mem_object_type.BUFFER, 4, 64, 0)
    assert (buffer.map_count, buffer.reference_count, buffer.uses_svm_pointer) == (0, 1, 0)
    assert (buffer.context, buffer.associated_memobject, buffer.properties) == (ctx, None, [])
    assert fake.asked == []
    with pytest.raises(cl.LogicError, match="get_host_array"):
        buffer.get_info(cl.mem_info.HOST_PTR)


def test_infos_are_not_set(ctx):
    with pytest.raises(AttributeError, match="read-only"):
        cl.Buffer(ctx, 0, 64).size = 5


def test_a_region_is_a_buffer_of_its_own(fake, ctx):
    buffer = cl.Buffer(ctx, mf.READ_ONLY | mf.COPY_HOST_PTR, hostbuf=bytes(4096))
    region = buffer.get_sub_region(1024, 128)
    assert sent(fake)[0] == m.CreateSubBuffer(region._handle, buffer._handle, 0, 1024, 128)
    assert (region.size, region.offset, region.flags) == (128, 1024, mf.READ_ONLY)
    assert region.associated_memobject is buffer


def test_a_slice_is_a_region(fake, ctx):
    region = cl.Buffer(ctx, 0, 4096)[1024:2048]
    assert (region.offset, region.size) == (1024, 1024)
    assert cl.Buffer(ctx, 0, 4096)[-1024:].offset == 3072


@pytest.mark.parametrize(
    ("region", "error", "code"),
    [
        (lambda b: b.get_sub_region(4000, 128), cl.LogicError, -30),
        (lambda b: b.get_sub_region(0, 0), cl.LogicError, -61),
        (lambda b: b.get_sub_region(4, 128), cl.RuntimeError, -13),
        (lambda b: b[0:128].get_sub_region(0, 64), cl.LogicError, -38),
        (lambda b: b[5], cl.LogicError, -30),
        (lambda b: b[0:128:2], cl.LogicError, -30),
        (lambda b: b[128:128], cl.LogicError, -30),
    ],
)
def test_an_impossible_region_is_refused_at_once(ctx, region, error, code):
    with pytest.raises(error) as caught:
        region(cl.Buffer(ctx, 0, 4096))
    assert caught.value.code == code


def test_negative_places_are_type_errors(ctx):
    with pytest.raises(TypeError):
        cl.Buffer(ctx, 0, 4096).get_sub_region(-1, 5)


def test_releasing_gives_the_handle_back_once(fake, ctx):
    buffer = cl.Buffer(ctx, 0, 64)
    handle = buffer._handle
    buffer.release()
    assert fake.released == [handle]
    with pytest.raises(cl.LogicError, match="released already"):
        buffer.release()
    with pytest.raises(cl.LogicError) as caught:
        buffer.get_sub_region(0, 32)
    assert caught.value.code == -38


def test_what_nothing_refers_to_is_given_back_without_a_message(fake, ctx):
    buffer = cl.Buffer(ctx, 0, 64)
    handle, count = buffer._handle, len(fake.posted)
    del buffer
    gc.collect()
    assert fake.released == [handle]
    assert len(fake.posted) == count


def test_an_object_that_was_refused_gives_nothing_back(fake, ctx):
    with pytest.raises(cl.LogicError):
        cl.Buffer(ctx, 0, 0)
    gc.collect()
    assert fake.released == []


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        np.array(3, np.float32),
        np.float32(2.5),
        np.zeros(2, dtype=[("a", "i4"), ("b", "f4")]),
        np.zeros(2, dtype=[("a", "i4"), ("b", "f4")])[0],
        np.array([1 + 2j], np.complex64),
        np.array([True, False]),
        np.array([1.5], np.float16),
        b"bytes",
        memoryview(b"view")[1:],
        np.arange(8, dtype=">i4"),
        np.empty(0, np.float32),
    ],
)
def test_host_memory_is_seen_as_its_bytes(value):
    expected = value.tobytes(order="A") if isinstance(value, np.ndarray) else bytes(value)
    assert bytes(flat_bytes(value)) == expected


def test_host_memory_is_not_copied():
    data = np.zeros((2, 3), np.complex128, order="F")
    flat_bytes(data, writable=True)[:] = bytes([1]) * data.nbytes
    assert set(data.tobytes()) == {1}


@pytest.mark.parametrize(
    ("value", "error"),
    [(5, TypeError), ([1, 2], TypeError), (np.array([object()]), TypeError), (np.arange(4)[::2], ValueError)],
)
def test_what_has_no_flat_bytes_is_refused(value, error):
    with pytest.raises(error):
        flat_bytes(value)


@pytest.mark.parametrize("value", [b"bytes", np.float32(1)])
def test_what_cannot_be_written_is_refused(value):
    with pytest.raises(BufferError):
        flat_bytes(value, writable=True)
