"""User events: what waits for them waits, and the session goes on whatever they keep waiting."""

from __future__ import annotations

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

from ..integration.wire_client import OUT_OF_ORDER, Client
from ..integration.worker_rig import Target, Worker

SUBMITTED, QUEUED = 2, 3
FAILED_WAIT = ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
LARGE = 1 << 20


def user_event(client: Client, context: int) -> int:
    event = client.new()
    client.post(m.CreateUserEvent(event, context))
    return event


def set_status(client: Client, event: int, status: int = 0) -> None:
    client.post(m.SetUserEventStatus(event, status))
    client.connection.flush()


def test_a_user_event_is_submitted_until_it_is_set(client: Client, context: int) -> None:
    event = user_event(client, context)
    assert client.state(event).status == SUBMITTED
    set_status(client, event)
    assert client.state(event).status == 0


def test_a_watched_user_event_is_told_when_it_is_set(client: Client, context: int) -> None:
    events = [user_event(client, context) for _ in range(50)]
    client.connection.watch(events)
    for event in reversed(events):
        set_status(client, event)
        assert client.wait(event)[0].status == 0


@pytest.mark.parametrize("properties", [0, OUT_OF_ORDER])
def test_commands_wait_for_it_and_what_waits_for_those(client: Client, context: int, properties: int) -> None:
    queue = client.queue(context, properties)
    buffer, event = client.buffer(context, content=bytes(8)), user_event(client, context)
    filled = client.fill(queue, buffer, b"x", 4, wait_for=[event])
    written = client.write(queue, buffer, b"yy", wait_for=[filled])
    target, read, _ = client.start_read(queue, buffer, 8, wait_for=[written])
    assert client.state(written).status in (SUBMITTED, QUEUED)
    assert not read.is_done
    set_status(client, event)
    read.wait(30)
    assert bytes(target) == b"yyxx\0\0\0\0"


def test_finish_and_a_second_wait_leave_the_connection_free(client: Client, context: int, queue: int) -> None:
    client.finish(queue)  # this wait was short, so that the next would be done in the session's own thread
    client.finish(queue)
    event = user_event(client, context)
    marker = client.marker(queue, [event])
    client.connection.watch([marker])
    answer = m.Finish(queue)
    with pytest.raises(Exception, match="no answer"):
        client.connection.call(answer, 0.2)
    set_status(client, event)
    client.finish(queue)
    assert client.wait(marker)[0].status == 0


def test_what_does_not_wait_for_it_goes_on(client: Client, context: int, queue: int) -> None:
    other, event = client.queue(context), user_event(client, context)
    client.marker(queue, [event])
    buffer = client.buffer(context, LARGE)
    client.write(other, buffer, b"z" * LARGE)
    assert client.read(other, buffer, LARGE) == b"z" * LARGE
    client.finish(other)
    set_status(client, event)
    client.finish(queue)


def test_out_of_order_only_what_waits_for_it_waits(client: Client, context: int, target: Target) -> None:
    if target.platform == "NVIDIA CUDA":
        pytest.skip("its out-of-order queues hold back what follows a marker, which OpenCL allows")
    queue, event = client.queue(context, OUT_OF_ORDER), user_event(client, context)
    held = client.marker(queue, [event])
    free = client.fill(queue, client.buffer(context, 64), b"x", 64)
    assert client.wait(free)[0].status == 0
    barrier = client.barrier(queue)
    behind = client.fill(queue, client.buffer(context, 64), b"x", 64)
    client.sync()
    assert all(client.state(waiting).status > 0 for waiting in (held, barrier, behind))
    set_status(client, event)
    assert [ended.status for ended in client.wait(held, barrier, behind)] == [0, 0, 0]


def test_several_must_all_be_set(client: Client, context: int, queue: int) -> None:
    events = [user_event(client, context) for _ in range(3)]
    marker = client.marker(queue, events)
    after = client.marker(queue, [marker])
    for event in events[1:]:
        set_status(client, event)
    assert client.state(after).status > 0
    set_status(client, events[0])
    assert client.wait(after)[0].status == 0


def test_a_negative_status_fails_what_waits_for_it(client: Client, context: int) -> None:
    queue = client.queue(context, OUT_OF_ORDER)
    buffer, event = client.buffer(context, content=b"before"), user_event(client, context)
    filled = client.fill(queue, buffer, b"x", 6, wait_for=[event])
    after = client.marker(queue, [filled])
    set_status(client, event, ErrorCode.OUT_OF_RESOURCES)
    ended, filled_ended, after_ended = client.wait(event, filled, after)
    assert ended.status == ErrorCode.OUT_OF_RESOURCES
    assert (filled_ended.status, after_ended.status) == (FAILED_WAIT, FAILED_WAIT)
    assert filled_ended.failure is not None
    assert f"user event {event} was set to -5" in filled_ended.failure[1]
    assert client.read(client.queue(context), buffer, 6) == b"before"


