"""A client used by several threads, and interrupted: nothing lost, no deadlock, no half frame."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from accelpool_wire import client as client_module
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import ReadError, SessionLost, Timeout
from accelpool_wire.testing import ScriptedWorker, connected, frame

PATIENCE_S = 30.0
STREAM_FILLS = 8_000_000  # bytes that no pair of socket buffers holds


@pytest.fixture
def pair() -> Iterator[tuple[Connection, ScriptedWorker]]:
    connection, worker = connected()
    with connection:
        yield connection, worker
    worker.close()


@pytest.fixture
def connection(pair: tuple[Connection, ScriptedWorker]) -> Connection:
    return pair[0]


@pytest.fixture
def worker(pair: tuple[Connection, ScriptedWorker]) -> ScriptedWorker:
    return pair[1]


@pytest.fixture
def threads(pair: object) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def call(threads: ThreadPoolExecutor, connection: Connection, message: m.Message) -> Future[m.Message]:
    return threads.submit(connection.call, message, PATIENCE_S)


def await_so(is_so: Callable[[], bool]) -> None:
    """Return once something is so that cannot be waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        os.sched_yield()


def await_followers(connection: Connection, count: int) -> None:
    """Return once so many threads wait for news from the one that receives."""
    await_so(lambda: connection._inbox._waiters >= count)


# ---- several threads -------------------------------------------------------------------------------------


