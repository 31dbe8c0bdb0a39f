"""The SDK over two real nodes: one lease, one context, buffers that go from node to node."""

import contextlib
import threading
from functools import partial

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors

SIZE = 1 << 20
SOURCE = """
__kernel void scale(__global const float *in, __global float *out) {
    size_t i = get_global_id(0); out[i] = 3 * in[i];
}
__kernel void shift(__global const float *in, __global float *out) {
    size_t i = get_global_id(0); out[i] = in[i] + i;
}
__kernel void add_one(__global float *a) { a[get_global_id(0)] += 1; }
__kernel void look(__read_only image1d_buffer_t pixels, __global float *out) {
    size_t i = get_global_id(0); out[i] = read_imagef(pixels, (int)i).x;
}
"""


@pytest.fixture
def broker(two_node_pool):
    with cl.connect(two_node_pool.url, two_node_pool.token) as broker:
        yield broker


def on_two_nodes(ctx):
    """Return a queue on each of a context's nodes."""
    devices = {device.node: device for device in ctx.devices}
    assert len(devices) == 2
    return [cl.CommandQueue(ctx, device) for device in devices.values()]


def finish_for_ever(queue):
    """Use a session until it is over."""
    while True:
        queue.finish()


def free(broker):
    return sum(device["state"] == "free" for device in broker.devices())


def test_more_devices_than_a_node_has_are_one_context_and_one_lease(broker, wait_until):
    with broker.acquire(count=3, wait=20) as ctx:
        assert [device.node for device in ctx.devices] == ["node-1", "node-1", "node-2"]
        assert free(broker) == 1
        for device in ctx.devices:
            with cl.CommandQueue(ctx, device) as queue:
                cl.enqueue_marker(queue)
        assert (ctx.round_trips, ctx.migrations) == (3, 0)
        assert cl.Context(ctx.devices[1:]).lease.id == ctx.lease.id
    wait_until(lambda: free(broker) == 4)


def test_devices_chosen_on_two_nodes_are_one_context(broker):
    (platform,) = broker.get_platforms()
    chosen = list({device.node: device for device in platform.get_devices()}.values())
    with cl.Context(chosen) as ctx:
        assert ctx.devices == chosen
        assert {queue.device.node for queue in on_two_nodes(ctx)} == {"node-1", "node-2"}
        assert cl.Context(chosen[1:]).lease.id == ctx.lease.id


def test_content_goes_from_node_to_node_and_the_agents_count_it(broker, two_node_pool, wait_until):
    content = np.random.default_rng(1).bytes(SIZE)
    with broker.acquire(count=3, wait=20) as ctx:
        queues = on_two_nodes(ctx)
        buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=content)
        for queue in queues:  # one of them is where the content is
            cl.enqueue_copy(queue, cl.Buffer(ctx, 0, SIZE), buffer).wait()
    logs = [two_node_pool.folder / f"agent-{number}.log" for number in (1, 2)]
    for came, went in ((0, SIZE), (SIZE, 0)):
        words = f"{came} came from other nodes and {went} went there"
        wait_until(partial(is_told_in_one_of, logs, f"lease {ctx.lease.id} is over", words))


