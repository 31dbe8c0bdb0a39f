"""Queues, copies, fills, markers: what is posted, what waits, what is refused at once."""

import numpy as np
import pytest

import accelpool as cl
from accelpool.testing import FakeConnection, fake_context
from accelpool_wire import messages as m


@pytest.fixture
def buffer(ctx):
    return cl.Buffer(ctx, 0, 64)


DATA = np.arange(8, dtype=np.float32)


def test_a_queue_is_one_posted_message(fake, ctx):
    queue = cl.CommandQueue(ctx, properties=cl.command_queue_properties.PROFILING_ENABLE)
    assert fake.posted[-1] == m.CreateCommandQueue(queue._handle, ctx._handle, 0, 2)
    assert (queue.context, queue.device, queue.properties) == (ctx, ctx.devices[0], 2)
    assert queue.properties_array == [cl.queue_properties.PROPERTIES, 2, 0]
    assert queue.reference_count == 1


@pytest.mark.parametrize(("properties", "code"), [(64, -30), (4, -30)])
def test_unknown_queue_properties_are_refused(ctx, properties, code):
    with pytest.raises(cl.LogicError) as caught:
        cl.CommandQueue(ctx, properties=properties)
    assert caught.value.code == code


def test_properties_that_the_device_lacks_are_refused():
    fake = FakeConnection()
    fake.devices[0].info[cl.device_info.QUEUE_PROPERTIES] = 2
    with pytest.raises(cl.LogicError) as caught:
        cl.CommandQueue(fake_context(fake), properties=1)
    assert caught.value.code == -35


def test_a_queue_needs_a_context_and_its_device(ctx):
    with pytest.raises(TypeError):
        cl.CommandQueue(None)
    stranger = cl.Device({}, cl.Platform({}), ("other", "", "device"))
    with pytest.raises(cl.LogicError) as caught:
        cl.CommandQueue(ctx, stranger)
    assert caught.value.code == -33


def test_finish_is_one_round_trip(fake, ctx, queue):
    queue.finish()
    assert fake.asked == [m.Finish(queue._handle)]
    assert ctx.round_trips == 1


def test_flush_is_posted(fake, queue):
    queue.flush()
    assert fake.posted[-1] == m.Flush(queue._handle)


def test_a_with_block_finishes_its_queue_and_later_use_warns(fake, ctx, queue, buffer):
    with queue:
        pass
    assert fake.asked == [m.Finish(queue._handle)]
    with pytest.warns(cl.CommandQueueUsedAfterExit):
        cl.enqueue_copy(queue, buffer, DATA)


def test_an_error_in_a_with_block_is_not_hidden_by_finishing(fake, queue):
    fake.answers[m.Finish] = cl.LogicError("clFinish", -36)
    with pytest.raises(KeyError), queue:
        raise KeyError


def test_a_write_is_posted_with_its_bytes(fake, queue, buffer):
    event = cl.enqueue_copy(queue, buffer, DATA, dst_offset=4)
    assert fake.posted[-1] == m.EnqueueWriteBuffer(queue._handle, buffer._handle, 4, event._handle)
    assert fake.payloads[-1] == DATA.tobytes()
    assert event.get_ward() is DATA
    assert fake.asked == []


def test_a_blocking_read_lands_in_place(fake, queue, buffer):
    fake.content = DATA.tobytes()
    out = np.empty_like(DATA)
    event = cl.enqueue_copy(queue, out, buffer, src_offset=8)
    assert np.array_equal(out, DATA)
    assert fake.asked == [m.EnqueueReadBuffer(queue._handle, buffer._handle, 8, 32, 0, None, True)]
    assert event.command_execution_status == cl.command_execution_status.COMPLETE
    event.wait()


def test_a_read_that_does_not_block_lands_when_it_is_waited_for(fake, queue, buffer):
    fake.content = DATA.tobytes()
    out = np.zeros_like(DATA)
    event = cl.enqueue_copy(queue, out, buffer, is_blocking=False)
    assert not out.any()
    event.wait()
    assert np.array_equal(out, DATA)


