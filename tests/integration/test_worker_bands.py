"""Transfers larger than may be staged: when they wait, what follows them, and how they fail."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import msgspec
import pytest

from accelpool_node.control import Cause, Ended
from accelpool_node.worker.objects import Share
from accelpool_node.worker.service import Service
from accelpool_node.worker.session import Session
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from ..conftest import wait_until
from .raw_client import HELLO, RawClient, frame
from .scripted_device import (
    BUFFER,
    CONTEXT,
    LARGE,
    QUEUE,
    SHARE_BYTES,
    Device,
    ScriptedBackend,
    failure,
    fill,
    read,
)

START = [0, 0, 0]
LIMIT = 40_000  # of four bands
BANDS = [10_000] * (LARGE // 10_000)
Connected: TypeAlias = tuple[RawClient, ScriptedBackend, Future[Ended]]
CONTENT = bytes(number % 251 for number in range(LARGE))
WRITE = m.EnqueueWriteBufferRect(QUEUE, BUFFER, START, [LARGE, 1, 1], event=60)
READ = m.EnqueueReadBufferRect(QUEUE, BUFFER, START, [LARGE, 1, 1], event=61)


@pytest.fixture
def device() -> Device:
    return Device(staged_bytes=LIMIT)


def running(device: Device) -> int:
    return len([event for event in device.backend.running if event.status > 0])


# ---- writes ----------------------------------------------------------------------------------------------


def test_a_write_waits_for_its_bands_once_there_is_no_room_for_another(device: Device) -> None:
    device.backend.is_holding = True
    write = threading.Thread(target=device.say, args=(WRITE, CONTENT))
    write.start()
    for ended in range(len(BANDS) - 4):
        wait_until(lambda: running(device) == 4)
        assert write.is_alive()
        device.backend.running[ended].end()
    write.join(5)
    assert not write.is_alive()
    device.end_all()
    answer = device.answer_to(device.say(READ))
    assert isinstance(answer, m.Data)
    assert device.contents[answer.command] == CONTENT


def test_the_event_of_a_write_is_that_of_all_its_bands(device: Device) -> None:
    device.say(m.EnqueueMarker(QUEUE, event=70))
    device.backend.is_holding = True
    small = m.EnqueueWriteBufferRect(QUEUE, BUFFER, START, [LIMIT + 1, 1, 1], event=60)
    write = threading.Thread(target=device.say, args=(small, CONTENT[: LIMIT + 1]))
    write.start()
    wait_until(lambda: running(device) == 4)
    device.backend.running[1].end()
    write.join(5)
    state = device.ask(m.GetEvent(60))
    assert isinstance(state, m.EventState)
    assert state.status > 0
    device.say(m.WatchEvents([60]))
    device.end_all()
    wait_until(lambda: device.events_done() == [60])


def test_a_write_that_fails_halfway_fails_as_a_whole(device: Device) -> None:
    first = device.backend.enqueue_write_buffer_rect
    calls = []

    def second_fails(*args: object) -> object:
        calls.append(args)
        if len(calls) > 1:
            raise failure(ErrorCode.OUT_OF_RESOURCES, "clEnqueueWriteBufferRect")
        return first(*args)

    device.backend.enqueue_write_buffer_rect = second_fails  # type: ignore[method-assign]  # on this one
    device.say(WRITE, CONTENT)
    state = device.ask(m.GetEvent(60))
    assert isinstance(state, m.EventState)
    assert state.status == ErrorCode.OUT_OF_RESOURCES
    del device.backend.enqueue_write_buffer_rect
    assert isinstance(device.ask(m.Finish(QUEUE)), m.Done)
    assert len(calls) == 2
    assert isinstance(device.ask(READ), m.Data)


def test_a_write_goes_in_bands_beside_writes_that_wait_for_a_user_event(device: Device) -> None:
    device.say(m.CreateUserEvent(71, CONTEXT))
    device.say(m.EnqueueWriteBuffer(QUEUE, BUFFER, 0, 72, [71]), CONTENT[:20_000])
    device.say(m.CreateCommandQueue(9, CONTEXT, 0))
    device.say(m.EnqueueWriteBufferRect(9, BUFFER, START, [LARGE, 1, 1]), CONTENT)
    assert isinstance(device.ask(m.Finish(9)), m.Done)
    device.say(m.SetUserEventStatus(71, 0))


@pytest.mark.parametrize("message", [WRITE, READ])
def test_a_transfer_behind_a_user_event_is_refused(device: Device, message: m.Message) -> None:
    device.say(m.CreateUserEvent(71, CONTEXT))
    device.say(m.EnqueueMarker(QUEUE, 72, [71]))
    writes = isinstance(message, m.EnqueueWriteBufferRect)
    device.say(message, CONTENT if writes else b"")
    state = device.ask(m.GetEvent(60 if writes else 61))
    assert isinstance(state, m.EventState)
    assert state.status == ErrorCode.OUT_OF_RESOURCES
    assert state.failure is not None
    assert f"{LARGE} bytes; {LIMIT} may wait" in state.failure[1]
    device.say(m.SetUserEventStatus(71, 0))
    device.ask(m.Finish(QUEUE))
    assert isinstance(device.ask(m.Finish(QUEUE)), m.Done)


# ---- reads -----------------------------------------------------------------------------------------------


def test_a_read_waits_for_the_one_before_it_to_be_sent(device: Device) -> None:
    device.say(WRITE, CONTENT)
    device.backend.is_holding = True
    reads = threading.Thread(target=device.say, args=(READ,))
    reads.start()
    wait_until(lambda: running(device) == 1)
    assert not device.contents
    device.end_all()
    reads.join(5)
    assert list(device.contents.values()) == [CONTENT]


def test_the_event_of_a_read_is_complete_with_its_last_band(device: Device) -> None:
    device.say(READ)
    assert len(device.backend.running) == len(BANDS)
    state = device.ask(m.GetEvent(61))
    assert isinstance(state, m.EventState)
    assert state.status == 0
    device.say(fill(event=62))
    assert isinstance(device.ask(m.Finish(QUEUE)), m.Done)


def test_a_read_whose_first_band_fails_is_answered_so(device: Device) -> None:
    device.backend.is_holding = True
    reads = threading.Thread(target=device.say, args=(READ,))
    reads.start()
    wait_until(lambda: running(device) == 1)
    device.backend.running[0].end(ErrorCode.OUT_OF_RESOURCES)
    reads.join(5)
    answer = device.answers[-1]
    assert isinstance(answer, m.Failed)
    assert (answer.routine, answer.code) == ("clEnqueueReadBufferRect", ErrorCode.OUT_OF_RESOURCES)
    device.end_all()
    assert isinstance(device.ask(msgspec.structs.replace(READ, event=62)), m.Data)


def test_reads_after_each_other_all_have_room(device: Device) -> None:
    device.say(WRITE, CONTENT)
    commands = [device.say(read(LARGE)) for _ in range(3)]
    assert [device.contents[command] for command in commands] == [CONTENT] * 3


# ---- the connection --------------------------------------------------------------------------------------


@pytest.fixture
def connected() -> Iterator[Connected]:
    """A client of a session that is served, its device, and the session's end."""
    limits, backend = m.Limits(staged_bytes=LIMIT), ScriptedBackend()
    ours, theirs = socket.socketpair()
    share = Share(device=backend.devices()[0], memory_bytes=SHARE_BYTES)
    with ThreadPoolExecutor(1) as threads, RawClient(ours) as client, theirs:
        service = Service(theirs, frame(HELLO), "S1", limits)
        session = Session(backend, [share], limits, service.reply)
        service.welcome([])
        ended = threads.submit(service.run, session)
        assert isinstance(client.receive()[0], m.Welcome)
        client.say(m.CreateContext(CONTEXT, [0]), m.CreateCommandQueue(QUEUE, CONTEXT, 0))
        client.say(m.CreateBuffer(BUFFER, CONTEXT, 1, 200_000))
        yield client, backend, ended
        client.stream.shutdown(socket.SHUT_RDWR)


