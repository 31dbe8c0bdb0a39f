"""Contexts over several nodes: what waits for what, what fails, what is let go, and several threads."""

import gc
import threading

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors
from accelpool.testing import built, fake_spanning_context, kernel_info
from accelpool_wire import messages as m

from .spanning_rig import COPY, DATA, READ_WRITE, count, forget, only


@pytest.fixture
def ctx(fakes):
    return fake_spanning_context(fakes)


@pytest.fixture
def queues(ctx):
    return [cl.CommandQueue(ctx, device) for device in ctx.devices]


@pytest.fixture
def kernel(fakes, ctx):
    for fake in fakes:
        info = kernel_info("work", "global float* out", "global float* in")
        info.args[1] = m.ArgInfo("in", "float*", 0x119B, 0x11A3, 1)
        fake.answers[m.BuildProgram] = built(info)
    return cl.Program(ctx, "source").build().work


# ---- events ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("home", [0, 1])
def test_a_wait_for_another_nodes_event_is_bridged(fakes, ctx, queues, home):
    fakes[home].held = []
    event = cl.enqueue_marker(queues[home])
    there = fakes[1 - home]
    forget(there)
    for _ in range(2):
        cl.enqueue_barrier(queues[1 - home], [event])
    assert there.posted[0] == m.CreateUserEvent(event._handle, ctx._handle)
    assert [message.wait_for for message in there.posted[1:]] == [[event._handle]] * 2
    (tell,) = fakes[home].held
    tell()
    assert there.posted[-1] == m.SetUserEventStatus(event._handle, 0)


def test_a_user_event_is_made_and_set_on_every_node(fakes, ctx, queues):
    forget(*fakes)
    event = cl.UserEvent(ctx)
    for queue in queues:
        cl.enqueue_marker(queue, [event])
    event.set_status(-1)
    for fake in fakes:
        created, marker, status = fake.posted
        assert created == m.CreateUserEvent(event._handle, ctx._handle)
        assert marker.wait_for == [event._handle]
        assert status == m.SetUserEventStatus(event._handle, -1)


def test_a_failure_crosses_to_who_waits_for_it(fakes, queues):
    fakes[0].held = []
    event = cl.enqueue_marker(queues[0])
    cl.enqueue_marker(queues[1], [event])
    fakes[0].endings[event._handle] = m.EventDone(event._handle, -54)
    fakes[0].held.pop()()
    assert fakes[1].posted[-1] == m.SetUserEventStatus(event._handle, -54)


def test_an_end_that_nobody_can_be_told_of_any_more_hurts_nobody(fakes, queues):
    fakes[0].held = []
    cl.enqueue_marker(queues[1], [cl.enqueue_marker(queues[0])])
    fakes[1].close()
    fakes[0].held.pop()()


def test_events_of_several_nodes_are_waited_for_together(fakes, queues):
    events = [cl.enqueue_marker(queue) for queue in queues]
    cl.wait_for_events(events)
    assert [fake.stats.round_trips for fake in fakes] == [1, 1]
    assert [event.command_execution_status for event in events] == [0, 0]
    cl.enqueue_marker(queues[1]).set_callback(0, lambda status: None)


def test_an_event_that_a_migration_needs_outlives_its_object(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, READ_WRITE, 64)
    write = cl.enqueue_copy(queues[0], buffer, DATA)
    handle = write._handle
    del write
    gc.collect()
    cl.enqueue_marker(queues[0])
    assert handle not in fakes[0].released
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert only(fakes[0], m.SendBuffer).wait_for == [handle]
    cl.enqueue_copy(queues[0], buffer, DATA)  # of this in-order queue it is the last now
    assert handle in fakes[0].released


