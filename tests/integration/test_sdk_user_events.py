"""User events on a real session: one thread waits, another one sets the event, which always gets through."""

import threading

import numpy as np
import pytest

import accelpool as cl


@pytest.fixture(scope="module")
def broker(null_pool):
    with cl.connect(null_pool.url, null_pool.token) as broker:
        yield broker


@pytest.fixture
def ctx(broker):
    with broker.acquire(wait=20) as ctx:
        yield ctx


@pytest.fixture
def queue(ctx):
    queue = cl.CommandQueue(ctx)
    for _ in range(3):
        queue.finish()  # such a wait is short: the next would be done in the worker's own thread
    return queue


def in_thread(call):
    """Start a call in a thread; return the thread and the list that its result comes to."""
    found = []
    thread = threading.Thread(target=lambda: found.append(call()), daemon=True)
    thread.start()
    return thread, found


def test_finish_waits_in_one_thread_while_another_sets_the_event(ctx, queue):
    event, buffer = cl.UserEvent(ctx), cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 8)
    cl.enqueue_fill_buffer(queue, buffer, np.uint8(7), 0, 8, wait_for=[event])
    thread, _ = in_thread(queue.finish)
    other = cl.CommandQueue(ctx)
    other.finish()
    assert thread.is_alive()
    event.set_status(0)
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("size", [8, 1 << 20])
def test_a_blocking_copy_waits_for_it(ctx, queue, size):
    event, into = cl.UserEvent(ctx), np.zeros(size, np.uint8)
    buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=np.zeros(size, np.uint8))
    cl.enqueue_copy(queue, buffer, np.full(size, 5, np.uint8), wait_for=[event])
    thread, _ = in_thread(lambda: cl.enqueue_copy(queue, into, buffer))
    cl.CommandQueue(ctx).finish()
    event.set_status(0)
    thread.join(10)
    assert into.tolist() == [5] * size


def test_mapping_waits_for_it(ctx, queue):
    event, buffer = cl.UserEvent(ctx), cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 8)
    cl.enqueue_fill_buffer(queue, buffer, np.uint8(7), 0, 8, wait_for=[event])
    array, mapped = cl.enqueue_map_buffer(
        queue, buffer, cl.map_flags.READ, 0, (8,), np.uint8, is_blocking=False
    )
    event.set_status(0)
    mapped.wait()
    assert array.tolist() == [7] * 8


def test_callbacks_are_called_once_it_is_set(ctx, queue):
    event, heard, all_heard = cl.UserEvent(ctx), [], threading.Event()

    def hear(status):
        heard.append(status)
        if len(heard) == 2:
            all_heard.set()

    for waiting in (event, cl.enqueue_marker(queue, wait_for=[event])):
        waiting.set_callback(cl.command_execution_status.COMPLETE, hear)
    assert heard == []
    event.set_status(0)
    assert all_heard.wait(10)
    assert heard == [0, 0]


def test_one_that_is_dropped_fails_what_waits_for_it(ctx, queue):
    waiting = cl.enqueue_marker(queue, wait_for=[cl.UserEvent(ctx)])
    with pytest.raises(cl.RuntimeError, match="released before it was set") as caught:
        waiting.wait()
    assert caught.value.code == cl.status_code.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST


def test_a_session_ends_with_one_that_is_not_set(broker):
    with broker.acquire(wait=20) as ctx:
        event, queue = cl.UserEvent(ctx), cl.CommandQueue(ctx)
        cl.enqueue_marker(queue, wait_for=[event])
        queue.flush()
        lease = ctx.lease.id
    assert {found["id"]: found["state"] for found in broker.leases()}[lease] == "released"
    broker.acquire(wait=20).release()


def test_all_that_waits_for_it_is_waited_for_in_one_round_trip(ctx, queue):
    event, before = cl.UserEvent(ctx), ctx.round_trips
    markers = [cl.enqueue_marker(queue, wait_for=[event]) for _ in range(300)]
    event.set_status(0)
    cl.wait_for_events(markers)
    assert ctx.round_trips - before == 1