def test_what_a_user_released_is_free_on_each_node_for_what_is_made_next(broker):
    with broker.acquire(count=3, memory=8 << 20, wait=20) as ctx:
        queues = on_two_nodes(ctx)
        for place in range(8):
            buffer = cl.Buffer(ctx, 0, 6 << 20)
            cl.enqueue_fill_buffer(queues[place // 2 % 2], buffer, np.uint8(1), 0, 16)
            buffer.release()
        for queue in queues:
            queue.finish()


def is_told(log, *words):
    """Say whether a line of a log has all these words."""
    return any(all(word in line for word in words) for line in log.read_text().splitlines())


def is_told_in_one_of(logs, *words):
    """Say whether a line of one of several logs has all these words."""
    return any(is_told(log, *words) for log in logs)


def test_a_lost_node_is_named_and_the_lease_ends(own_two_node_pool, wait_until):
    with cl.connect(own_two_node_pool.url, own_two_node_pool.token) as broker:
        ctx = broker.acquire(count=3, wait=20)
        queues = on_two_nodes(ctx)
        own_two_node_pool.agents[2].kill()
        with pytest.raises(errors.SessionLost, match="node node-2: "):
            finish_for_ever(queues[1])
        with pytest.raises(errors.AccelpoolError):
            finish_for_ever(queues[0])
        own_two_node_pool.start_agent(2)
        wait_until(lambda: free(broker) == 4)


@pytest.fixture(scope="module")
def opencl_ctx(two_node_opencl_pool):
    """A context over as many devices as it takes to have some of both nodes."""
    with contextlib.ExitStack() as stack:
        pool = two_node_opencl_pool
        broker = stack.enter_context(cl.connect(pool.url, pool.token))
        chosen = {}
        for platform in broker.get_platforms():
            for device in platform.get_devices():
                chosen.setdefault(device.node, device)
        yield stack.enter_context(cl.Context(list(chosen.values())))


@pytest.fixture(scope="module")
def program(opencl_ctx):
    return cl.Program(opencl_ctx, SOURCE).build("-cl-kernel-arg-info")


@pytest.mark.opencl
def test_a_pipeline_over_two_nodes_computes_what_numpy_does_past_the_client(opencl_ctx, program):
    ctx = opencl_ctx
    first, second = on_two_nodes(ctx)
    x = np.random.default_rng(1).random(SIZE, np.float32)
    flags = cl.mem_flags.READ_WRITE
    source = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=x)
    between, result = cl.Buffer(ctx, flags, x.nbytes), cl.Buffer(ctx, flags, x.nbytes)
    first.finish()
    stats, migrated = ctx._session.connection.stats, ctx.migrated_bytes
    before = stats.bytes_sent + stats.bytes_received
    scaled = program.scale(first, (SIZE,), None, source, between)
    program.shift(second, (SIZE,), None, between, result, wait_for=[scaled])
    second.finish()
    assert stats.bytes_sent + stats.bytes_received - before < x.nbytes / 100
    assert ctx.migrated_bytes - migrated == x.nbytes
    found = np.empty_like(x)
    cl.enqueue_copy(second, found, result)
    np.testing.assert_allclose(found, 3 * x + np.arange(SIZE, dtype=np.float32), rtol=1e-6)


@pytest.mark.opencl
def test_nodes_that_write_in_turn_see_what_the_other_wrote(opencl_ctx, program):
    queues = on_two_nodes(opencl_ctx)
    buffer = cl.Buffer(opencl_ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=np.zeros(SIZE, np.float32))
    before, last = opencl_ctx.migrations, []
    for turn in range(10):
        last = [program.add_one(queues[turn % 2], (SIZE,), None, buffer, wait_for=last)]
    found = np.empty(SIZE, np.float32)
    cl.enqueue_copy(queues[0], found, buffer, wait_for=last)
    assert (found == 10).all()
    assert opencl_ctx.migrations - before == 10


@pytest.mark.opencl
def test_an_image_over_a_buffer_is_on_each_node_what_the_buffer_is(opencl_ctx, program):
    queues = on_two_nodes(opencl_ctx)
    found = np.zeros(1024, np.float32)
    buffer = cl.Buffer(opencl_ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=found)
    pixel = cl.ImageFormat(cl.channel_order.R, cl.channel_type.FLOAT)
    image = cl.create_image(opencl_ctx, cl.mem_flags.READ_WRITE, pixel, (1024,), buffer=buffer)
    out, whole = cl.Buffer(opencl_ctx, 0, 4096), {"origin": (0,), "region": (1024,)}
    for queue, other in (queues, queues[::-1]):
        done = program.add_one(queue, (1024,), None, buffer)
        done = program.look(other, (1024,), None, image, out, wait_for=[done])
        cl.enqueue_copy(other, found, out)
        done = cl.enqueue_copy(other, image, found + 10, **whole)
        cl.enqueue_copy(queue, found, buffer, wait_for=[done])
    assert (found == 22).all()


@pytest.mark.opencl
def test_a_user_event_lets_both_nodes_go_on(opencl_ctx, program):
    queues, go = on_two_nodes(opencl_ctx), cl.UserEvent(opencl_ctx)
    buffers = [
        cl.Buffer(opencl_ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=np.zeros(8, np.float32)) for _ in queues
    ]
    events = [
        program.add_one(queue, (8,), None, buffer, wait_for=[go])
        for queue, buffer in zip(queues, buffers, strict=True)
    ]
    crossed = [cl.enqueue_marker(queue, events) for queue in queues]
    assert all(event.command_execution_status > 0 for event in events)
    go.set_status(0)
    cl.wait_for_events(crossed)


@pytest.mark.opencl
def test_a_failure_crosses_to_the_other_node_by_events_and_by_memory(opencl_ctx, program, wait_until):
    first, second = on_two_nodes(opencl_ctx)
    content = np.arange(8, dtype=np.float32)
    buffer = cl.Buffer(opencl_ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=content)
    never = cl.UserEvent(opencl_ctx)
    failed = program.add_one(first, (8,), None, buffer, wait_for=[never])
    by_event = cl.enqueue_marker(second, [failed])
    by_memory = program.add_one(second, (8,), None, buffer)
    never.set_status(-5)
    for event in (failed, by_event, by_memory):
        with pytest.raises(cl.RuntimeError) as caught:
            event.wait()
        assert caught.value.code == cl.status_code.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
    for queue in (first, second):
        wait_until(partial(is_usable, queue, buffer, content))


def is_usable(queue, buffer, content):
    """Write and read a buffer; say whether that went well."""
    found = np.empty_like(content)
    try:
        cl.enqueue_copy(queue, buffer, content)
        cl.enqueue_copy(queue, found, buffer)
    except cl.RuntimeError:  # what was sent from here has failed, and this process has not been told yet
        return False
    return np.array_equal(found, content)


@pytest.mark.opencl
def test_what_is_written_after_a_failure_gets_to_where_it_failed(opencl_ctx, program, wait_until):
    first, second = on_two_nodes(opencl_ctx)
    content = np.arange(8, dtype=np.float32)
    buffer = cl.Buffer(opencl_ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=content)
    never = cl.UserEvent(opencl_ctx)
    program.add_one(first, (8,), None, buffer, wait_for=[never])
    by_memory = program.add_one(second, (8,), None, buffer)
    never.set_status(-5)
    with pytest.raises(cl.RuntimeError):
        by_memory.wait()
    for turn in range(3):

        def arrives(content=content + turn):
            try:
                cl.enqueue_copy(first, buffer, content)
                found = np.empty_like(content)
                cl.enqueue_copy(second, found, buffer)
            except cl.RuntimeError:  # as above
                return False
            return np.array_equal(found, content)

        wait_until(arrives)


@pytest.mark.opencl
def test_threads_on_both_nodes_share_what_they_read(opencl_ctx, program):
    source = cl.Buffer(opencl_ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=np.arange(64, dtype=np.float32))
    results = {}

    def work(number, queue):
        for turn in range(50):
            out, found = cl.Buffer(opencl_ctx, 0, 256), np.empty(64, np.float32)
            program.scale(queue, (64,), None, source, out)
            cl.enqueue_copy(queue, found, out)
            results[number, turn] = found

    threads = [
        threading.Thread(target=work, args=(number, queue))
        for number, queue in enumerate(on_two_nodes(opencl_ctx) * 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 200
    assert all((found == 3 * np.arange(64)).all() for found in results.values())
