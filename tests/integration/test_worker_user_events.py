"""What a session does while user events are unset: it serves on, and waits for nothing behind them."""

from __future__ import annotations

import threading

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from ..conftest import wait_until
from .scripted_device import BUFFER, CONTEXT, LARGE, QUEUE, SHARE_BYTES, Device, fill, read

USER, OTHER_QUEUE = 70, 4


@pytest.fixture
def held() -> Device:
    """A device whose queue waits for a user event."""
    return hold(Device())


def hold(device: Device) -> Device:
    device.say(m.CreateCommandQueue(OTHER_QUEUE, CONTEXT, 0))
    device.say(m.CreateUserEvent(USER, CONTEXT))
    device.backend.is_holding = True
    device.say(m.EnqueueMarker(QUEUE, 71, [USER]))
    return device


def set_it(device: Device, status: int = 0) -> None:
    device.say(m.SetUserEventStatus(USER, status))
    device.end_all()


def in_time(device: Device, message: m.Message, payload: bytes = b"") -> int:
    """Carry a message out in a thread, so that a session that hangs fails the test and not the run."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(device.say(message, payload)), daemon=True)
    thread.start()
    thread.join(60)
    assert found, f"{type(message).__name__} hangs"
    return found[0]


def write(size: int, event: int = 0, queue: int = QUEUE) -> tuple[m.EnqueueWriteBuffer, bytes]:
    return m.EnqueueWriteBuffer(queue, BUFFER, 0, event), b"x" * size


def test_the_watchdog_does_not_count_what_waits_for_a_user_event(held: Device) -> None:
    held.say(m.Finish(QUEUE))
    held.say(read())
    held.say(m.WatchEvents([71, USER]))
    assert held.session.completion.oldest_s() == 0
    held.say(m.SetUserEventStatus(USER, 0))
    assert held.session.completion.oldest_s() > 0
    held.end_all()


def test_a_queue_whose_waits_were_short_does_not_keep_the_connection(held: Device) -> None:
    held.end_all()
    for _ in range(3):
        held.ask(m.Finish(OTHER_QUEUE))
        held.say(fill(queue=OTHER_QUEUE))
    held.backend.is_holding = True
    held.say(fill(queue=OTHER_QUEUE))
    finish = in_time(held, m.Finish(OTHER_QUEUE))
    assert held.find(finish) is None
    set_it(held)
    assert held.answer_to(finish) == m.Done(finish)


def test_a_failure_at_the_user_event_answers_finish(held: Device) -> None:
    finish = held.say(m.Finish(QUEUE))
    held.say(m.SetUserEventStatus(USER, -1))
    held.end_all()
    answer = held.answer_to(finish)
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST


def test_a_large_write_behind_it_is_staged(held: Device) -> None:
    held.say(*write(LARGE))
    assert len(held.backend.running) == 2
    set_it(held)
    assert isinstance(held.ask(m.Finish(QUEUE)), m.Done)


def test_writes_behind_it_beyond_the_limit_are_refused() -> None:
    device = hold(Device(staged_bytes=150_000))
    in_time(device, *write(LARGE))
    refused = in_time(device, *write(LARGE, event=72))
    state = device.ask(m.GetEvent(72))
    assert isinstance(state, m.EventState)
    assert state.status == ErrorCode.OUT_OF_RESOURCES
    set_it(device)
    assert refused
    device.say(*write(LARGE))
    assert isinstance(device.ask(m.Finish(QUEUE)), m.Done)


def test_writes_that_do_not_wait_for_it_find_room_all_the_same() -> None:
    device = hold(Device(staged_bytes=150_000))
    in_time(device, *write(LARGE))
    device.backend.is_holding = False
    for size in (LARGE, 4, 60_000):
        in_time(device, *write(size, queue=OTHER_QUEUE))
    finish = in_time(device, m.Finish(OTHER_QUEUE))
    assert device.answer_to(finish) == m.Done(finish)
    set_it(device)


def test_reads_behind_it_beyond_the_limit_are_refused() -> None:
    device = hold(Device(staged_bytes=150_000))
    first = in_time(device, read(LARGE, is_blocking=True))
    answer = device.answer_to(in_time(device, read(LARGE)))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.OUT_OF_RESOURCES
    set_it(device)
    assert isinstance(device.answer_to(first), m.Data)
    assert isinstance(device.ask(read(LARGE)), m.Data)


def test_a_blocking_read_behind_it_does_not_hold_its_queue(held: Device) -> None:
    first = held.say(read(LARGE, is_blocking=True))
    in_time(held, fill())
    set_it(held)
    assert isinstance(held.answer_to(first), m.Data)


def test_memory_behind_it_is_not_waited_for(held: Device) -> None:
    size = SHARE_BYTES - 200_000
    held.say(m.CreateBuffer(50, CONTEXT, 1, size))
    held.say(fill(buffer=50))
    held.say(m.Release([50]))
    in_time(held, m.CreateBuffer(51, CONTEXT, 1, size))
    answer = held.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE
    set_it(held)
    held.say(m.CreateBuffer(52, CONTEXT, 1, size))
    assert isinstance(held.ask(m.Sync()), m.Done)


def test_watches_behind_it_take_no_thread_from_others() -> None:
    device = hold(Device(pending=2))
    for event in range(100, 140):
        device.say(m.EnqueueMarker(QUEUE, event))
        device.say(m.WatchEvents([event]))
    device.say(fill(event=90, queue=OTHER_QUEUE))
    device.say(m.WatchEvents([90]))
    device.backend.running[-1].end()
    wait_until(lambda: device.events_done() == [90])
    set_it(device)
    wait_until(lambda: len(device.events_done()) == 41)


def test_a_long_chain_behind_it_is_let_go(held: Device) -> None:
    for event in range(1000, 6000):
        held.say(m.CreateUserEvent(event, CONTEXT))
        held.say(m.EnqueueMarker(QUEUE, event + 10_000, [event, USER]))
    finish = held.say(m.Finish(QUEUE))
    for event in range(1000, 6000):
        held.say(m.SetUserEventStatus(event, 0))
    assert held.find(finish) is None
    set_it(held)
    assert held.answer_to(finish) == m.Done(finish)


def test_a_read_that_was_never_enqueued_holds_nothing(held: Device) -> None:
    held.say(fill(buffer=99, queue=OTHER_QUEUE))
    refused = held.say(m.EnqueueReadBuffer(OTHER_QUEUE, BUFFER, 0, 4, 0, [USER]))
    assert isinstance(held.answer_to(refused), m.Failed)
    assert isinstance(held.ask(m.Finish(OTHER_QUEUE)), m.Done)
    set_it(held)