def test_one_thread_receives_for_all(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    waiting = [call(threads, connection, m.GetEvent(event)) for event in range(1, 11)]
    asked: dict[int, int] = {}
    for number in range(1, 11):
        message = worker.receive()[0]
        assert isinstance(message, m.GetEvent)
        asked[message.event] = number
    for event, number in sorted(asked.items(), reverse=True):
        worker.send(m.EventState(number, -event))
    answers = [future.result(PATIENCE_S) for future in waiting]
    assert answers == [m.EventState(asked[event], -event) for event in range(1, 11)]


def test_leader_that_is_done_hands_over(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    first = call(threads, connection, m.Sync())
    worker.receive()
    others = [call(threads, connection, m.Sync()) for _ in range(3)]
    for _ in range(3):
        worker.receive()
    await_followers(connection, 3)
    for number, future in enumerate([first, *others], 1):
        worker.send(m.Done(number))
        if number == 1:
            assert future.result(PATIENCE_S) == m.Done(1)
    assert {str(future.result(PATIENCE_S)) for future in others} == {str(m.Done(n)) for n in (2, 3, 4)}


def test_follower_does_not_sleep_when_the_leaders_place_is_free(
    connection: Connection, threads: ThreadPoolExecutor
) -> None:
    threads.submit(connection._inbox._follow, lambda: False, None).result(PATIENCE_S)


def test_follower_has_its_own_timeout(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    leader = call(threads, connection, m.Sync())
    worker.receive()
    with pytest.raises(Timeout, match=r"within 0\.02 s"):
        connection.call(m.Sync(), timeout_s=0.02)
    worker.send(m.Done(1))
    assert leader.result(PATIENCE_S) == m.Done(1)


def test_answer_received_by_another_thread_before_sending_returns_is_not_lost(
    connection: Connection,
    worker: ScriptedWorker,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leader = threads.submit(connection.wait_events, [9], PATIENCE_S)
    assert worker.receive()[0] == m.WatchEvents([9])
    monkeypatch.setattr(client_module, "COALESCE_S", -1.0)  # every command leaves as soon as it is posted
    send = connection._channel.send

    def send_slowly(*arguments: Any) -> None:
        send(*arguments)
        worker.send(m.Done(2))
        worker.send(m.EventDone(9, 0))
        leader.result(PATIENCE_S)  # it has received both

    monkeypatch.setattr(connection._channel, "send", send_slowly)
    assert connection.call(m.Sync(), PATIENCE_S) == m.Done(2)


def test_binaries_of_two_threads_are_not_mixed_up(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    waiting = {program: threads.submit(connection.fetch_binaries, program) for program in (1, 2)}
    answers = b""
    for number in (1, 2):
        message = worker.receive()[0]
        assert isinstance(message, m.GetProgramBinaries)
        answers += frame(m.Binaries(number, [3]), bytes([message.program]) * 3)
    worker.stream.sendall(answers)
    for program, future in waiting.items():
        assert future.result(PATIENCE_S) == [bytes([program]) * 3]


def test_commands_of_many_threads_keep_their_numbers(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    posted = [
        threads.submit(lambda q=q: [(q, connection.post(m.Flush(q))) for _ in range(50)]) for q in range(8)
    ]
    expected = {number: queue for future in posted for queue, number in future.result(PATIENCE_S)}
    connection.flush()
    arrived = {number: worker.receive()[0] for number in range(1, 401)}
    assert arrived == {number: m.Flush(queue) for number, queue in expected.items()}


# ---- both directions full --------------------------------------------------------------------------------


def serve_full_duplex(worker: ScriptedWorker, answer: bytes) -> tuple[m.Message, bytes]:
    """Send all of an answer before reading anything, as a worker does."""
    worker.stream.sendall(answer)
    return worker.receive()


def test_writing_and_reading_at_once_does_not_deadlock(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    place = bytearray(STREAM_FILLS)
    pending = connection.read(m.EnqueueReadBuffer(1, 2, 0, STREAM_FILLS), memoryview(place))
    worker.receive()
    served = threads.submit(serve_full_duplex, worker, frame(m.Data(1), b"r" * STREAM_FILLS))
    write = m.EnqueueWriteBuffer(1, 3, 0)
    connection.post(write, b"w" * STREAM_FILLS)
    assert served.result(PATIENCE_S) == (write, b"w" * STREAM_FILLS)
    pending.wait(PATIENCE_S)
    assert place == b"r" * STREAM_FILLS


def test_writing_while_another_thread_reads_does_not_deadlock(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    place = bytearray(STREAM_FILLS)
    pending = connection.read(m.EnqueueReadBuffer(1, 2, 0, STREAM_FILLS), memoryview(place))
    worker.receive()
    reading = threads.submit(pending.wait, PATIENCE_S)
    served = threads.submit(serve_full_duplex, worker, frame(m.Data(1), b"r" * STREAM_FILLS))
    connection.post(m.EnqueueWriteBuffer(1, 3, 0), b"w" * STREAM_FILLS)
    assert served.result(PATIENCE_S)[1] == b"w" * STREAM_FILLS
    assert reading.result(PATIENCE_S) == m.Data(1)


def test_sender_does_not_wait_for_bytes_that_another_thread_took(
    connection: Connection, threads: ThreadPoolExecutor
) -> None:
    threads.submit(connection._inbox.receive_while_full).result(PATIENCE_S)


def test_sender_leaves_receiving_to_the_thread_that_does_it(
    connection: Connection, threads: ThreadPoolExecutor
) -> None:
    with connection._inbox._receiving:
        threads.submit(connection._inbox.receive_while_full).result(PATIENCE_S)


def test_follower_takes_over_from_a_sender_that_received(
    connection: Connection,
    worker: ScriptedWorker,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inbox = connection._inbox
    receive, is_first, may_go = inbox._receive, [True], threading.Event()

    def receive_slowly(timeout_s: float | None) -> None:
        if is_first.pop() if is_first else False:
            assert may_go.wait(PATIENCE_S)
        else:
            receive(timeout_s)

    monkeypatch.setattr(inbox, "_receive", receive_slowly)
    sender = threads.submit(inbox.receive_while_full)
    await_so(lambda: not is_first)
    follower = call(threads, connection, m.Sync())
    await_followers(connection, 1)
    worker.receive()
    may_go.set()
    sender.result(PATIENCE_S)
    worker.send(m.Done(1))
    assert follower.result(PATIENCE_S) == m.Done(1)


# ---- interrupts ------------------------------------------------------------------------------------------


class Interrupt(BaseException):
    """What a signal handler raises, as Python's own raises KeyboardInterrupt."""


def interrupting(call: Callable[..., Any], *, after: bool = False, at: int = 1) -> Callable[..., Any]:
    """Return `call`, but interrupted once: before or after it does its work."""
    count = 0

    def interrupted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal count
        count += 1
        if count == at and not after:
            raise Interrupt
        result = call(*arguments, **keywords)
        if count == at:
            raise Interrupt
        return result

    return interrupted


def test_interrupted_wait_can_be_taken_up_again(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, place = frame(m.Data(1), b"12345678"), bytearray(8)
    pending = connection.read(m.EnqueueReadBuffer(1, 2, 0, 8), memoryview(place))
    worker.stream.sendall(content[:-4])
    monkeypatch.setattr(connection._channel, "receive", interrupting(connection._channel.receive, at=2))
    with pytest.raises(Interrupt):
        pending.wait(PATIENCE_S)
    worker.stream.sendall(content[-4:])
    pending.wait(PATIENCE_S)
    assert (place, connection.is_open) == (b"12345678", True)


def test_interrupted_call_forgets_its_answer(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection._channel, "receive", interrupting(connection._channel.receive))
    with pytest.raises(Interrupt):
        connection.call(m.Sync())
    assert connection._inbox.answers == {}
    worker.send(m.Done(1))
    worker.send(m.Done(2))
    assert connection.call(m.Sync()) == m.Done(2)


def test_interrupted_leader_hands_over(
    connection: Connection,
    worker: ScriptedWorker,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_go = threading.Event()

    def interrupt(timeout_s: float | None) -> None:
        assert may_go.wait(PATIENCE_S)
        monkeypatch.undo()
        raise Interrupt

    monkeypatch.setattr(connection._channel, "receive", interrupt)
    leader = call(threads, connection, m.Sync())
    worker.receive()
    follower = call(threads, connection, m.Sync())
    worker.receive()
    await_followers(connection, 1)
    may_go.set()
    with pytest.raises(Interrupt):
        leader.result(PATIENCE_S)
    worker.send(m.Done(2))
    assert follower.result(PATIENCE_S) == m.Done(2)


@pytest.mark.parametrize("payload", [None, b"1234"], ids=["without payload", "with payload"])
def test_command_counted_but_not_appended_is_taken_back(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch, payload: bytes | None
) -> None:
    conversation = connection._conversation
    send = conversation.send
    monkeypatch.setattr(conversation, "send", interrupting(send, after=True))
    with pytest.raises(Interrupt):
        connection.post(m.EnqueueWriteBuffer(1, 2, 0), payload)
    monkeypatch.setattr(conversation, "send", interrupting(send, after=True))
    with pytest.raises(Interrupt):
        connection.call(m.Sync())
    assert connection.post(m.EnqueueWriteBuffer(1, 2, 0), payload) == 1
    assert worker.receive() == (m.EnqueueWriteBuffer(1, 2, 0), payload or b"")
    worker.send(m.Done(2))
    assert connection.call(m.Sync()) == m.Done(2)
    assert conversation.pending == {}


def test_interrupt_within_a_frame_ends_the_session(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection._channel, "_await_room", interrupting(connection._channel._await_room))
    with pytest.raises(Interrupt):
        connection.post(m.EnqueueWriteBuffer(1, 2, 0), bytes(STREAM_FILLS))
    with pytest.raises(SessionLost, match="interrupted in the middle of a message"):
        connection.post(m.Flush(1))
    with pytest.raises(ReadError):
        worker.receive()


def test_interrupt_while_dealing_with_an_answer_ends_the_session(
    connection: Connection,
    worker: ScriptedWorker,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection._inbox, "_deal", interrupting(connection._inbox._deal))
    worker.send(m.Done(1))
    with pytest.raises(Interrupt):
        connection.call(m.Sync())
    with pytest.raises(SessionLost, match="interrupted in the middle of a message"):
        call(threads, connection, m.Sync()).result(PATIENCE_S)
