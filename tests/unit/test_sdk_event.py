"""Events: what is known is not asked, failures say what failed, times are the device's."""

import queue as queue_module

import pytest

import accelpool as cl
from accelpool_wire import messages as m


@pytest.fixture
def queue(ctx):
    return cl.CommandQueue(ctx, properties=cl.command_queue_properties.PROFILING_ENABLE)


@pytest.fixture
def event(queue):
    return cl.enqueue_marker(queue)


def test_waiting_twice_is_one_round_trip(fake, event):
    event.wait()
    event.wait()
    assert fake.stats.round_trips == 1


def test_waiting_for_several_events_is_one_round_trip(fake, queue):
    cl.wait_for_events([cl.enqueue_marker(queue) for _ in range(5)])
    assert fake.stats.round_trips == 1


def test_waiting_for_nothing_is_refused():
    with pytest.raises(cl.LogicError) as caught:
        cl.wait_for_events([])
    assert caught.value.code == -30


def test_waiting_for_what_is_no_event_is_a_type_error(event):
    with pytest.raises(TypeError):
        cl.wait_for_events([event, 5])


def test_waiting_for_a_failed_command_says_what_failed(fake, event):
    fake.endings[event._handle] = m.EventDone(
        event._handle, -38, None, ["clEnqueueCopyBuffer", "no such buffer"]
    )
    with pytest.raises(
        cl.RuntimeError, match=r"clEnqueueCopyBuffer failed: INVALID_MEM_OBJECT - no such"
    ) as caught:
        event.wait()
    assert caught.value.code == -14
    assert caught.value.__cause__.code == -38


def test_the_status_is_asked_until_the_end_is_known(fake, event):
    fake.answers[m.GetEvent] = m.EventState(0, 1)
    assert event.command_execution_status == cl.command_execution_status.RUNNING
    fake.answers[m.GetEvent] = m.EventState(0, 0)
    assert event.command_execution_status == 0
    assert event.command_execution_status == 0
    assert len(fake.asked) == 2


def test_an_end_that_was_pushed_is_not_asked(fake, event):
    fake.endings[event._handle] = m.EventDone(event._handle, 0, [5, 6, 7, 8])
    assert event.command_execution_status == 0
    assert event.profile.start == 7
    assert fake.asked == []


def test_the_times_are_those_of_the_end(event):
    event.wait()
    profile = event.profile
    assert (profile.queued, profile.submit, profile.start, profile.end, profile.complete) == (1, 2, 3, 4, 4)
    assert event.get_profiling_info(cl.profiling_info.END) == 4


def test_there_are_no_other_times(event):
    with pytest.raises(cl.LogicError):
        event.get_profiling_info(5)
    with pytest.raises(AttributeError):
        _ = event.profile.bogus


def test_a_queue_that_does_not_profile_has_no_times(fake, ctx):
    event = cl.enqueue_marker(cl.CommandQueue(ctx))
    with pytest.raises(cl.RuntimeError, match="does not profile") as caught:
        _ = event.profile.start
    assert caught.value.code == -7
    assert fake.asked == []


def test_a_running_command_has_no_times_yet(fake, event):
    fake.answers[m.GetEvent] = m.EventState(0, 1)
    with pytest.raises(cl.RuntimeError, match="not complete"):
        _ = event.profile.start


def test_infos_are_answered_without_a_round_trip(fake, ctx, queue, event):
    assert (event.command_queue, event.context) == (queue, ctx)
    assert (event.command_type, event.reference_count) == (cl.command_type.MARKER, 1)
    assert fake.asked == []
    with pytest.raises(cl.LogicError):
        event.get_info(5)


@pytest.mark.parametrize(("ending", "told"), [(0, 1), (-5, -5)])
def test_a_callback_is_told_the_status_or_the_error(fake, event, ending, told):
    fake.endings[event._handle] = m.EventDone(event._handle, ending)
    heard = []
    event.set_callback(cl.command_execution_status.RUNNING, heard.append)
    assert heard == [told]


def test_a_callback_on_a_known_end_is_called_at_once(event):
    event.wait()
    heard = []
    event.set_callback(cl.command_execution_status.COMPLETE, heard.append)
    assert heard == [0]


@pytest.mark.parametrize(("content", "told"), [
    (b"four", 0), (cl.MemoryError("clEnqueueReadBuffer", -4), -4), (cl.errors.SessionLost("gone"), -2),
])  # fmt: skip
def test_a_callback_on_a_copy_to_the_host_comes_when_the_bytes_are_in_place(fake, ctx, content, told):
    fake.content, into, heard = content, bytearray(4), queue_module.Queue()
    buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 4)
    copy = cl.enqueue_copy(cl.CommandQueue(ctx), into, buffer, is_blocking=False)
    copy.set_callback(0, lambda status: heard.put((status, bytes(into))))
    assert heard.get(timeout=60) == (told, content if isinstance(content, bytes) else bytes(4))


def test_a_callback_needs_a_status_to_wait_for(event):
    with pytest.raises(cl.LogicError):
        event.set_callback(3, print)


def test_showing_an_event_asks_nothing(fake, event):
    assert "MARKER" in repr(event)
    event.wait()
    assert "COMPLETE" in repr(event)
    assert fake.asked == []
