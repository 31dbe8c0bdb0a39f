"""Contexts over several nodes: what is made where, and which content goes from node to node."""

import numpy as np
import pytest

import accelpool as cl
from accelpool.spanning.accesses import ACCESSES
from accelpool.testing import built, fake_spanning_context, kernel_info
from accelpool_wire import messages as m

from .spanning_rig import COPY, DATA, READ_WRITE, forget, only


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


# ---- objects -----------------------------------------------------------------------------------------


def test_a_context_is_made_on_every_node_with_the_devices_there(fakes, ctx):
    for fake in fakes:
        assert fake.posted == [m.CreateContext(ctx._handle, [0])]
    assert [device.node for device in ctx.devices] == ["fake-node-0", "fake-node-1"]


def test_a_context_over_some_of_the_devices_is_made_where_they_are(fakes, ctx):
    forget(*fakes)
    other = cl.Context(ctx.devices[1:])
    cl.Buffer(other, 0, 64)
    assert fakes[0].posted == []
    assert [type(message) for message in fakes[1].posted] == [m.CreateContext, m.CreateBuffer]


def test_a_queue_is_made_on_the_node_of_its_device(fakes, ctx):
    forget(*fakes)
    queue = cl.CommandQueue(ctx, ctx.devices[1])
    assert fakes[0].posted == []
    assert fakes[1].posted == [m.CreateCommandQueue(queue._handle, ctx._handle, 0, 0)]
    queue.finish()
    assert (fakes[0].asked, fakes[1].asked) == ([], [m.Finish(queue._handle)])
    assert ctx.round_trips == 1


# ---- buffers -----------------------------------------------------------------------------------------


def test_a_buffer_without_content_is_made_where_it_is_first_used(fakes, ctx, queues):
    forget(*fakes)
    buffer = cl.Buffer(ctx, READ_WRITE, 64)
    assert fakes[0].posted == fakes[1].posted == []
    cl.enqueue_fill_buffer(queues[1], buffer, b"a", 0, 32)
    assert fakes[0].posted == []
    assert fakes[1].posted[0] == m.CreateBuffer(buffer._handle, ctx._handle, READ_WRITE, 64)
    assert fakes[1].posted[1].wait_for is None


def test_the_first_content_goes_to_the_first_node_at_once(fakes, ctx):
    forget(*fakes)
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    assert fakes[0].posted == [m.CreateBuffer(buffer._handle, ctx._handle, COPY, 64)]
    assert fakes[0].payloads == [DATA.tobytes()]
    assert fakes[1].posted == []