def test_an_event_is_kept_until_its_end_has_crossed(fakes, queues):
    fakes[0].held = []
    event = cl.enqueue_marker(queues[0])
    handle = event._handle
    cl.enqueue_marker(queues[1], [event])
    del event
    gc.collect()
    cl.enqueue_marker(queues[1])
    assert handle not in (*fakes[0].released, *fakes[1].released)
    fakes[0].held.pop()()
    cl.enqueue_marker(queues[1])
    assert handle in fakes[0].released
    assert handle in fakes[1].released


def test_many_commands_of_an_out_of_order_queue_are_stood_for_by_a_marker(fakes, ctx):
    queue = cl.CommandQueue(ctx, properties=cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE)
    buffer = cl.Buffer(ctx, READ_WRITE, 64)
    writes = [cl.enqueue_fill_buffer(queue, buffer, b"a", 0, 4) for _ in range(65)]
    marker = only(fakes[0], m.EnqueueMarker)
    assert marker.wait_for == [write._handle for write in writes[:64]]
    cl.enqueue_copy(cl.CommandQueue(ctx, ctx.devices[1]), np.empty_like(DATA), buffer)
    assert only(fakes[0], m.SendBuffer).wait_for == [marker.event, writes[64]._handle]


# ---- failures ----------------------------------------------------------------------------------------


