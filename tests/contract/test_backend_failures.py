"""Posted commands that fail: each failure is named, sticks where it belongs, and surfaces once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, LogicError

from ..integration.wire_client import Client

UNKNOWN = 999_999


def failed_fill(client: Client, queue: int) -> tuple[int, int]:
    """Post a fill of no buffer; return its event and its number in the session."""
    event = client.new()
    return event, client.post(m.EnqueueFillBuffer(queue, UNKNOWN, b"x", 0, 1, event))


def test_a_failure_surfaces_at_finish_with_its_name_and_code_and_only_once(
    client: Client, queue: int
) -> None:
    _, number = failed_fill(client, queue)
    with pytest.raises(LogicError) as caught:
        client.finish(queue)
    assert caught.value.routine == "clEnqueueFillBuffer"
    assert caught.value.code == ErrorCode.INVALID_MEM_OBJECT
    assert f"command {number} (EnqueueFillBuffer)" in caught.value.what
    client.finish(queue)
    client.sync()


def test_a_failure_surfaces_at_the_next_read_of_its_queue(client: Client, context: int, queue: int) -> None:
    buffer = client.buffer(context, content=b"content")
    failed_fill(client, queue)
    with pytest.raises(LogicError, match="EnqueueFillBuffer"):
        client.read(queue, buffer, 7)
    assert client.read(queue, buffer, 7) == b"content"


def test_a_failure_stays_with_its_queue(client: Client, context: int, queue: int) -> None:
    other, buffer = client.queue(context), client.buffer(context, content=b"content")
    failed_fill(client, queue)
    client.finish(other)
    assert client.read(other, buffer, 7) == b"content"
    with pytest.raises(LogicError):
        client.finish(queue)


def test_a_failure_sticks_to_its_event_for_good(client: Client, queue: int) -> None:
    event, number = failed_fill(client, queue)
    for _ in range(2):
        (ended,) = client.wait(event)
        state = client.state(event)
        assert ended.status == state.status == ErrorCode.INVALID_MEM_OBJECT
        assert ended.failure == state.failure
        assert f"command {number} " in (state.failure or ["", ""])[1]


def test_a_failure_told_by_its_event_does_not_surface_again(client: Client, queue: int) -> None:
    event, _ = failed_fill(client, queue)
    client.wait(event)
    client.finish(queue)
    client.sync()


def test_what_waits_for_a_failed_command_fails_with_the_code_for_that(
    client: Client, context: int, queue: int
) -> None:
    event, number = failed_fill(client, queue)
    buffer, other = client.buffer(context, content=b"content"), client.queue(context)
    dependent = client.fill(other, buffer, b"x", 7, wait_for=[event])
    with pytest.raises(Error) as caught:
        client.finish(other)
    assert caught.value.code == ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
    assert f"command {number} " in caught.value.what
    assert client.state(dependent).status == ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
    assert client.read(other, buffer, 7) == b"content"


def test_a_chain_of_dependents_names_the_first_that_failed(client: Client, context: int, queue: int) -> None:
    event, number = failed_fill(client, queue)
    for _ in range(5):
        event = client.marker(queue, wait_for=[event])
    state = client.state(event)
    assert state.status == ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
    assert f"command {number} " in (state.failure or ["", ""])[1]


def test_a_read_that_waits_for_a_failed_command_fails(client: Client, context: int, queue: int) -> None:
    event, _ = failed_fill(client, queue)
    buffer, other = client.buffer(context, content=b"content"), client.queue(context)
    with pytest.raises(Error) as caught:
        client.read(other, buffer, 7, wait_for=[event])
    assert caught.value.code == ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST


@pytest.mark.parametrize("size", [10, 1 << 20])
def test_a_write_that_waits_for_a_failed_command_writes_nothing(
    client: Client, context: int, queue: int, size: int
) -> None:
    event, _ = failed_fill(client, queue)
    buffer, other = client.buffer(context, content=bytes(size)), client.queue(context)
    client.write(other, buffer, b"x" * size, wait_for=[event])
    with pytest.raises(Error) as caught:
        client.finish(other)
    assert caught.value.code == ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
    assert client.read(other, buffer, size) == bytes(size)


def test_the_event_of_a_read_refused_for_an_earlier_failure_failed_too(
    client: Client, context: int, queue: int
) -> None:
    failed_fill(client, queue)
    _, read, event = client.start_read(queue, client.buffer(context, 64), 64)
    with pytest.raises(LogicError):
        read.wait(30)
    assert client.state(event).status < 0


def test_the_handle_of_an_object_that_could_not_be_made_answers_with_the_first_failure(
    client: Client, context: int, queue: int
) -> None:
    buffer = client.buffer(context, 0)
    for _ in range(2):
        with pytest.raises(LogicError) as caught:
            client.read(queue, buffer, 1)
        assert caught.value.routine == "clCreateBuffer"
        assert caught.value.code == ErrorCode.INVALID_BUFFER_SIZE
    client.sync()


def test_nothing_made_with_an_object_that_could_not_be_made_hides_the_first_failure(client: Client) -> None:
    context = client.context([77])
    program = client.program(context, "source")
    with pytest.raises(LogicError) as caught:
        client.build(program)
    assert (caught.value.routine, caught.value.code) == ("clCreateContext", ErrorCode.INVALID_DEVICE)
    client.kernel(program, "name")
    assert client.failure().code == ErrorCode.INVALID_DEVICE
    client.sync()


def test_a_queue_that_could_not_be_made_answers_for_every_command(client: Client, context: int) -> None:
    queue = client.queue(context, device=5)
    assert client.failure().code == ErrorCode.INVALID_DEVICE
    for message in (m.Flush(queue), m.EnqueueMarker(queue), m.EnqueueBarrier(queue)):
        client.post(message)
        assert client.failure().code == ErrorCode.INVALID_DEVICE
    with pytest.raises(LogicError):
        client.finish(queue)


def test_failures_of_several_queues_surface_oldest_first(client: Client, context: int) -> None:
    queues = [client.queue(context) for _ in range(3)]
    numbers = [failed_fill(client, queue)[1] for queue in queues]
    found = client.failures()
    assert [f"command {number} " in error.what for number, error in zip(numbers, found, strict=True)] == [
        True
    ] * 3


def test_the_first_failure_of_a_queue_is_the_one_that_surfaces(client: Client, queue: int) -> None:
    _, number = failed_fill(client, queue)
    failed_fill(client, queue)
    with pytest.raises(LogicError, match=f"command {number} "):
        client.finish(queue)
    client.sync()


def test_a_failure_outlives_the_handle_of_its_queue(client: Client, queue: int) -> None:
    _, number = failed_fill(client, queue)
    client.release(queue)
    assert f"command {number} " in client.failure().what


@pytest.mark.parametrize("size", [1, 70_000, 3 << 20])
def test_the_payload_of_a_failed_write_is_skipped(
    client: Client, context: int, queue: int, size: int
) -> None:
    buffer = client.buffer(context, content=bytes(16))
    for target, offset in ((UNKNOWN, 0), (buffer, 16), (buffer, 1 << 50)):
        client.write(queue, target, b"\xff" * size, offset)
        client.write(queue, buffer, b"kept")
        assert len(client.failures()) == 1
        assert client.read(queue, buffer, 16) == b"kept" + bytes(12)


@pytest.mark.parametrize("said", [0, 1, 99, 101, 1 << 40, -1])
def test_content_of_another_size_than_said_is_skipped(
    client: Client, context: int, queue: int, said: int
) -> None:
    buffer = client.new()
    client.post(m.CreateBuffer(buffer, context, 1, said), b"x" * 100)
    error = client.failure()
    assert error.routine == "clCreateBuffer"
    assert client.read(queue, client.buffer(context, content=b"ok"), 2) == b"ok"


def test_a_write_without_content_is_refused(client: Client, context: int, queue: int) -> None:
    client.write(queue, client.buffer(context, 64), b"")
    assert client.failure().code == ErrorCode.INVALID_VALUE


POSTED: dict[str, tuple[Callable[[int], m.Message], int]] = {
    "context of a queue": (lambda new: m.CreateCommandQueue(new, UNKNOWN, 0), ErrorCode.INVALID_CONTEXT),
    "context of a buffer": (lambda new: m.CreateBuffer(new, UNKNOWN, 1, 4), ErrorCode.INVALID_CONTEXT),
    "context of source": (lambda new: m.CreateProgramWithSource(new, UNKNOWN, ""), ErrorCode.INVALID_CONTEXT),
    "buffer": (lambda new: m.CreateSubBuffer(new, UNKNOWN, 1, 0, 4), ErrorCode.INVALID_MEM_OBJECT),
    "program": (lambda new: m.CreateKernel(new, UNKNOWN, "a"), ErrorCode.INVALID_PROGRAM),
    "kernel": (lambda new: m.SetKernelArgs(UNKNOWN, 0, [b"a"]), ErrorCode.INVALID_KERNEL),
    "queue": (lambda new: m.EnqueueMarker(UNKNOWN, new), ErrorCode.INVALID_COMMAND_QUEUE),
    "queue of a launch": (
        lambda new: m.EnqueueNDRangeKernel(UNKNOWN, 1, [1]),
        ErrorCode.INVALID_COMMAND_QUEUE,
    ),
    "queue to flush": (lambda new: m.Flush(UNKNOWN), ErrorCode.INVALID_COMMAND_QUEUE),
}
SYNCHRONOUS = {
    "queue": (m.Finish(UNKNOWN), ErrorCode.INVALID_COMMAND_QUEUE),
    "queue of a read": (m.EnqueueReadBuffer(UNKNOWN, 1, 0, 1), ErrorCode.INVALID_COMMAND_QUEUE),
    "program": (m.BuildProgram(UNKNOWN, [0]), ErrorCode.INVALID_PROGRAM),
    "program of binaries": (m.GetProgramBinaries(UNKNOWN), ErrorCode.INVALID_PROGRAM),
    "event": (m.GetEvent(UNKNOWN), ErrorCode.INVALID_EVENT),
}


@pytest.mark.parametrize("case", POSTED)
def test_an_unknown_handle_is_refused_with_the_code_of_its_kind(client: Client, case: str) -> None:
    make, code = POSTED[case]
    client.post(make(client.new()))
    error = client.failure()
    assert error.code == code
    assert str(UNKNOWN) in error.what


@pytest.mark.parametrize("case", SYNCHRONOUS)
def test_an_unknown_handle_is_answered_with_the_code_of_its_kind(client: Client, case: str) -> None:
    message, code = SYNCHRONOUS[case]
    with pytest.raises(LogicError, match=str(UNKNOWN)) as caught:
        client.connection.call(message, 30)
    assert caught.value.code == code


@pytest.mark.parametrize("handle", [0, -1, -(1 << 63)])
def test_handles_of_new_objects_are_positive(client: Client, context: int, handle: int) -> None:
    client.post(m.CreateBuffer(handle, context, 1, 4))
    assert client.failure().code == ErrorCode.INVALID_VALUE


def test_a_handle_in_use_cannot_name_a_new_object_and_the_old_one_stays(
    client: Client, context: int, queue: int
) -> None:
    buffer = client.buffer(context, content=b"old")
    client.post(m.CreateBuffer(buffer, context, 1 | 32, 3), b"new")
    assert "in use" in client.failure().what
    assert client.read(queue, buffer, 3) == b"old"


def test_an_event_handle_in_use_is_refused_and_nothing_runs(client: Client, context: int, queue: int) -> None:
    buffer, taken = client.buffer(context, content=b"old"), client.marker(queue)
    client.post(m.EnqueueFillBuffer(queue, buffer, b"x", 0, 3, taken))
    client.post(m.EnqueueWriteBuffer(queue, buffer, 0, taken), b"new")
    assert "in use" in client.failure().what
    assert client.read(queue, buffer, 3) == b"old"
    assert client.state(taken).status == 0


def test_anything_is_released_in_any_order(client: Client, program: int) -> None:
    context = client.context()
    queue, buffer = client.queue(context), client.buffer(context, content=b"content!" * 512)
    region, kernel = client.sub_buffer(buffer, 0, 1024), client.kernel(program, "twice")
    event = client.fill(queue, region, b"x", 8)
    target, read, _ = client.start_read(queue, buffer, 16)
    client.release(context, buffer, region, kernel, queue, event, event, UNKNOWN, 0, -1)
    read.wait(30)
    assert target == b"x" * 8 + b"content!"
    client.sync()