def test_finish_has_all_reads_of_its_queue_in_place(fake, queue, buffer):
    fake.content = DATA.tobytes()
    outs = [np.zeros_like(DATA) for _ in range(3)]
    for out in outs:
        cl.enqueue_copy(queue, out, buffer, is_blocking=False)
    queue.finish()
    assert all(np.array_equal(out, DATA) for out in outs)


def test_a_later_event_of_an_in_order_queue_has_earlier_reads_in_place(fake, queue, buffer):
    fake.content = DATA.tobytes()
    out, later = np.zeros_like(DATA), np.zeros_like(DATA)
    cl.enqueue_copy(queue, out, buffer, is_blocking=False)
    marker = cl.enqueue_marker(queue)
    cl.enqueue_copy(queue, later, buffer, is_blocking=False)
    marker.wait()
    assert np.array_equal(out, DATA)
    assert not later.any()


def test_a_blocking_read_has_earlier_reads_in_place(fake, queue, buffer):
    fake.content = DATA.tobytes()
    out = np.zeros_like(DATA)
    cl.enqueue_copy(queue, out, buffer, is_blocking=False)
    cl.enqueue_copy(queue, np.empty_like(DATA), buffer)
    assert np.array_equal(out, DATA)


def test_too_many_reads_under_way_are_waited_for(fake, queue, buffer):
    fake.limits = m.Limits(pending=4)
    reads = [cl.enqueue_copy(queue, np.empty_like(DATA), buffer, is_blocking=False) for _ in range(5)]
    assert [read._pending.is_done for read in reads] == [True, True, True, False, False]
    cl.wait_for_events(reads)
    assert not any(isinstance(message, m.WatchEvents) for message in fake.posted)


def test_a_read_that_fails_raises_where_it_is_waited_for_once(fake, queue, buffer):
    fake.content = cl.RuntimeError("clEnqueueReadBuffer", -5)
    read = cl.enqueue_copy(queue, np.empty_like(DATA), buffer, is_blocking=False)
    with pytest.raises(cl.RuntimeError):
        queue.finish()
    queue.finish()
    with pytest.raises(cl.RuntimeError):
        read.wait()
    with pytest.raises(cl.RuntimeError):
        cl.enqueue_copy(queue, np.empty_like(DATA), buffer)


def test_copies_between_buffers_take_the_smaller_size(fake, ctx, queue, buffer):
    other = cl.Buffer(ctx, 0, 32)
    event = cl.enqueue_copy(queue, other, buffer)
    expected = m.EnqueueCopyBuffer(queue._handle, buffer._handle, other._handle, 0, 0, 32, event._handle)
    assert fake.posted[-1] == expected
    cl.enqueue_copy(queue, buffer, other, byte_count=8, src_offset=4, dst_offset=16)
    assert fake.posted[-1].size == 8


def test_a_buffer_can_be_copied_within_itself_without_overlap(fake, queue, buffer):
    cl.enqueue_copy(queue, buffer, buffer, byte_count=16, dst_offset=32)
    with pytest.raises(cl.RuntimeError) as caught:
        cl.enqueue_copy(queue, buffer, buffer, byte_count=16, dst_offset=8)
    assert caught.value.code == -8


@pytest.mark.parametrize(
    "copy",
    [
        lambda q, b: cl.enqueue_copy(q, b, np.zeros(17, np.float32)),
        lambda q, b: cl.enqueue_copy(q, b, DATA, dst_offset=36),
        lambda q, b: cl.enqueue_copy(q, np.zeros(17, np.float32), b),
        lambda q, b: cl.enqueue_copy(q, np.zeros(8, np.float32), b, src_offset=36),
        lambda q, b: cl.enqueue_copy(q, b, b, byte_count=128),
        lambda q, b: cl.enqueue_copy(q, b, b, byte_count=0),
        lambda q, b: cl.enqueue_fill_buffer(q, b, np.float32(1), 0, 68),
        lambda q, b: cl.enqueue_fill_buffer(q, b, np.float32(1), 2, 8),
        lambda q, b: cl.enqueue_fill_buffer(q, b, b"abc", 0, 9),
    ],
)
def test_copies_beyond_a_buffer_are_refused_at_once(fake, queue, buffer, copy):
    count = len(fake.posted)
    with pytest.raises(cl.LogicError) as caught:
        copy(queue, buffer)
    assert caught.value.code == -30
    assert len(fake.posted) == count