def test_a_read_behind_a_failed_one_fails(client: Client, context: int, queue: int) -> None:
    event = user_event(client, context)
    buffer = client.buffer(context, 64)
    _, early, _ = client.start_read(queue, buffer, 64, wait_for=[event])
    set_status(client, event, -1)
    _, late, _ = client.start_read(queue, buffer, 64, wait_for=[event])
    for read in (early, late):
        with pytest.raises(Error) as caught:
            read.wait(30)
        assert caught.value.code == FAILED_WAIT
    client.failures()


@pytest.mark.parametrize(("status", "code"), [
    (1, ErrorCode.INVALID_VALUE), (-(1 << 31) - 1, ErrorCode.INVALID_VALUE),
    ((1 << 64) - 1, ErrorCode.INVALID_VALUE), (-(1 << 63), ErrorCode.INVALID_VALUE),
])  # fmt: skip
def test_a_status_that_is_none_is_refused(client: Client, context: int, status: int, code: int) -> None:
    event = user_event(client, context)
    set_status(client, event, status)
    assert client.failure().code == code
    set_status(client, event, -(1 << 31))
    assert client.state(event).status == -(1 << 31)
    client.failures()


def test_it_is_set_once(client: Client, context: int) -> None:
    event = user_event(client, context)
    set_status(client, event)
    set_status(client, event, -5)
    assert client.failure().code == ErrorCode.INVALID_OPERATION
    assert client.state(event).status == 0


def test_only_user_events_are_set(client: Client, context: int, queue: int) -> None:
    for event in (client.marker(queue), 0, 1 << 40, -1):
        set_status(client, event)
        assert client.failure().code == ErrorCode.INVALID_EVENT


def test_its_handle_is_new_and_its_context_known(client: Client, context: int) -> None:
    event = user_event(client, context)
    client.post(m.CreateUserEvent(event, context))
    assert client.failure().code == ErrorCode.INVALID_VALUE
    user_event(client, 1 << 40)
    assert client.failure().code == ErrorCode.INVALID_CONTEXT
    set_status(client, event)


def test_one_released_before_it_is_set_fails_what_waits_for_it(
    client: Client, context: int, queue: int
) -> None:
    event = user_event(client, context)
    marker = client.marker(queue, [event])
    client.release(event)
    assert client.wait(marker)[0].status == FAILED_WAIT
    client.failures()


def test_objects_are_released_behind_one_that_is_not_set(client: Client, context: int) -> None:
    queue, buffer, event = client.queue(context), client.buffer(context, LARGE), user_event(client, context)
    written = client.write(queue, buffer, b"x" * LARGE, wait_for=[event])
    client.release(written, buffer, queue)
    client.sync()
    set_status(client, event)
    client.sync()


@pytest.mark.parametrize("is_released", [False, True])
def test_a_session_ends_with_one_that_is_not_set(target: Target, is_released: bool) -> None:
    with Worker(target) as worker:
        with worker.connect() as connection:
            client = Client(connection)
            context = client.context()
            queue, event = client.queue(context), user_event(client, context)
            buffer = client.buffer(context, LARGE)
            client.write(queue, buffer, b"x" * LARGE, wait_for=[event])
            client.start_read(queue, buffer, LARGE)
            client.connection.watch([client.marker(queue)])
            if is_released:
                client.release(queue, buffer, context)
            client.sync()
        assert worker.ended().cause == "goodbye"
        assert worker.process.returncode == 0


def test_rectangles_wait_for_it_as_well(client: Client, context: int, queue: int) -> None:
    event, buffer, target = (
        user_event(client, context),
        client.buffer(context, content=bytes(64)),
        bytearray(4),
    )
    client.post(m.EnqueueWriteBufferRect(queue, buffer, [2, 1, 0], [2, 2, 1], 8, 0, 0, [event]), b"abcd")
    message = m.EnqueueReadBufferRect(queue, buffer, [2, 1, 0], [2, 2, 1], 8)
    read = client.connection.read(message, memoryview(target))
    client.sync()
    assert not read.is_done
    set_status(client, event)
    read.wait(30)
    assert bytes(target) == b"abcd"


# ---- migration -------------------------------------------------------------------------------------------


def test_migrated_content_stays_what_it_is(client: Client, context: int, queue: int) -> None:
    buffers = [client.buffer(context, content=bytes([value] * 64)) for value in (1, 2)]
    event = client.new()
    client.post(m.EnqueueMigrateMemObjects(queue, buffers, 0, event))
    assert client.wait(event)[0].status == 0
    assert [client.read(queue, buffer, 1) for buffer in buffers] == [b"\1", b"\2"]


@pytest.mark.parametrize(("count", "flags"), [(0, 0), (1, 4), (1, -1), (1, 1 << 63), (4097, 0)])
def test_a_migration_of_nothing_or_too_much_is_refused(
    client: Client, context: int, queue: int, count: int, flags: int
) -> None:
    buffer = client.buffer(context, 64)
    client.post(m.EnqueueMigrateMemObjects(queue, [buffer] * count, flags))
    assert client.failure().code == ErrorCode.INVALID_VALUE


def test_a_migration_of_what_is_no_buffer_is_refused(client: Client, context: int, queue: int) -> None:
    client.post(m.EnqueueMigrateMemObjects(queue, [client.buffer(context, 64), 1 << 40]))
    assert client.failure().code == ErrorCode.INVALID_MEM_OBJECT
