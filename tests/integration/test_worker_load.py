"""A worker under load: many threads and queues, both directions full, a client that does as it likes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accelpool_wire import messages as m

from .raw_client import RawClient, frame
from .wire_client import OUT_OF_ORDER, Client
from .worker_rig import NULL_TARGET, Worker

MIB = 1 << 20
THREADS = 4


@pytest.fixture
def client() -> Iterator[Client]:
    with Worker(NULL_TARGET) as worker, worker.connect() as connection:
        yield Client(connection)


def together(work: Callable[[int], None], count: int = THREADS) -> None:
    """Do something in several threads at once."""
    with ThreadPoolExecutor(count) as threads:
        for result in [threads.submit(work, number) for number in range(count)]:
            result.result(60)


def test_threads_with_a_queue_each_do_not_disturb_each_other(client: Client) -> None:
    context = client.context()

    def work(number: int) -> None:
        queue, buffer = client.queue(context), client.buffer(context, 100_000)
        for turn in range(20):
            content = bytes([number * 20 + turn]) * 100_000
            written = client.write(queue, buffer, content)
            assert client.read(queue, buffer, 100_000) == content
            assert client.wait(written)[0].status == 0
            client.finish(queue)

    together(work)


@pytest.mark.parametrize("properties", [0, OUT_OF_ORDER])
def test_threads_that_share_a_queue_get_each_their_own_answers(client: Client, properties: int) -> None:
    context = client.context()
    queue = client.queue(context, properties)

    def work(number: int) -> None:
        content = bytes([number]) * 70_000
        buffer = client.buffer(context, content=content)
        for _ in range(50):
            assert client.read(queue, buffer, 70_000) == content

    together(work)


def test_big_transfers_both_ways_at_once_do_not_lock_up(client: Client) -> None:
    context, size = client.context(), 32 * MIB
    content = bytes(range(256)) * (size // 256)
    source = client.buffer(context, content=content)

    def work(number: int) -> None:
        queue = client.queue(context)
        if number % 2:
            buffer = client.buffer(context, size)
            for _ in range(3):
                client.write(queue, buffer, content)
            assert client.read(queue, buffer, size) == content
        else:
            for _ in range(3):
                assert client.read(queue, source, size) == content

    together(work)


def test_reads_asked_for_all_at_once_come_while_writes_go(client: Client) -> None:
    context = client.context()
    queue, other = client.queue(context), client.queue(context)
    buffer, sink = client.buffer(context, content=b"x" * 4 * MIB), client.buffer(context, 4 * MIB)
    reads = []
    for _ in range(30):
        reads.append(client.start_read(queue, buffer, 4 * MIB))
        client.write(other, sink, bytes(4 * MIB))
    for target, read, _ in reads:
        read.wait(30)
        assert target == b"x" * 4 * MIB
    assert client.read(other, sink, 10) == bytes(10)


def test_a_client_that_sends_much_before_it_reads_gets_everything_in_the_end() -> None:
    with Worker(NULL_TARGET) as worker, RawClient.open(worker) as raw:
        size = 8 * MIB
        raw.say(m.CreateContext(1, [0]), m.CreateBuffer(2, 1, 1, size), m.CreateCommandQueue(3, 1, 0))
        sender = threading.Thread(
            target=raw.send,
            args=(
                (
                    frame(m.EnqueueReadBuffer(3, 2, 0, size))
                    + frame(m.EnqueueWriteBuffer(3, 2, 0), bytes(size))
                )
                * 4,
            ),
        )
        sender.start()
        answers = [raw.receive() for _ in range(4)]
        sender.join(10)
        assert [message.command for message, _ in answers] == [4, 6, 8, 10]
        assert {payload for _, payload in answers} == {bytes(size)}


def test_launches_by_the_thousand_arrive_and_are_counted(client: Client) -> None:
    context = client.context()
    program = client.program(context, "__kernel void nop(__global int *a, int b) {}")
    client.build(program)
    kernel, queue, buffer = client.kernel(program, "nop"), client.queue(context), client.buffer(context, 64)
    trips = client.connection.stats.round_trips
    for number in range(5000):
        client.launch(queue, kernel, [1], buffer, number.to_bytes(4, "little"))
    client.finish(queue)
    assert client.connection.stats.round_trips == trips + 1


def test_binaries_and_answers_reach_the_thread_that_asked(client: Client) -> None:
    context = client.context()

    def work(number: int) -> None:
        source = f"__kernel void nop{number}(__global int *a) {{}}"
        for _ in range(20):
            program = client.program(context, source)
            assert [kernel.name for kernel in client.build(program).kernels] == [f"nop{number}"]
            assert client.connection.fetch_binaries(program) == [source.encode()]

    together(work)
