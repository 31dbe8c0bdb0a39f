"""Events: what waits for what, how far a command is, and when it was where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import LogicError

from ..integration.wire_client import OUT_OF_ORDER, PROFILING, Client

Launch = Callable[..., int]


def done(client: Client, *events: int) -> bool:
    return all(client.state(event).status == 0 for event in events)


def test_a_complete_command_says_so(client: Client, context: int, queue: int) -> None:
    written = client.write(queue, client.buffer(context, 64), b"x" * 64)
    client.finish(queue)
    state = client.state(written)
    assert (state.status, state.times, state.failure) == (0, None, None)


def test_a_running_command_is_not_complete_until_it_is(
    client: Client, queue: int, spin: Launch, computes: bool
) -> None:
    event = spin(queue, 6)
    client.post(m.Flush(queue))
    assert not computes or client.state(event).status > 0
    assert client.wait(event)[0].status == 0
    assert client.state(event).status == 0


def test_waiting_for_a_complete_command_returns_at_once(client: Client, context: int, queue: int) -> None:
    event = client.fill(queue, client.buffer(context, 64), b"x", 64)
    client.finish(queue)
    assert [ended.status for ended in client.wait(event, event)] == [0, 0]


def test_profiling_times_are_in_order(client: Client, context: int, program: int, computes: bool) -> None:
    queue = client.queue(context, PROFILING)
    buffer, other = client.buffer(context, 200_000), client.buffer(context, 200_000)
    events = [
        client.write(queue, buffer, bytes(100)),
        client.write(queue, buffer, bytes(200_000)),
        client.fill(queue, buffer, b"\0", 100),
        client.copy(queue, buffer, other, 100),
        client.launch(queue, client.kernel(program, "twice"), [10], buffer),
        client.marker(queue),
    ]
    client.finish(queue)
    for times in [client.state(event).times for event in events]:
        assert times is not None
        assert len(times) == 4
        assert times == sorted(times), times


def test_an_answered_read_tells_its_times(client: Client, context: int) -> None:
    queue = client.queue(context, PROFILING)
    buffer = client.buffer(context, 200_000)
    for size in (100, 200_000):
        message = m.EnqueueReadBuffer(queue, buffer, 0, size, is_blocking=True)
        times = client.connection.read(message, memoryview(bytearray(size))).wait(30).times
        assert times == sorted(times or [0])


def test_a_watched_event_is_told_with_its_times(client: Client, context: int) -> None:
    queue = client.queue(context, PROFILING)
    (ended,) = client.wait(client.fill(queue, client.buffer(context, 64), b"x", 64))
    assert ended.times == sorted(ended.times or [0])


def test_a_wait_list_holds_across_queues(
    client: Client, context: int, queue: int, spin: Launch, computes: bool
) -> None:
    other = client.queue(context)
    buffer = client.buffer(context, content=b"before")
    held = spin(queue)
    client.write(other, buffer, b"after!", wait_for=[held])
    client.post(m.Flush(queue))
    client.finish(other)
    assert done(client, held)
    assert client.read(other, buffer, 6) == b"after!"


def test_wait_lists_may_overlap_and_repeat(client: Client, context: int) -> None:
    queue = client.queue(context, OUT_OF_ORDER)
    buffer = client.buffer(context, content=bytes(4))
    first = client.fill(queue, buffer, b"1", 1)
    second = client.fill(queue, buffer, b"2", 1, offset=1, wait_for=[first, first])
    third = client.fill(queue, buffer, b"3", 1, offset=2, wait_for=[second, first, second])
    assert client.read(queue, buffer, 4, wait_for=[third, first]) == b"123\0"


def test_an_out_of_order_queue_follows_its_wait_lists(
    client: Client, context: int, program: int, computes: bool
) -> None:
    queue = client.queue(context, OUT_OF_ORDER)
    buffer = client.buffer(context, content=(1).to_bytes(4, "little"))
    kernel, event = client.kernel(program, "twice"), client.marker(queue)
    for _ in range(20):
        event = client.launch(queue, kernel, [1], buffer, wait_for=[event])
    expected = 1 << 20 if computes else 1
    assert client.read(queue, buffer, 4, wait_for=[event]) == expected.to_bytes(4, "little")


def test_a_marker_with_a_list_waits_for_it(client: Client, context: int, queue: int, spin: Launch) -> None:
    other = client.queue(context, OUT_OF_ORDER)
    held = spin(queue)
    client.post(m.Flush(queue))
    assert client.wait(client.marker(other, wait_for=[held]))[0].status == 0
    assert done(client, held)


@pytest.mark.parametrize("properties", [0, OUT_OF_ORDER])
def test_a_marker_without_a_list_waits_for_all_before_it(
    client: Client, context: int, spin: Launch, properties: int
) -> None:
    queue = client.queue(context, properties)
    before = [spin(queue), client.fill(queue, client.buffer(context, 64), b"x", 64)]
    client.wait(client.marker(queue))
    assert done(client, *before)


def test_a_barrier_holds_later_commands_back(client: Client, context: int, queue: int, spin: Launch) -> None:
    other = client.queue(context, OUT_OF_ORDER)
    buffer = client.buffer(context, content=b"before")
    held = spin(queue)
    client.post(m.Flush(queue))
    client.barrier(other, wait_for=[held])
    written = client.write(other, buffer, b"after!")
    assert client.read(other, buffer, 6, wait_for=[written]) == b"after!"
    assert done(client, held)


@pytest.mark.parametrize("properties", [0, OUT_OF_ORDER])
def test_finish_waits_for_everything_in_the_queue(
    client: Client, context: int, spin: Launch, properties: int
) -> None:
    queue = client.queue(context, properties)
    events = [spin(queue), client.marker(queue), client.barrier(queue), spin(queue)]
    client.finish(queue)
    assert done(client, *events)


def test_an_empty_queue_finishes(client: Client, context: int) -> None:
    client.finish(client.queue(context))
    client.finish(client.queue(context, OUT_OF_ORDER))


def test_one_queue_finishes_while_another_is_at_work(
    client: Client, context: int, queue: int, spin: Launch, computes: bool
) -> None:
    other = client.queue(context)
    buffer = client.buffer(context, content=b"content")
    assert client.read(other, buffer, 7) == b"content"  # else NVIDIA brings it only once nothing runs
    held = spin(queue, 6)
    client.post(m.Flush(queue))
    assert client.read(other, buffer, 7) == b"content"
    client.finish(other)
    assert not computes or client.state(held).status > 0
    client.finish(queue)


def test_events_of_one_wait_are_told_as_each_is_complete(
    client: Client, context: int, queue: int, spin: Launch, computes: bool
) -> None:
    other, buffer = client.queue(context), client.buffer(context, 64)
    slow = spin(queue, 6)
    client.post(m.Flush(queue))
    quick = client.write(other, buffer, bytes(64))  # not a fill: NVIDIA's wait for other queues
    client.connection.watch([slow, quick])
    assert client.wait(quick)[0].status == 0
    assert not computes or client.connection.event_state(slow) is None
    assert client.wait(slow)[0].status == 0


def test_many_events_are_waited_for_at_once(client: Client, context: int, queue: int, spin: Launch) -> None:
    buffer = client.buffer(context, 64)
    events = [spin(queue)] + [client.fill(queue, buffer, b"x", 64) for _ in range(300)]
    assert {ended.status for ended in client.wait(*events)} == {0}


def test_a_released_event_is_unknown_and_what_waits_for_it_goes_on(
    client: Client, context: int, queue: int, spin: Launch
) -> None:
    held = spin(queue)
    marker = client.marker(client.queue(context), wait_for=[held])
    client.release(held)
    with pytest.raises(LogicError) as caught:
        client.state(held)
    assert caught.value.code == ErrorCode.INVALID_EVENT
    client.post(m.Flush(queue))
    assert client.wait(marker)[0].status == 0


def test_waiting_for_what_is_no_event_fails(client: Client, queue: int) -> None:
    (ended,) = client.wait(client.new())
    assert ended.status == ErrorCode.INVALID_EVENT
    assert ended.failure is not None


@pytest.mark.parametrize("bad", [999_999, -1, 0])
def test_wait_lists_with_what_is_no_event_are_refused(
    client: Client, context: int, queue: int, bad: int
) -> None:
    good = client.marker(queue)
    client.fill(queue, client.buffer(context, 64), b"x", 64, wait_for=[good, bad])
    error = client.failure()
    assert error.code == ErrorCode.INVALID_EVENT_WAIT_LIST
    assert str(bad) in error.what


def test_a_wait_list_as_long_as_allowed_works_and_one_longer_is_refused(client: Client, queue: int) -> None:
    limit = client.connection.limits.wait_list
    event = client.marker(queue)
    assert client.wait(client.marker(queue, wait_for=[event] * limit))[0].status == 0
    client.marker(queue, wait_for=[event] * (limit + 1))
    error = client.failure()
    assert error.code == ErrorCode.INVALID_EVENT_WAIT_LIST
    assert str(limit) in error.what
