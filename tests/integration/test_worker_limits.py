"""How much a session holds at once: waits, objects, staged bytes, memory on its way back."""

from __future__ import annotations

import threading

import pytest

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import IMAGE2D

from ..conftest import wait_until
from .scripted_device import BUFFER, CONTEXT, LARGE, QUEUE, SHARE_BYTES, Device, failure, fill, read

# ---- many waits at once ----------------------------------------------------------------------------------


def test_watched_events_do_not_keep_answers_waiting() -> None:
    device = Device(pending=2)
    device.say(m.CreateCommandQueue(4, CONTEXT, 0))
    device.backend.is_holding = True
    for event in range(60, 80):
        device.say(fill(event=event))
        device.say(m.WatchEvents([event]))
    device.say(fill(queue=4))
    finish = device.say(m.Finish(4))
    device.backend.running[-1].end()
    assert isinstance(device.answer_to(finish), m.Done)
    assert device.events_done() == []
    device.end_all()
    wait_until(lambda: sorted(device.events_done()) == list(range(60, 80)))


def test_each_watched_event_is_told_once_as_soon_as_it_is_over(device: Device) -> None:
    device.backend.is_holding = True
    for event in (60, 61, 62):
        device.say(fill(event=event))
    device.say(m.WatchEvents([60, 61, 62]))
    device.say(m.WatchEvents([61]))
    device.backend.running[2].end()
    wait_until(lambda: device.events_done() == [62])
    device.backend.running[1].end()
    wait_until(lambda: device.events_done() == [62, 61])
    device.end_all()
    wait_until(lambda: device.events_done() == [62, 61, 60])


def test_events_beyond_the_watchers_are_told_in_turn(device: Device) -> None:
    device.backend.is_holding = True
    events = list(range(60, 160))
    for event in events:
        device.say(fill(event=event))
    device.say(m.WatchEvents(events))
    for running in device.backend.running:
        running.end()
    wait_until(lambda: sorted(device.events_done()) == events)


def test_a_queue_that_does_not_flush_hides_no_event(device: Device) -> None:
    device.say(fill(event=60))
    device.backend.raising["flush"] = failure(ErrorCode.OUT_OF_RESOURCES)
    device.say(m.WatchEvents([60]))
    assert device.events_done() == [60]


def test_a_watch_of_too_many_events_is_refused() -> None:
    device = Device(handles=10)
    device.say(m.WatchEvents(list(range(100, 111))))
    assert isinstance(device.ask(m.Sync()), m.Failed)


# ---- limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message", [
    m.CreateContext(50, [0]), m.CreateCommandQueue(50, CONTEXT, 0), m.CreateBuffer(50, CONTEXT, 1, 4),
    m.CreateProgramWithSource(50, CONTEXT, ""),
], ids=lambda message: type(message).__name__)  # fmt: skip
def test_more_objects_than_the_limit_are_refused(message: m.Message) -> None:
    device = Device(handles=4)
    field = next(iter(message.__struct_fields__))
    for handle in range(50, 60):
        values = {name: getattr(message, name) for name in message.__struct_fields__}
        device.say(type(message)(**{**values, field: handle}))
    answer = device.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.OUT_OF_RESOURCES
    assert "limit is 4" in answer.what


def test_more_events_than_the_limit_are_refused_before_anything_runs() -> None:
    device = Device(handles=4)
    for event in range(60, 70):
        device.say(fill(event=event))
    assert len(device.backend.running) == 4
    answer = device.ask(m.Finish(QUEUE))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.OUT_OF_RESOURCES


def test_failed_commands_leave_no_more_events_than_the_limit() -> None:
    device = Device(handles=4)
    for event in range(60, 70):
        device.say(fill(event=event, buffer=99))
    states = [device.ask(m.GetEvent(event)) for event in range(60, 70)]
    codes = [state.status if isinstance(state, m.EventState) else state.code for state in states]
    assert codes == [ErrorCode.INVALID_MEM_OBJECT] * 4 + [ErrorCode.INVALID_EVENT] * 6


@pytest.mark.parametrize("size", [1000, LARGE])
def test_staged_writes_beyond_the_limit_wait_for_the_oldest(size: int) -> None:
    device = Device(staged_bytes=size + 10)
    device.backend.is_holding = True
    device.say(m.EnqueueMarker(QUEUE))
    write = m.EnqueueWriteBuffer(QUEUE, BUFFER, 0)
    device.say(write, b"x" * size)
    second = threading.Thread(target=device.say, args=(write, b"y" * size))
    second.start()
    second.join(0.05)
    assert second.is_alive()
    device.backend.running[1].end()
    second.join(5)
    assert not second.is_alive()
    device.end_all()


