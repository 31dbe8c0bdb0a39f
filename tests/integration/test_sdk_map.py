"""`accelpool.map` on real pools: order, sharing, failures, lost sessions, memory."""

import threading

import numpy as np
import pytest

import accelpool as cl
from accelpool import errors
from accelpool_kernels import twins

ADD = """kernel void add(global const int *a, int b, global int *c) {
    c[get_global_id(0)] = a[get_global_id(0)] + b;
}"""
SAME = "kernel void same(global const int *a, global int *b) {}"


def like(chunk):
    return np.empty_like(chunk[0] if isinstance(chunk, tuple) else chunk)


def chunks_of(count, size=1000):
    return [(np.arange(size, dtype=np.int32), number) for number in range(count)]


@pytest.fixture
def broker(null_pool):
    with cl.connect(null_pool.url, null_pool.token) as broker:
        yield broker


@pytest.fixture(scope="module")
def two_contexts(two_node_opencl_pool):
    with (
        cl.connect(two_node_opencl_pool.url, two_node_opencl_pool.token) as broker,
        broker.acquire("cpu", wait=60) as one,
        broker.acquire("cpu", wait=60) as two,
    ):
        yield one, two


@pytest.mark.opencl
def test_results_come_in_the_chunks_order_whichever_device_has_them(two_contexts):
    told = []
    found = cl.map(
        ADD, chunks_of(40), over=two_contexts, fill=like, progress=lambda *so_far: told.append(so_far)
    )
    for number, result in enumerate(found):
        assert np.array_equal(result, np.arange(1000) + number)
    assert number == 39
    assert told[-1] == (40, 40)


def test_all_devices_take_chunks_at_the_same_time(broker):
    all_at_it = threading.Barrier(
        2, timeout=30
    )  # a device that had all chunks would wait for the other for ever

    def fill(chunk):
        all_at_it.wait()
        return np.empty_like(chunk)

    with broker.acquire(wait=10) as one, broker.acquire(wait=10) as two:
        chunks = [np.arange(1000, dtype=np.int32)] * 10
        found = cl.map(SAME, chunks, over=(one, two), fill=fill, in_flight=1)
        assert len(list(found)) == 10
        size = chunks[0].nbytes
        assert [context.stats.bytes_received // size for context in (one, two)] == [5, 5]


@pytest.mark.opencl
def test_unordered_results_are_the_same_ones(two_contexts):
    found = cl.map(ADD, chunks_of(20), over=two_contexts, fill=like, unordered=True)
    assert sorted(int(result[0]) for result in found) == list(range(20))


@pytest.mark.opencl
def test_a_kernel_of_the_library_knows_what_it_fills(two_contexts):
    x = np.linspace(0, 1, 100, dtype=np.float32)
    found = list(cl.map("saxpy", [(100, float(a), x, 1 - x) for a in range(5)], over=two_contexts[0]))
    for a, y in enumerate(found):
        assert np.allclose(y, twins.saxpy(100, np.float32(a), x, 1 - x), atol=1e-6)
    (sums,) = cl.map("vector_add", [(100, x, x)], over=two_contexts)
    assert np.array_equal(sums, x + x)


@pytest.mark.opencl
def test_a_program_that_does_not_build_is_told_at_the_first_result(two_contexts):
    with pytest.raises(cl.RuntimeError, match="BUILD_PROGRAM_FAILURE"):
        next(cl.map("kernel void no(", chunks_of(3), over=two_contexts, fill=like))


def test_a_chunk_that_fails_says_which_one_it_is(broker):
    chunks = [np.zeros(10, np.int32), object(), np.zeros(10, np.int32)]
    with broker.acquire(wait=10) as ctx:
        found = cl.map(SAME, chunks, over=ctx, fill=lambda _: np.empty(10, np.int32))
        with pytest.raises(errors.ChunkFailed, match="chunk 1: ") as caught:
            list(found)
        assert caught.value.index == 1
        assert caught.value.__cause__ is not None
        cl.CommandQueue(ctx).finish()  # the context is as usable as before


@pytest.mark.parametrize("error", [KeyError, SystemExit])
def test_what_the_chunks_raise_is_raised(broker, error):
    def chunks():
        yield np.zeros(10, np.int32)
        raise error("no more")

    with broker.acquire(wait=10) as ctx, pytest.raises(error, match="no more"):
        list(cl.map(SAME, chunks(), over=ctx, fill=like))


def test_no_more_chunks_are_taken_than_the_window_has_room_for(broker):
    taken = []

    def chunks():
        for number in range(1000):
            taken.append(number)
            yield np.zeros(10, np.int32)

    with broker.acquire(count=2, wait=10) as ctx, cl.map(SAME, chunks(), over=ctx, fill=like) as found:
        next(found)
        assert len(taken) <= 13
        next(found)
    assert len(taken) <= 14
    assert not [thread for thread in threading.enumerate() if thread.name == "accelpool-map"]


@pytest.mark.parametrize("devices", [1, 2])
def test_a_result_is_given_out_while_the_next_chunk_is_still_made(broker, devices):
    has_result, waited = threading.Event(), []

    def chunks():
        yield np.zeros(10, np.int32)
        waited.append(has_result.wait(10))
        yield np.zeros(10, np.int32)

    with broker.acquire(count=devices, wait=10) as ctx:
        for _ in cl.map(SAME, chunks(), over=ctx, fill=like):
            has_result.set()
    assert waited == [True]


def test_a_map_is_left_while_the_next_chunk_is_still_made(broker):
    is_over = threading.Event()

    def chunks():
        yield np.zeros(10, np.int32)
        assert is_over.wait(30)

    with broker.acquire(wait=10) as ctx:
        with cl.map(SAME, chunks(), over=ctx, fill=like) as found:
            next(found)
        is_over.set()


@pytest.mark.parametrize("attempts", [1, 2])
def test_a_lost_session_s_chunks_are_done_elsewhere_only_if_that_was_said(
    own_two_node_pool, attempts, wait_until
):
    with cl.connect(own_two_node_pool.url, own_two_node_pool.token) as broker:
        wait_until(lambda: all(device["state"] == "free" for device in broker.devices()))
        contexts = [broker.acquire(wait=20, where=f'device.node == "node-{n}"') for n in (1, 2)]
        gate = cl.UserEvent(contexts[0])

        def chunks():
            for number in range(40):
                if number == 20:
                    contexts[0]._session.connection._channel.shut_down()
                yield np.zeros(10, np.int32)

        found = cl.map(SAME, chunks(), over=contexts, fill=like, attempts=attempts)
        if attempts == 2:
            assert len(list(found)) == 40
        else:
            with pytest.raises(errors.ChunkFailed) as caught:
                list(found)
            assert isinstance(caught.value.__cause__, errors.ProblemError)
        del gate
        for context in contexts:
            context.release()


def test_without_any_session_left_the_map_ends(broker):
    def chunks():
        yield np.zeros(10, np.int32)
        ctx.release()
        yield np.zeros(10, np.int32)

    ctx = broker.acquire(wait=10)
    with pytest.raises(errors.AccelpoolError):
        list(cl.map(SAME, chunks(), over=ctx, fill=like, attempts=5))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel": SAME}, "fill is needed"),
        ({"kernel": "saxpy", "fill": like}, "the library knows"),
        ({"kernel": SAME, "fill": like, "attempts": 0}, "one attempt"),
    ],
)
def test_what_is_not_possible_is_refused_at_once(broker, arguments, words):
    with broker.acquire(wait=10) as ctx, pytest.raises((TypeError, ValueError), match=words):
        cl.map(arguments.pop("kernel"), [], over=ctx, **arguments)
