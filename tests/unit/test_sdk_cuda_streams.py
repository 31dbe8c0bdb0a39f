"""Streams, their order, and events."""

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
def context(fake):
    with cuda_context(fake) as context:
        yield context


@pytest.fixture
def memory(context):
    return cuda.mem_alloc(1000)


def fill(memory, stream=None):
    cuda.memset_d8_async(memory, 0, 8, stream)


def order(fake):
    """What went to queues since they were made, each as its queue, its event, and what it waits for."""
    sent = fake.sent(m.EnqueueFillBuffer, m.EnqueueMarker, m.EnqueueBarrier)
    return [(message.queue, message.event, message.wait_for) for message in sent]


def queue(stream):
    return stream._lane.queue._handle


def null(context):
    return context._lanes.null.queue._handle


def test_the_null_stream_alone_needs_no_markers(fake, context, memory):
    for _ in range(3):
        fill(memory)
    assert order(fake) == [(null(context), 0, None)] * 3


def test_a_stream_waits_once_for_what_the_null_stream_had(fake, context, memory):
    stream = cuda.Stream()
    fill(memory)
    fill(memory, stream)
    fill(memory, stream)
    _, (marked, event, _), (first, _, waits), (second, _, nothing) = order(fake)
    assert (marked, waits) == (null(context), [event])
    assert (first, second, nothing) == (queue(stream), queue(stream), None)


def test_the_null_stream_waits_once_for_what_every_blocking_stream_had(fake, context, memory):
    one, other, free = cuda.Stream(), cuda.Stream(), cuda.Stream(1)
    for stream in (one, other, free):
        fill(memory, stream)
    fill(memory)
    fill(memory)
    *_, (marked_1, event_1, _), (marked_2, event_2, _), (last, _, waits), (_, _, nothing) = order(fake)
    assert [marked_1, marked_2] == [queue(one), queue(other)]
    assert (last, waits, nothing) == (null(context), [event_1, event_2], None)


def test_a_non_blocking_stream_waits_for_nothing(fake, context, memory):
    fill(memory)
    stream = cuda.Stream(1)
    fill(memory, stream)
    assert order(fake)[-1] == (queue(stream), 0, None)


def test_to_and_fro_between_streams_waits_each_time(fake, context, memory):
    stream = cuda.Stream()
    for _ in range(2):
        fill(memory)
        fill(memory, stream)
    fills = [entry for entry in order(fake) if entry[1] == 0]
    assert [bool(waits) for _, _, waits in fills] == [False, True, True, True]


def test_markers_are_given_back(fake, context, memory):
    stream = cuda.Stream()
    for _ in range(10):
        fill(memory)
        fill(memory, stream)
    markers = [message.event for message in fake.sent(m.EnqueueMarker)]
    assert len(set(markers) - set(fake.released)) <= 2


def test_synchronize_is_one_round_trip_for_all_streams(fake, context, memory):
    for stream in (cuda.Stream(), cuda.Stream(1)):
        fill(memory, stream)
    before = context.round_trips
    cuda.Context.synchronize()
    assert context.round_trips == before + 1
    assert fake.asked[-1] == m.Finish(null(context))
    (barrier,) = fake.sent(m.EnqueueBarrier)
    assert barrier.queue == null(context)
    assert len(barrier.wait_for) == 2
    cuda.Context.synchronize()
    assert len(fake.sent(m.EnqueueBarrier)) == 1


def test_a_streams_synchronize_finishes_it_alone(fake, context):
    stream = cuda.Stream()
    assert stream.synchronize() is stream
    assert fake.asked[-1] == m.Finish(queue(stream))


def test_a_streams_reads_are_in_place_after_its_synchronize(fake, memory):
    stream, got = cuda.Stream(), cuda.pagelocked_zeros(4, np.uint8)
    fake.content = b"abcd"
    cuda.memcpy_dtoh_async(got, memory, stream)
    assert not got.any()
    stream.synchronize()
    assert got.tobytes() == b"abcd"


def test_a_read_that_waits_has_earlier_reads_of_blocking_streams_in_place(fake, memory):
    early, late = cuda.pagelocked_zeros(4, np.uint8), np.zeros(4, np.uint8)
    fake.content = b"abcd"
    cuda.memcpy_dtoh_async(early, memory, cuda.Stream())
    stream = cuda.Stream()
    cuda.memcpy_dtoh_async(early, memory, stream)
    cuda.memcpy_dtoh(late, memory)
    assert early.tobytes() == late.tobytes() == b"abcd"


