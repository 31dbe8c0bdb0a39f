"""The SDK's asyncio calls against real pools: what waits, what is withdrawn, and that the loop goes on."""

import asyncio
import contextlib
import threading

import numpy as np
import pytest

import accelpool as cl
from accelpool import aio, errors

DEVICES = 4
DOUBLE = "kernel void twice(global int *a) { a[get_global_id(0)] *= 2; }"


@pytest.fixture
def broker(null_pool):
    with cl.connect(null_pool.url, null_pool.token) as broker:
        yield broker


@pytest.fixture
def full(broker, wait_until):
    """All devices are taken by this process."""
    wait_until(lambda: sum(device["state"] == "free" for device in broker.devices()) == DEVICES)
    held = [broker.acquire(wait=10) for _ in range(DEVICES)]
    yield held
    for ctx in held:
        ctx.release()


def states(broker):
    return {lease["id"]: lease["state"] for lease in broker.leases()}


def queued(broker):
    return sum(state == "queued" for state in states(broker).values())


async def until(is_so, timeout_s=60.0):
    """Return once something is so, looked at in a thread."""
    async with asyncio.timeout(timeout_s):
        while not await asyncio.to_thread(is_so):
            await asyncio.sleep(0.01)


class Ticker:
    """Counts turns of the loop, and its longest stop in seconds."""

    async def __aenter__(self):
        self.ticks, self.longest_s = 0, 0.0
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()

    async def _run(self):
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(0.001)
            self.ticks += 1
            self.longest_s = max(self.longest_s, clock() - before)


def test_an_async_with_block_gives_its_device_back(broker):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue = cl.CommandQueue(ctx)
            await aio.finish(queue)
            assert states(broker)[ctx.lease.id] == "active"
            return ctx.lease.id

    lease = asyncio.run(work())
    assert states(broker)[lease] == "released"


def test_an_awaited_context_is_released_by_hand(broker):
    async def work():
        ctx = await aio.acquire(broker=broker, wait=10)
        await aio.release(ctx)
        return ctx.lease.id

    lease = asyncio.run(work())
    assert states(broker)[lease] == "released"


def test_what_no_device_has_is_refused(broker):
    async def work():
        await aio.acquire(broker=broker, memory="500 TB")

    with pytest.raises(errors.Unsatisfiable):
        asyncio.run(work())
    with pytest.raises(errors.Invalid):
        asyncio.run(aio.acquire("toaster", broker=broker)._acquire())


def test_who_waits_is_served_as_soon_as_a_device_is_free_and_the_loop_goes_on(broker, full):
    async def work():
        async with Ticker() as ticker:
            waiting = asyncio.create_task(aio.acquire(broker=broker, wait=20)._acquire())
            await until(lambda: queued(broker) == 1)
            before = ticker.ticks
            await until(lambda: ticker.ticks > before + 20)
            await aio.release(full[0])
            await aio.release(await waiting)

    asyncio.run(work())
    assert queued(broker) == 0