@pytest.mark.parametrize(
    ("copy", "error"),
    [
        (lambda q, b: cl.enqueue_copy(q, DATA, DATA), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, 5), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, [1]), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, DATA, dst_offset=-4), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, DATA, bogus=1), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, b, is_blocking=True), TypeError),
        (lambda q, b: cl.enqueue_copy(None, b, DATA), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, DATA, wait_for=[5]), TypeError),
        (lambda q, b: cl.enqueue_fill_buffer(q, DATA, b"a", 0, 4), TypeError),
        (lambda q, b: cl.enqueue_fill_buffer(q, b, 1, 0, 4), TypeError),
        (lambda q, b: cl.enqueue_copy(q, b, DATA[::2]), ValueError),
        (lambda q, b: cl.enqueue_copy(q, DATA[::2], b), ValueError),
        (lambda q, b: cl.enqueue_copy(q, b"12345678", b), BufferError),
        (lambda q, b: cl.enqueue_copy(q, np.float32(1), b), BufferError),
    ],
)
def test_copies_of_what_cannot_be_copied_are_pythons_errors(queue, buffer, copy, error):
    with pytest.raises(error):
        copy(queue, buffer)


def test_objects_of_another_context_are_refused(queue, buffer):
    other = fake_context(FakeConnection())
    foreign_queue, foreign_buffer = cl.CommandQueue(other), cl.Buffer(other, 0, 64)
    event = cl.enqueue_marker(foreign_queue)
    for call in (
        lambda: cl.enqueue_copy(queue, foreign_buffer, DATA),
        lambda: cl.enqueue_copy(queue, buffer, DATA, wait_for=[event]),
        lambda: cl.wait_for_events([event, cl.enqueue_marker(queue)]),
    ):
        with pytest.raises(cl.LogicError) as caught:
            call()
        assert caught.value.code == -34


def test_a_released_buffer_is_no_memory_object(queue, buffer):
    buffer.release()
    with pytest.raises(cl.LogicError) as caught:
        cl.enqueue_copy(queue, buffer, DATA)
    assert caught.value.code == -38


def test_fills_are_posted(fake, queue, buffer):
    event = cl.enqueue_fill_buffer(queue, buffer, np.float32(2), 4, 8)
    pattern = np.float32(2).tobytes()
    assert fake.posted[-1] == m.EnqueueFillBuffer(queue._handle, buffer._handle, pattern, 4, 8, event._handle)
    cl.enqueue_fill(queue, buffer, b"ab", 6, offset=2)
    assert fake.posted[-1].offset == 2


def test_copies_of_nothing_are_markers(fake, queue, buffer):
    for copy in (
        lambda: cl.enqueue_copy(queue, buffer, DATA[:0]),
        lambda: cl.enqueue_copy(queue, np.empty(0, np.float32), buffer),
        lambda: cl.enqueue_fill_buffer(queue, buffer, b"a", 0, 0),
    ):
        event = copy()
        assert fake.posted[-1] == m.EnqueueMarker(queue._handle, event._handle)


def test_markers_and_barriers_take_wait_lists(fake, queue):
    first = cl.enqueue_marker(queue)
    second = cl.enqueue_barrier(queue, [first])
    assert fake.posted[-1] == m.EnqueueBarrier(queue._handle, second._handle, [first._handle])
    assert second.command_type == cl.command_type.BARRIER


def test_what_is_known_to_be_complete_is_not_waited_for(fake, queue, buffer):
    read = cl.enqueue_copy(queue, np.empty_like(DATA), buffer)
    cl.enqueue_marker(queue, wait_for=[read])
    assert fake.posted[-1].wait_for is None