def test_content_that_did_not_arrive_is_sent_again_for_the_next_command(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    arrival = only(fakes[1], m.ReceiveBuffer).event
    assert arrival in fakes[1].watched
    fakes[1].endings[arrival] = m.EventDone(arrival, -5)
    forget(*fakes)
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    again = only(fakes[1], m.ReceiveBuffer).event
    assert fakes[1].asked[-1].wait_for == [again]
    assert ctx.migrations == 2


def test_a_command_that_could_not_be_sent_has_changed_nothing(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    post = fakes[1].post

    def refuse(message, payload=None):
        if isinstance(message, m.EnqueueWriteBuffer):
            raise errors.FrameTooLarge("too large")
        return post(message, payload)

    fakes[1].post = refuse
    with pytest.raises(errors.FrameTooLarge):
        cl.enqueue_copy(queues[1], buffer, DATA)
    fakes[1].post = post
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert only(fakes[0], m.SendBuffer).wait_for is None
    assert only(fakes[1], m.ReceiveBuffer).wait_for is None


def test_a_migration_that_was_interrupted_is_begun_anew(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    post = fakes[1].post

    def interrupt(message, payload=None):
        if isinstance(message, m.ReceiveBuffer):
            raise KeyboardInterrupt
        return post(message, payload)

    fakes[1].post = interrupt
    with pytest.raises(KeyboardInterrupt):
        cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    fakes[1].post = post
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert count(fakes[0], m.SendBuffer) == 2
    assert fakes[1].asked[-1].wait_for == [only(fakes[1], m.ReceiveBuffer).event]


def test_a_lost_session_says_which_node_it_was_on(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, READ_WRITE, 64)
    read = cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer, is_blocking=False)
    fakes[1].end = errors.SessionLost("worker died")
    read._pending._pending.content = fakes[1].end
    cl.enqueue_marker(queues[0])
    for use in (queues[1].finish, read.wait, lambda: cl.enqueue_marker(queues[1])):
        with pytest.raises(errors.SessionLost, match="node fake-node-1: worker died"):
            use()


def test_what_is_not_possible_over_several_nodes_is_refused_by_name(ctx):
    class EnqueueMagic(m.Posted, frozen=True, tag=1000):
        queue: int
        event: int = 0
        wait_for: list[int] | None = None

    class AskMagic(m.Synchronous, frozen=True, tag=1001):
        queue: int

    queue = cl.CommandQueue(ctx)
    for call in (
        lambda: ctx._session.post(EnqueueMagic(queue._handle)),
        lambda: ctx._session.ask(AskMagic(queue._handle), m.Done),
    ):
        with pytest.raises(cl.LogicError, match=r"Magic.*several nodes") as caught:
            call()
        assert caught.value.code == cl.status_code.INVALID_OPERATION


# ---- letting go --------------------------------------------------------------------------------------


def test_a_released_buffer_is_released_wherever_it_was(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    handle = buffer._handle
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    buffer.release()
    cl.enqueue_marker(queues[0])
    assert handle in fakes[0].released
    assert handle in fakes[1].released


def test_a_buffer_that_was_never_used_is_released_nowhere(fakes, ctx, queues):
    handle = cl.Buffer(ctx, READ_WRITE, 64)._handle
    gc.collect()
    cl.enqueue_marker(queues[0])
    assert handle not in (*fakes[0].released, *fakes[1].released)


def test_a_whole_stays_until_its_regions_are_released(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=np.zeros(64, np.float32))
    handle, region = buffer._handle, buffer.get_sub_region(128, 128)
    buffer.release()
    cl.enqueue_copy(queues[1], np.empty_like(DATA), region)
    assert count(fakes[1], m.CreateSubBuffer) == 1
    region.release()
    cl.enqueue_marker(queues[1])
    assert handle in fakes[0].released
    assert handle in fakes[1].released


def test_nothing_is_remembered_of_what_is_released(fakes, ctx, queues, kernel):
    fakes[0].held = []
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    events = [kernel(queue, (16,), None, buffer, buffer[0:32]) for queue in (*queues, *queues)]
    cl.enqueue_marker(queues[1], [events[0]])
    fakes[0].held.pop()()
    del events, buffer
    kernel.set_args(None, None)
    gc.collect()
    keep = cl.enqueue_marker(queues[0])
    keep = cl.enqueue_marker(queues[0])
    gc.collect()
    router = ctx._session.connection._router
    ctx._session.connection._let_go()
    assert router.commands.memory == {}
    assert len(router.events) == 1
    assert router.events.home(keep._handle) == 0


def test_releasing_the_context_ends_all_sessions(fakes, ctx):
    assert ctx._session.is_open
    ctx.release()
    assert not any(fake.is_open for fake in fakes)


def test_a_fork_leaves_all_sessions_alone(fakes, ctx):
    ctx._session._keeper.disown()
    with pytest.raises(errors.SessionLost, match="belongs to process"):
        cl.CommandQueue(ctx)


# ---- threads -----------------------------------------------------------------------------------------


def test_a_long_write_to_one_node_delays_no_command_of_another(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, READ_WRITE, 64)
    is_writing, may_end = threading.Event(), threading.Event()
    post = fakes[0].post

    def slow(message, payload=None):
        if isinstance(message, m.EnqueueWriteBuffer):
            is_writing.set()
            assert may_end.wait(10)
        return post(message, payload)

    fakes[0].post = slow
    writer = threading.Thread(target=cl.enqueue_copy, args=(queues[0], buffer, DATA))
    writer.start()
    assert is_writing.wait(10)
    cl.enqueue_marker(queues[1])
    reader = threading.Thread(target=cl.enqueue_copy, args=(queues[1], np.empty_like(DATA), buffer))
    reader.start()
    may_end.set()
    writer.join(10)
    reader.join(10)
    write = only(fakes[0], m.EnqueueWriteBuffer)
    assert only(fakes[0], m.SendBuffer).wait_for == [write.event]
    assert fakes[0].posted.index(write) < fakes[0].posted.index(only(fakes[0], m.SendBuffer))


def test_threads_never_name_what_their_node_does_not_know_yet(fakes, ctx, queues):
    buffers = [cl.Buffer(ctx, COPY, hostbuf=DATA) for _ in range(4)]

    def use(number):
        for turn in range(200):
            queue, buffer = queues[(turn + number) % 2], buffers[(turn * 7 + number) % 4]
            event = cl.enqueue_fill_buffer(queue, buffer, b"a", 0, 4)
            cl.enqueue_barrier(queues[turn % 2], [event])

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for fake in fakes:
        known = set()
        for message in fake.posted:
            assert set(getattr(message, "wait_for", None) or ()) <= known
            known.add(getattr(message, "event", 0))
