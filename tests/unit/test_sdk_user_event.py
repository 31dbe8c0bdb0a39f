"""User events: what is sent, what is known without asking, what is refused."""

import gc
import threading

import numpy as np
import pytest

import accelpool as cl
from accelpool_wire import messages as m


@pytest.fixture
def event(ctx):
    return cl.UserEvent(ctx)


def test_it_is_made_and_set_without_a_round_trip(fake, ctx, event):
    event.set_status(cl.command_execution_status.COMPLETE)
    handle = event._handle
    assert fake.posted[-2:] == [m.CreateUserEvent(handle, ctx._handle), m.SetUserEventStatus(handle, 0)]
    event.wait()
    assert fake.stats.round_trips == 0


def test_its_infos_are_known(ctx, event):
    assert event.command_type == cl.command_type.USER
    assert event.command_queue is None
    assert event.context is ctx
    assert event.command_execution_status == cl.command_execution_status.SUBMITTED
    event.set_status(-5)
    assert event.command_execution_status == -5


def test_it_has_no_times(event):
    with pytest.raises(cl.RuntimeError) as caught:
        _ = event.profile.start
    assert caught.value.code == cl.status_code.PROFILING_INFO_NOT_AVAILABLE


def test_it_is_set_once(event):
    event.set_status(0)
    with pytest.raises(cl.LogicError) as caught:
        event.set_status(0)
    assert caught.value.code == cl.status_code.INVALID_OPERATION


def test_of_two_threads_that_set_it_at_once_one_is_refused(fake, event, monkeypatch):
    post, raised = fake.post, []

    def set_too():
        try:
            event.set_status(-5)
        except cl.LogicError as error:
            raised.append(error.code)

    def post_meanwhile(message, payload=None):
        monkeypatch.setattr(fake, "post", post)
        other = threading.Thread(target=set_too)
        other.start()
        other.join(10)
        return post(message, payload)

    monkeypatch.setattr(fake, "post", post_meanwhile)
    event.set_status(0)
    assert raised == [cl.status_code.INVALID_OPERATION]
    assert fake.posted[-1] == m.SetUserEventStatus(event._handle, 0)
    assert event.command_execution_status == 0


def test_one_that_could_not_be_set_is_not_said_to_be(ctx, fake, event):
    fake.end = cl.errors.SessionLost("gone")
    for _ in range(2):
        with pytest.raises(cl.errors.SessionLost):
            event.set_status(0)
    assert event.command_execution_status == cl.command_execution_status.SUBMITTED


@pytest.mark.parametrize("status", [1, -(1 << 31) - 1])
def test_a_status_that_is_none_is_refused(fake, event, status):
    with pytest.raises(cl.LogicError) as caught:
        event.set_status(status)
    assert caught.value.code == cl.status_code.INVALID_VALUE
    assert not any(isinstance(message, m.SetUserEventStatus) for message in fake.posted)


def test_waiting_for_one_that_was_set_to_an_error_raises(event):
    event.set_status(-5)
    with pytest.raises(cl.RuntimeError, match="was set to -5") as caught:
        event.wait()
    assert caught.value.code == cl.status_code.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST


def test_it_stands_in_wait_lists(fake, queue, event):
    cl.enqueue_marker(queue, wait_for=[event])
    assert fake.posted[-1].wait_for == [event._handle]


def test_one_that_nothing_refers_to_is_given_back(fake, ctx):
    handle = cl.UserEvent(ctx)._handle
    gc.collect()
    assert handle in fake.released
    assert not ctx._session.unset_events


def test_its_context_is_one(queue):
    with pytest.raises(TypeError, match="UserEvent"):
        cl.UserEvent(queue)


def test_reads_that_may_wait_for_it_are_limited(fake, ctx, queue, event):
    buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 4)
    most = fake.limits.pending // 2
    reads = [cl.enqueue_copy(queue, np.empty(4, np.uint8), buffer, is_blocking=False) for _ in range(most)]
    with pytest.raises(cl.RuntimeError, match="not set") as caught:
        cl.enqueue_copy(queue, np.empty(4, np.uint8), buffer, is_blocking=False)
    assert caught.value.code == cl.status_code.OUT_OF_RESOURCES
    reads[3].wait()
    cl.enqueue_copy(queue, np.empty(4, np.uint8), buffer, is_blocking=False)