def test_both_ways_over_a_connection(connected: Connected) -> None:
    client, _, ended = connected
    client.send(frame(WRITE, CONTENT) + frame(READ) + frame(m.Finish(QUEUE)))
    assert client.receive() == (m.Data(5), CONTENT)
    assert client.receive()[0] == m.Done(6)
    client.say(m.Goodbye())
    assert ended.result(5).cause is Cause.GOODBYE


def test_a_write_that_fails_halfway_leaves_the_connection_in_order(connected: Connected) -> None:
    client, backend, _ = connected
    backend.raising["enqueue_write_buffer_rect"] = failure(ErrorCode.OUT_OF_RESOURCES)
    client.send(frame(WRITE, CONTENT) + frame(m.Finish(QUEUE)))
    answer = client.receive()[0]
    assert isinstance(answer, m.Failed)
    assert (answer.culprit, answer.code) == (4, ErrorCode.OUT_OF_RESOURCES)
    backend.raising.clear()
    client.say(READ)
    assert client.receive()[0] == m.Data(6)


def test_a_read_that_fails_halfway_ends_the_session(connected: Connected) -> None:
    client, backend, ended = connected
    backend.is_holding = True
    client.say(READ)
    wait_until(lambda: len(backend.running) == 1)
    backend.raising["enqueue_read_buffer_rect"] = failure(ErrorCode.OUT_OF_RESOURCES)
    backend.running[0].end()
    with pytest.raises(EOFError):
        client.receive()
    end = ended.result(5)
    assert end.cause is Cause.DISCONNECTED
    assert "a read failed when a part of it was sent" in end.detail