def test_a_cancelled_task_withdraws_its_request(broker, full):
    async def work():
        waiting = asyncio.create_task(aio.acquire(broker=broker)._acquire())
        await until(lambda: queued(broker) == 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(work())
    assert queued(broker) == 0


def test_a_time_out_while_waiting_withdraws_the_request(broker, full):
    async def work():
        async with asyncio.timeout(0.3):
            await aio.acquire(broker=broker)

    with pytest.raises(TimeoutError):
        asyncio.run(work())
    assert queued(broker) == 0


def test_wait_limits_how_long_it_takes(broker, full):
    async def work():
        await aio.acquire(broker=broker, wait=0.2)

    with pytest.raises(errors.LeaseTimeout, match="position 1"):
        asyncio.run(work())
    assert queued(broker) == 0


def test_twenty_wait_for_devices_with_eight_threads_and_all_are_served(broker, full):
    def polling():
        return sum(thread.name.startswith("accelpool-poll") for thread in threading.enumerate())

    async def one():
        async with aio.acquire(broker=broker):
            return polling()

    async def work():
        tasks = [asyncio.create_task(one()) for _ in range(20)]
        await until(lambda: queued(broker) == 20)
        for ctx in full:
            await aio.release(ctx)
        return await asyncio.gather(*tasks)

    assert max(asyncio.run(work())) <= 8
    assert queued(broker) == 0


def test_a_task_that_is_cancelled_at_any_moment_keeps_no_lease(broker, wait_until):
    async def work(turns):
        task = asyncio.create_task(aio.acquire(broker=broker, wait=10)._acquire())
        for _ in range(turns):
            await asyncio.sleep(0.002)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await aio.release(await task)

    for turns in range(20):
        asyncio.run(work(turns))
    wait_until(lambda: not {"active", "queued"} & set(states(broker).values()))


def test_many_wait_for_events_with_one_thread_more(broker):
    def count():  # without those in which this test looks
        return sum(not thread.name.startswith("asyncio") for thread in threading.enumerate())

    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue = cl.CommandQueue(ctx)
            gate = cl.UserEvent(ctx)
            await aio.finish(queue)
            before = count()
            markers = [cl.enqueue_marker(queue, wait_for=[gate]) for _ in range(200)]
            async with Ticker() as ticker:
                waiting = [asyncio.ensure_future(marker) for marker in markers]
                await until(lambda: ticker.ticks > 20)
                assert count() <= before + 1
                assert not any(task.done() for task in waiting)
                gate.set_status(0)
                await asyncio.gather(*waiting)

    asyncio.run(work())


def test_more_finishes_than_threads_may_wait_for_what_another_task_does(broker):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue, gate = cl.CommandQueue(ctx), cl.UserEvent(ctx)
            cl.enqueue_marker(queue, wait_for=[gate])
            waiting = [asyncio.create_task(aio.finish(queue)) for _ in range(50)]
            await aio.finish(cl.CommandQueue(ctx))
            gate.set_status(0)
            await asyncio.gather(*waiting)

    asyncio.run(work())


def test_a_cancelled_wait_leaves_the_command_and_the_session_as_they_are(broker):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue, gate = cl.CommandQueue(ctx), cl.UserEvent(ctx)
            marker = cl.enqueue_marker(queue, wait_for=[gate])
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(marker, 0.05)
            gate.set_status(0)
            await marker
            assert marker.command_execution_status == cl.command_execution_status.COMPLETE

    asyncio.run(work())


def test_blocking_calls_go_on_beside_those_that_are_awaited(broker):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue, other, gate = cl.CommandQueue(ctx), cl.CommandQueue(ctx), cl.UserEvent(ctx)
            waiting = asyncio.ensure_future(cl.enqueue_marker(queue, wait_for=[gate]))
            await asyncio.sleep(0)
            for _ in range(100):
                other.finish()
            gate.set_status(0)
            await waiting

    asyncio.run(work())


def test_what_fails_says_so_where_it_is_awaited(broker):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue, gate = cl.CommandQueue(ctx), cl.UserEvent(ctx)
            marker = cl.enqueue_marker(queue, wait_for=[gate])
            gate.set_status(-5)
            with pytest.raises(cl.RuntimeError, match="EXEC_STATUS_ERROR"):
                await marker
            with pytest.raises(cl.LogicError, match="INVALID_VALUE"):
                await aio.wait_for_events([])

    asyncio.run(work())


def test_a_session_that_ends_ends_all_waits(broker):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue, gate = cl.CommandQueue(ctx), cl.UserEvent(ctx)
            waiting = [asyncio.ensure_future(cl.enqueue_marker(queue, wait_for=[gate])) for _ in range(5)]
            finishing = asyncio.create_task(aio.finish(queue))
            await asyncio.sleep(0.02)
            await aio.release(ctx)
            for task in (*waiting, finishing):
                with pytest.raises(errors.SessionLost, match="given back"):
                    await task

    asyncio.run(work())


def test_the_loop_goes_on_while_much_is_sent_and_read(broker):
    array = np.zeros(64 << 20, np.uint8)

    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            queue = cl.CommandQueue(ctx)
            buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, array.nbytes)
            async with Ticker() as ticker:
                await aio.enqueue_copy(queue, buffer, array)
                sent = ticker.ticks
                await aio.enqueue_copy(queue, array, buffer)
            assert sent > 1
            assert ticker.ticks > sent + 1

    asyncio.run(work())


def test_over_several_nodes_events_are_awaited_as_on_one(two_node_pool):
    async def work():
        with cl.connect(two_node_pool.url, two_node_pool.token) as broker:
            async with aio.acquire(broker=broker, count=3, wait=10) as ctx:
                queues = [cl.CommandQueue(ctx, device) for device in ctx.devices]
                gate = cl.UserEvent(ctx)
                markers = [cl.enqueue_marker(queue, wait_for=[gate]) for queue in queues]
                waiting = asyncio.create_task(aio.wait_for_events(markers))
                finishing = [asyncio.create_task(aio.finish(queue)) for queue in queues]
                await asyncio.sleep(0.02)
                assert not waiting.done()
                gate.set_status(0)
                await asyncio.gather(waiting, *finishing)
                buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, 8)
                await aio.enqueue_copy(queues[2], np.empty(8, np.uint8), buffer)

    asyncio.run(work())


@pytest.mark.opencl
def test_a_program_is_built_run_and_read_without_blocking(opencl_pool):
    async def work():
        with cl.connect(opencl_pool.url, opencl_pool.token) as broker:
            async with aio.acquire(broker=broker, wait=30) as ctx, Ticker() as ticker:
                program = await aio.build(cl.Program(ctx, DOUBLE))
                assert ticker.ticks > 1
                queue, values = cl.CommandQueue(ctx), np.arange(1000, dtype=np.int32)
                buffer = cl.Buffer(ctx, cl.mem_flags.READ_WRITE, values.nbytes)
                await aio.enqueue_copy(queue, buffer, values)
                await program.twice(queue, values.shape, None, buffer)
                found = np.empty_like(values)
                copy = await aio.enqueue_copy(queue, found, buffer, is_blocking=False)
                await copy
                assert np.array_equal(found, 2 * values)
                with pytest.raises(cl.RuntimeError, match="BUILD_PROGRAM_FAILURE"):
                    await aio.build(cl.Program(ctx, "kernel void no("))

    asyncio.run(work())