def ended(fake, times):
    """Let markers that only wait for others have ended, one after the other, at these times in ns."""
    ticks = [message.event for message in fake.sent(m.EnqueueMarker) if message.wait_for]
    assert len(ticks) == len(times)
    fake.endings = {tick: m.EventDone(tick, 0, [0, 0, 0, at]) for tick, at in zip(ticks, times, strict=True)}


def test_an_event_is_a_marker_and_its_time_that_of_another_queue_which_keeps_times(fake, context, memory):
    start, end = cuda.Event(), cuda.Event()
    assert start.record() is start
    fill(memory)
    end.record()
    (_, first), (_, second) = (fake.sent(m.EnqueueMarker)[place : place + 2] for place in (0, 2))
    queues = {made.queue: made.properties for made in fake.sent(m.CreateCommandQueue)}
    assert (queues[null(context)], queues[first.queue]) == (0, 2)
    assert (first.queue, first.wait_for) == (second.queue, [start._event._handle])
    ended(fake, [1_000_000, 3_500_000])
    assert end.synchronize() is end
    assert end.time_since(start) == 2.5
    assert start.time_till(end) == 2.5


def test_an_event_without_time_is_a_marker_alone(fake, context):
    event = cuda.Event(cuda.event_flags.DISABLE_TIMING).record().synchronize()
    assert len(fake.sent(m.EnqueueMarker)) == 1
    with pytest.raises(cuda.LogicError, match="invalid handle"):
        event.time_since(event)


def test_an_event_that_is_not_reached_has_no_time(fake, context):
    start, end = cuda.Event().record(), cuda.Event().record()
    fake.answers[m.GetEvent] = m.EventState(0, 2)
    assert not end.query()
    with pytest.raises(cuda.RuntimeError, match="not ready"):
        end.time_since(start)


def test_an_event_that_is_not_recorded_is_reached_and_has_no_time(context):
    event = cuda.Event()
    assert event.query()
    assert event.synchronize() is event
    with pytest.raises(cuda.LogicError, match="invalid handle"):
        event.time_since(event)


def test_a_stream_waits_for_an_event_of_another(fake, context, memory):
    one, other = cuda.Stream(), cuda.Stream()
    fill(memory, one)
    event = cuda.Event().record(one)
    other.wait_for_event(event)
    other.wait_for_event(cuda.Event())
    (barrier,) = fake.sent(m.EnqueueBarrier)
    assert (barrier.queue, barrier.wait_for) == (queue(other), [event._event._handle])


def test_a_stream_tells_whether_it_is_done(fake, context, memory):
    stream = cuda.Stream()
    asked = len(fake.asked)
    assert stream.is_done()
    assert len(fake.asked) == asked  # nothing was ever in it
    fill(memory, stream)
    fake.answers[m.GetEvent] = m.EventState(0, 1)
    assert not stream.is_done()
    fake.answers[m.GetEvent] = m.EventState(0, 0)
    assert stream.is_done()
    asked = len(fake.asked)
    assert stream.is_done()
    assert len(fake.asked) == asked


@pytest.mark.parametrize("wait", [lambda stream: stream.synchronize(), lambda _: cuda.Context.synchronize()])
def test_a_stream_that_was_waited_for_is_done_without_asking(fake, context, memory, wait):
    stream = cuda.Stream()
    fill(memory, stream)
    wait(stream)
    asked = len(fake.asked)
    assert stream.is_done()
    assert len(fake.asked) == asked


def test_a_marker_may_need_a_moment_to_be_reached(fake, context, memory):
    stream, states = cuda.Stream(), iter([1, 0])
    fill(memory, stream)
    fake.answers[m.GetEvent] = lambda _: m.EventState(0, next(states))
    assert stream.is_done()


def test_a_failed_command_is_told_when_it_is_waited_for(fake, context):
    event = cuda.Event().record()
    handle = event._event._handle
    what = ["cuLaunchKernel", "CUDA_ERROR_LAUNCH_TIMEOUT: it took too long"]
    fake.endings[handle] = m.EventDone(handle, -5, None, what)
    with pytest.raises(cuda.LaunchError, match="launch timeout"):
        event.synchronize()


def test_a_stream_of_another_context_is_refused(fake, context, memory):
    stream = cuda.Stream()
    with cuda_context(FakeCuda()):
        with pytest.raises(cuda.LogicError, match="another context"):
            fill(cuda.mem_alloc(8), stream)
        with pytest.raises(TypeError, match="a Stream or None"):
            fill(cuda.mem_alloc(8), 5)