def test_staged_reads_beyond_the_limit_wait_until_earlier_ones_are_sent() -> None:
    device = Device(staged_bytes=LARGE + 10)
    device.backend.is_holding = True
    first = device.say(read(LARGE))
    second = threading.Thread(target=device.say, args=(read(LARGE),))
    second.start()
    second.join(0.05)
    assert second.is_alive()
    device.backend.running[0].end()
    assert isinstance(device.answer_to(first), m.Data)
    second.join(5)
    assert not second.is_alive()
    device.end_all()
    wait_until(lambda: len(device.answers) == 2)


def test_a_read_larger_than_the_staging_limit_is_possible() -> None:
    device = Device(staged_bytes=1000)
    assert isinstance(device.ask(read(LARGE)), m.Data)
    assert isinstance(device.ask(read(LARGE)), m.Data)


# ---- memory of released buffers --------------------------------------------------------------------------


def test_released_memory_is_given_out_once_the_commands_before_the_release_are_over(device: Device) -> None:
    rest = (1 << 24) - 200_000
    device.backend.is_holding = True
    device.say(fill())
    device.say(m.Release([BUFFER]))
    device.say(m.CreateBuffer(50, CONTEXT, 1, rest))
    create = threading.Thread(target=device.say, args=(m.CreateBuffer(51, CONTEXT, 1, 200_000),))
    create.start()
    create.join(0.05)
    assert create.is_alive()
    device.backend.running[0].end()
    create.join(5)
    assert isinstance(device.ask(m.Sync()), m.Done)


def test_memory_that_would_not_be_enough_is_not_waited_for(device: Device) -> None:
    device.backend.is_holding = True
    device.say(fill())
    device.say(m.Release([BUFFER]))
    device.say(m.CreateBuffer(50, CONTEXT, 1, (1 << 24) + 1))
    answer = device.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE


def test_a_released_queue_still_holds_the_memory_its_commands_use(device: Device) -> None:
    device.backend.is_holding = True
    device.say(fill())
    device.say(m.Release([QUEUE, BUFFER]))
    create = threading.Thread(target=device.say, args=(m.CreateBuffer(50, CONTEXT, 1, 1 << 24),))
    create.start()
    create.join(0.05)
    assert create.is_alive()
    device.end_all()
    create.join(5)
    assert isinstance(device.ask(m.Sync()), m.Done)


def test_a_kernel_with_more_arguments_than_the_limit_is_refused() -> None:
    device = Device(kernel_args=2)
    device.say(m.CreateProgramWithSource(70, CONTEXT, "__kernel void k(int a, int b, int c) {}"))
    assert isinstance(device.answer_to(device.say(m.BuildProgram(70, [0]))), m.Built)
    device.say(m.CreateKernel(71, 70, "k"))
    refused = device.answer_to(device.say(m.Sync()))
    assert isinstance(refused, m.Failed)
    assert refused.code == ErrorCode.OUT_OF_RESOURCES
    assert "has 3 arguments; the limit is 2" in refused.what


# ---- memory of images ------------------------------------------------------------------------------------


IMAGE = m.CreateImage(50, CONTEXT, 1, IMAGE2D, m.ImageFormat(0x10B5, 0x10DA), [100, 10, 1])


def padded(device: Device) -> None:
    """Have the device take 1000 bytes more for each image than its pixels have."""
    device.backend.image_size = lambda image, layout: layout.size + 1000  # type: ignore[method-assign]  # on it


def test_an_image_takes_and_gives_back_what_the_driver_takes(device: Device) -> None:
    before = device.shares[0].used_bytes
    padded(device)
    device.say(IMAGE)
    assert device.shares[0].used_bytes == before + 5000
    device.say(m.Release([50]))
    assert device.shares[0].used_bytes == before


def test_an_image_that_its_padding_makes_too_large_is_refused_and_takes_nothing(device: Device) -> None:
    before = device.shares[0].used_bytes
    device.say(m.CreateBuffer(51, CONTEXT, 1, SHARE_BYTES - before - 4999))
    padded(device)
    device.say(IMAGE)
    answer = device.ask(m.Sync())
    assert isinstance(answer, m.Failed)
    assert (answer.routine, answer.code) == ("clCreateImage", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE)
    device.say(m.Release([50, 51]))
    assert device.shares[0].used_bytes == before


def test_an_image_whose_size_is_not_told_is_refused_and_takes_nothing(device: Device) -> None:
    before = device.shares[0].used_bytes
    device.backend.raising["image_size"] = failure(ErrorCode.OUT_OF_RESOURCES)
    device.say(IMAGE)
    assert isinstance(device.ask(m.Sync()), m.Failed)
    assert device.shares[0].used_bytes == before
