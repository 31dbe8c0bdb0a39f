"""`accelpool.aio.map` on real pools: order, what chunks may be, and that a cancelled one leaves nothing."""

import asyncio
import contextlib
import os
import threading

import numpy as np
import pytest

import accelpool as cl
from accelpool import aio, errors

SAME = "kernel void same(global const int *a, global int *b) {}"
ADD = """kernel void add(global const int *a, int b, global int *c) {
    c[get_global_id(0)] = a[get_global_id(0)] + b;
}"""
ZEROS = np.zeros(10, np.int32)


@pytest.fixture
def broker(null_pool):
    with cl.connect(null_pool.url, null_pool.token) as broker:
        yield broker


def threads():
    return [one.name for one in threading.enumerate() if one.name.startswith("accelpool-map")]


async def chunks_of(count):
    for number in range(count):
        await asyncio.sleep(0)
        yield np.arange(100, dtype=np.int32), number


async def results_of(kernel, chunks, ctx, **options):
    return [result async for result in aio.map(kernel, chunks, over=ctx, **options)]


@pytest.mark.opencl
@pytest.mark.parametrize("is_asynchronous", [True, False])
def test_results_come_in_the_chunks_order(two_node_opencl_pool, is_asynchronous):
    pool, told = two_node_opencl_pool, []

    async def work(broker):
        async with (
            aio.acquire("cpu", broker=broker, wait=60) as one,
            aio.acquire("cpu", broker=broker, wait=60) as two,
        ):
            chunks = chunks_of(20) if is_asynchronous else [each async for each in chunks_of(20)]
            return await results_of(ADD, chunks, (one, two), fill=like, progress=tell)

    def like(chunk):
        return np.empty_like(chunk[0])

    def tell(*so_far):
        told.append(so_far)

    with cl.connect(pool.url, pool.token) as broker:
        found = asyncio.run(work(broker))
    assert [int(result[0]) for result in found] == list(range(20))
    assert told[-1] == (20, None if is_asynchronous else 20)
    assert len(found) == 20


def test_no_more_chunks_are_drawn_than_the_window_has_room_for(broker):
    drawn = []

    async def chunks():
        for number in range(1000):
            drawn.append(number)
            yield ZEROS

    async def work():
        async with (
            aio.acquire(broker=broker, wait=10) as ctx,
            aio.map(SAME, chunks(), over=ctx, fill=np.empty_like) as found,
        ):
            await anext(found)
            await anext(found)

    asyncio.run(work())
    assert 2 <= len(drawn) <= 2 + 3 * 2


def test_the_loop_goes_on_while_a_chunk_is_made(broker):
    has_result = threading.Event()

    def chunks():
        yield ZEROS
        assert has_result.wait(30)
        yield ZEROS

    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            async for _ in aio.map(SAME, chunks(), over=ctx, fill=np.empty_like):
                asyncio.get_running_loop().call_later(0.01, has_result.set)

    asyncio.run(work())


def test_what_the_chunks_raise_is_raised(broker):
    async def chunks():
        yield ZEROS
        raise KeyError("no more")

    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            await results_of(SAME, chunks(), ctx, fill=np.empty_like)

    with pytest.raises(KeyError, match="no more"):
        asyncio.run(work())


def test_a_chunk_that_fails_says_which_one_it_is(broker, wait_until):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            await results_of(SAME, [ZEROS, object()], ctx, fill=lambda _: np.empty(10, np.int32))

    with pytest.raises(errors.ChunkFailed, match="chunk 1: "):
        asyncio.run(work())
    wait_until(lambda: not threads())


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 50, 200, 1000])
def test_cancelled_at_any_moment_it_leaves_no_lease_no_thread_and_no_socket(broker, wait_until, turns):
    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            is_begun.set()
            async with aio.map(SAME, endless(), over=ctx, fill=np.empty_like) as found:
                async for _ in found:
                    pass

    async def endless():
        while True:
            yield ZEROS

    async def cancelled():
        nonlocal is_begun
        is_begun = asyncio.Event()
        task = asyncio.create_task(work())
        await is_begun.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    def sockets():
        links = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
        return sum(os.readlink(link).startswith("socket:") for link in links if os.path.islink(link))

    is_begun = None
    others = {lease["id"] for lease in broker.leases()}  # the connection to the broker stays
    before = sockets()
    asyncio.run(cancelled())
    wait_until(lambda: not threads())
    assert {lease["state"] for lease in broker.leases() if lease["id"] not in others} == {"released"}
    wait_until(lambda: sockets() <= before)


def test_who_waits_for_a_result_is_cancelled_while_the_next_chunk_is_not_there(broker, wait_until):
    async def chunks():
        try:
            yield ZEROS
            is_waiting.set()
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def work():
        async with aio.acquire(broker=broker, wait=10) as ctx:
            running = asyncio.create_task(results_of(SAME, chunks(), ctx, fill=np.empty_like))
            await is_waiting.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            await aio.finish(cl.CommandQueue(ctx))  # the context is as usable as before

    ended, is_waiting = [], asyncio.Event()
    asyncio.run(work())
    assert ended == [True]
    wait_until(lambda: not threads())