def test_content_goes_from_node_to_node_when_it_is_first_read_elsewhere(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    forget(*fakes)
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    sender, send = fakes[0].posted
    made, receiver, receive = fakes[1].posted
    assert sender == m.CreateCommandQueue(sender.queue, ctx._handle, 0)
    assert made == m.CreateBuffer(buffer._handle, ctx._handle, 0, 64)
    assert send == m.SendBuffer(
        sender.queue, buffer._handle, 0, 64, "127.0.0.1", 10, "fake", send.ticket, send.event, None
    )
    assert receive == m.ReceiveBuffer(receiver.queue, buffer._handle, 0, 64, send.ticket, receive.event, None)
    assert len(send.ticket) == 32
    assert fakes[1].asked[-1].wait_for == [receive.event]
    assert (ctx.migrations, ctx.migrated_bytes) == (1, 64)


def test_what_was_written_on_one_node_is_sent_once_it_is_there(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, READ_WRITE, 64)
    write = cl.enqueue_copy(queues[0], buffer, DATA[:4])
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert only(fakes[0], m.SendBuffer).wait_for == [write._handle]


def test_content_that_is_everywhere_is_not_sent_again(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    for _ in range(2):
        for queue in queues:
            cl.enqueue_copy(queue, np.empty_like(DATA), buffer)
    assert ctx.migrations == 1


def test_who_writes_in_turn_has_the_content_sent_each_time(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    first = cl.enqueue_fill_buffer(queues[0], buffer, b"a", 0, 4)
    second = cl.enqueue_fill_buffer(queues[1], buffer, b"b", 4, 4)
    there = only(fakes[0], m.SendBuffer)
    forget(*fakes)
    cl.enqueue_fill_buffer(queues[0], buffer, b"c", 8, 4)
    back, receive = only(fakes[1], m.SendBuffer), only(fakes[0], m.ReceiveBuffer)
    assert back.wait_for[-1] == second._handle
    assert set(receive.wait_for) == {first._handle, there.event}
    assert fakes[0].posted[-1].wait_for == [receive.event]


def test_a_write_waits_for_what_is_being_sent_and_a_read_does_not(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    sent = only(fakes[0], m.SendBuffer).event
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert fakes[0].asked[-1].wait_for is None
    cl.enqueue_fill_buffer(queues[0], buffer, b"a", 0, 4)
    assert fakes[0].posted[-1].wait_for == [sent]
    fakes[0].endings[sent] = m.EventDone(sent, 0)
    cl.enqueue_fill_buffer(queues[0], buffer, b"a", 0, 4)
    assert fakes[0].posted[-1].wait_for is None


@pytest.mark.parametrize(
    "overwrite",
    [
        lambda queue, buffer: cl.enqueue_copy(queue, buffer, DATA),
        lambda queue, buffer: cl.enqueue_fill_buffer(queue, buffer, b"a", 0, 64),
        lambda queue, buffer: cl.enqueue_copy(queue, buffer[0:64], DATA),
    ],
)
def test_what_is_overwritten_as_a_whole_is_not_sent(fakes, ctx, queues, overwrite):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    overwrite(queues[1], buffer)
    assert ctx.migrations == 0
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert only(fakes[1], m.SendBuffer).buffer == buffer._handle


def test_a_hint_brings_content_ahead_of_the_command_that_needs_it(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    cl.enqueue_migrate_mem_objects(queues[1], [buffer])
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert ctx.migrations == 1


def test_a_hint_that_the_content_may_be_lost_brings_nothing(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    cl.enqueue_migrate_mem_objects(queues[1], [buffer], cl.mem_migration_flags.CONTENT_UNDEFINED)
    cl.enqueue_fill_buffer(queues[1], buffer, b"a", 0, 4)
    assert ctx.migrations == 0
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert only(fakes[1], m.SendBuffer).buffer == buffer._handle


def test_a_hint_that_a_region_may_be_lost_brings_nothing_and_loses_nothing_else(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=np.zeros(64, np.float32))
    undefined = cl.mem_migration_flags.CONTENT_UNDEFINED
    cl.enqueue_migrate_mem_objects(queues[1], [buffer.get_sub_region(128, 128)], undefined)
    assert ctx.migrations == 0
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert only(fakes[0], m.SendBuffer).buffer == buffer._handle


def test_a_copy_between_buffers_has_its_source_sent_and_its_target_if_it_is_larger(fakes, ctx, queues):
    source, target = cl.Buffer(ctx, COPY, hostbuf=DATA), cl.Buffer(ctx, COPY, hostbuf=DATA)
    larger = cl.Buffer(ctx, COPY, hostbuf=np.arange(32, dtype=np.float32))
    cl.enqueue_copy(queues[1], target, source)
    assert only(fakes[0], m.SendBuffer).buffer == source._handle
    cl.enqueue_copy(queues[1], larger, target)
    assert [message.buffer for message in fakes[0].posted if isinstance(message, m.SendBuffer)] == [
        source._handle,
        larger._handle,
    ]


def test_a_region_is_where_its_whole_is(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY, hostbuf=np.zeros(64, np.float32))
    region = buffer.get_sub_region(128, 128)
    forget(*fakes)
    cl.enqueue_fill_buffer(queues[1], region, b"a", 0, 128)
    assert [type(message) for message in fakes[1].posted[:2]] == [m.CreateBuffer, m.CreateSubBuffer]
    assert fakes[1].posted[1] == m.CreateSubBuffer(region._handle, buffer._handle, 0, 128, 128)
    assert only(fakes[0], m.SendBuffer).size == 256
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert only(fakes[1], m.SendBuffer).size == 256


def test_host_access_flags_do_not_hinder_migrations(fakes, ctx, queues):
    buffer = cl.Buffer(ctx, COPY | cl.mem_flags.HOST_NO_ACCESS | cl.mem_flags.READ_ONLY, hostbuf=DATA)
    assert fakes[0].posted[-1].flags == COPY | cl.mem_flags.READ_ONLY
    cl.enqueue_copy(queues[1], np.empty_like(DATA), buffer)
    assert only(fakes[1], m.CreateBuffer).flags == cl.mem_flags.READ_ONLY


# ---- kernels -----------------------------------------------------------------------------------------


def test_a_kernel_leaves_its_const_arguments_valid_everywhere(fakes, ctx, queues, kernel):
    out, source = cl.Buffer(ctx, COPY, hostbuf=DATA), cl.Buffer(ctx, COPY, hostbuf=DATA)
    kernel(queues[1], (16,), None, out, source)
    assert ctx.migrations == 2
    kernel(queues[0], (16,), None, cl.Buffer(ctx, READ_WRITE, 64), source)
    assert ctx.migrations == 2
    kernel(queues[0], (16,), None, cl.Buffer(ctx, READ_WRITE, 64), out)
    assert ctx.migrations == 3


def test_a_kernel_waits_for_all_that_arrives(fakes, ctx, queues, kernel):
    out, source = cl.Buffer(ctx, COPY, hostbuf=DATA), cl.Buffer(ctx, COPY, hostbuf=DATA)
    event = kernel(queues[1], (16,), None, out, source)
    arrivals = [message.event for message in fakes[1].posted if isinstance(message, m.ReceiveBuffer)]
    launch = fakes[1].posted[-1]
    assert launch.wait_for == arrivals
    assert (launch.event, launch.args) == (event._handle, [out._handle, source._handle])


def test_a_buffer_used_twice_by_a_launch_is_sent_once_and_written(fakes, ctx, queues, kernel):
    buffer = cl.Buffer(ctx, COPY, hostbuf=DATA)
    kernel(queues[1], (16,), None, buffer, buffer)
    assert ctx.migrations == 1
    cl.enqueue_copy(queues[0], np.empty_like(DATA), buffer)
    assert ctx.migrations == 2


@pytest.mark.parametrize(("flags", "migrations"), [(READ_WRITE, 2), (cl.mem_flags.READ_ONLY, 1)])
def test_where_nothing_is_known_of_arguments_they_are_written_unless_read_only(
    fakes, ctx, queues, flags, migrations
):
    for fake in fakes:
        fake.answers[m.BuildProgram] = built(m.KernelInfo("work", 1, "", [], []))
    buffer = cl.Buffer(ctx, COPY | flags, hostbuf=DATA)
    kernel = cl.Program(ctx, "source").build().work
    for queue in queues[::-1]:
        kernel(queue, (16,), None, buffer)
    assert ctx.migrations == migrations


# ---- messages ----------------------------------------------------------------------------------------

OF_CONNECTIONS = {m.Release, m.WatchEvents, m.SendBuffer, m.ReceiveBuffer, m.GetProgramBinaries}
# Arguments go along with each launch; SVM, addresses and attributes need one node.
NOT_USED = {m.SetKernelArgs, m.CreateSVM, m.GetBufferAddress, m.CreateVariableBuffer, m.SetKernelAttribute}


def test_every_message_that_the_sdk_sends_has_its_route(ctx):
    connection = ctx._session.connection
    routed = {*connection._router._makers, *ACCESSES, m.EnqueueNDRangeKernel}
    asked = {*connection._asks.askers}
    assert {*m.kinds(m.Posted), *m.kinds(m.Synchronous)} == routed | asked | OF_CONNECTIONS | NOT_USED
