"""How a client's session ends: farewells, broken connections, closing, forks."""

from __future__ import annotations

import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accelpool_wire import client as client_module
from accelpool_wire import inbox as inbox_module
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import (
    LeaseExpired,
    LeaseRevoked,
    ReadError,
    SessionLost,
)
from accelpool_wire.testing import ScriptedWorker, connected, frame

from .wire_client_rig import PATIENCE_S, WELCOME, Node

STREAM_FILLS = 8_000_000  # bytes that no pair of socket buffers holds


@pytest.fixture
def pair(node: Node) -> Iterator[tuple[Connection, ScriptedWorker]]:
    connection, worker = connected(address=node.address)
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
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def node(threads: ThreadPoolExecutor) -> Iterator[Node]:
    node = Node(threads)
    yield node
    node.close()


# ---- farewells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [m.SessionEnding, m.Refused])
def test_farewell_is_what_every_use_raises_from_then_on(
    connection: Connection, worker: ScriptedWorker, kind: Callable[[str, str], m.Message]
) -> None:
    worker.send(kind("lease-expired", "too late"))
    for use in (
        lambda: connection.call(m.Sync()),
        lambda: connection.post(m.Flush(1)),
        lambda: connection.post(m.EnqueueWriteBuffer(1, 2, 0), b"bulk"),
        lambda: connection.read(m.EnqueueReadBuffer(1, 2, 0, 1), memoryview(bytearray(1))),
        lambda: connection.fetch_binaries(1),
        lambda: connection.wait_events([1]),
    ):
        with pytest.raises(LeaseExpired, match="too late"):
            use()
    connection.flush()
    assert not connection.is_open


def test_farewell_wakes_all_who_wait(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    waiting = [threads.submit(connection.call, m.Sync()) for _ in range(3)]
    for _ in range(3):
        worker.receive()
    worker.send(m.SessionEnding("lease-revoked", "enough"))
    for future in waiting:
        with pytest.raises(LeaseRevoked, match="enough"):
            future.result(PATIENCE_S)


def test_farewell_just_received_by_another_thread_is_what_posting_raises(
    connection: Connection,
    worker: ScriptedWorker,
    threads: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deal, has_decoded, may_deal = connection._inbox._deal, threading.Event(), threading.Event()

    def deal_slowly(message: m.Message) -> None:
        has_decoded.set()
        assert may_deal.wait(PATIENCE_S)
        deal(message)

    monkeypatch.setattr(connection._inbox, "_deal", deal_slowly)
    leader = threads.submit(connection.call, m.Sync())
    worker.send(m.SessionEnding("lease-expired", "too late"))
    assert has_decoded.wait(PATIENCE_S)
    posting = threads.submit(connection.post, m.Flush(1))
    bulk = threads.submit(connection.post, m.EnqueueWriteBuffer(1, 2, 0), b"bulk")
    may_deal.set()
    for future in (leader, posting, bulk):
        with pytest.raises(LeaseExpired, match="too late"):
            future.result(PATIENCE_S)


def test_what_follows_a_farewell_is_ignored(connection: Connection, worker: ScriptedWorker) -> None:
    worker.stream.sendall(frame(m.SessionEnding("lease-expired", "late")) + frame(m.Done(1)) + b"junk")
    with pytest.raises(LeaseExpired):
        connection.call(m.Sync())


def test_farewell_in_the_middle_of_a_write_is_what_is_raised(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    posting = threads.submit(connection.post, m.EnqueueWriteBuffer(1, 2, 0), bytes(STREAM_FILLS))
    worker.stream.recv(1000)
    worker.send(m.SessionEnding("lease-expired", "late"))
    worker.close()
    posting.result(PATIENCE_S)
    with pytest.raises(LeaseExpired, match="late"):
        connection.post(m.Flush(1))


def test_raising_the_end_again_and_again_keeps_no_frames(
    connection: Connection, worker: ScriptedWorker
) -> None:
    worker.send(m.SessionEnding("lease-expired", "late"))
    lengths = []
    for _ in range(5):
        with pytest.raises(LeaseExpired) as caught:
            connection.call(m.Sync())
        lengths.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert lengths[-1] == lengths[1]


# ---- broken connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (frame(m.Refused("session-lost", "segfault")), SessionLost, "^segfault$"),
        (frame(m.Refused("lease-revoked", "taken")), LeaseRevoked, "^taken$"),
        (
            frame(m.Refused("unavailable", "still running")),
            SessionLost,
            "session ses_1 on .* is gone: the other side closed the connection; its node says: still running",
        ),
        (
            b"",
            SessionLost,
            r"is gone \(the other side closed the connection\), and its node's agent does not answer",
        ),
        (frame(WELCOME), SessionLost, "does not answer: Welcome may not come in state asked"),
    ],
)
def test_node_is_asked_why_the_connection_closed(
    connection: Connection,
    worker: ScriptedWorker,
    node: Node,
    answer: bytes,
    error: type[Exception],
    text: str,
) -> None:
    asked = node.answer(answer)
    worker.close()
    with pytest.raises(error, match=text) as caught:
        connection.call(m.Sync())
    assert asked.result(PATIENCE_S) == m.SessionQuery("token", "ses_1")
    assert isinstance(caught.value.__cause__, ReadError)


def test_dead_node_is_said_to_be_dead(connection: Connection, worker: ScriptedWorker, node: Node) -> None:
    node.close()
    worker.close()
    with pytest.raises(SessionLost, match="agent does not answer: nobody answers at"):
        connection.call(m.Sync())


def test_end_within_a_frame_is_said_so(connection: Connection, worker: ScriptedWorker, node: Node) -> None:
    node.close()
    worker.stream.sendall(frame(m.Done(1))[:5])
    worker.close()
    with pytest.raises(SessionLost, match="in the middle of a frame"):
        connection.call(m.Sync())


def test_posting_into_a_closed_connection_asks_why_too(
    connection: Connection, worker: ScriptedWorker, node: Node
) -> None:
    asked = node.answer(frame(m.Refused("session-lost", "segfault")))
    worker.close()
    connection.post(m.EnqueueWriteBuffer(1, 2, 0), b"bulk")
    assert asked.result(PATIENCE_S) == m.SessionQuery("token", "ses_1")
    with pytest.raises(SessionLost, match="segfault"):
        connection.post(m.Flush(1))


def test_worker_that_takes_no_more_but_stays_silent_is_given_up(
    connection: Connection, worker: ScriptedWorker, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "DRAIN_S", 0.02)
    node.answer(frame(m.Refused("session-lost", "mute")))
    worker.stream.shutdown(socket.SHUT_RD)
    connection.post(m.EnqueueWriteBuffer(1, 2, 0), b"bulk")
    with pytest.raises(SessionLost, match="mute"):
        connection.post(m.Flush(1))


# ---- closing ---------------------------------------------------------------------------------------------


def test_closing_says_goodbye_behind_what_is_gathered(
    connection: Connection, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "COALESCE_S", 1e9)
    monkeypatch.setattr(connection._flusher, "arm", lambda: None)
    connection.post(m.Flush(1))
    for _ in range(2):
        connection.close()
    assert [worker.receive()[0] for _ in range(2)] == [m.Flush(1), m.Goodbye()]
    with pytest.raises(ReadError):
        worker.receive()
    for use in (lambda: connection.post(m.Flush(1)), lambda: connection.call(m.Sync())):
        with pytest.raises(SessionLost, match="session ses_1 was closed by this client"):
            use()


def test_closing_wakes_all_who_wait(
    connection: Connection, worker: ScriptedWorker, threads: ThreadPoolExecutor
) -> None:
    waiting = [threads.submit(connection.call, m.Sync()) for _ in range(3)]
    for _ in range(3):
        worker.receive()
    connection.close()
    for future in waiting:
        with pytest.raises(SessionLost, match="closed by this client"):
            future.result(PATIENCE_S)


def test_closing_ends_the_flusher(connection: Connection) -> None:
    connection.post(m.Flush(1))
    thread = connection._flusher._thread
    assert thread
    connection.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_closing_does_not_wait_for_a_stuck_worker(
    connection: Connection, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CLOSE_PATIENCE_S", 0.02)
    is_stuck = threading.Event()
    await_room = connection._channel._await_room

    def note(while_full: Callable[[], None] | None) -> None:
        is_stuck.set()
        await_room(while_full)

    monkeypatch.setattr(connection._channel, "_await_room", note)
    posting = threads.submit(connection.post, m.EnqueueWriteBuffer(1, 2, 0), bytes(STREAM_FILLS))
    assert is_stuck.wait(PATIENCE_S)
    threads.submit(connection.close).result(PATIENCE_S)
    posting.result(PATIENCE_S)
    with pytest.raises(SessionLost, match="closed by this client"):
        connection.post(m.Flush(1))


def test_goodbye_does_not_wait_for_room(connection: Connection, threads: ThreadPoolExecutor) -> None:
    connection._channel.try_send(bytes(STREAM_FILLS))
    threads.submit(connection.close).result(PATIENCE_S)


def test_closing_a_lost_session_is_quiet(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.SessionEnding("lease-expired", "late"))
    with pytest.raises(LeaseExpired):
        connection.call(m.Sync())
    connection.close()
    with pytest.raises(LeaseExpired):
        connection.post(m.Flush(1))


def test_closing_before_the_farewell_is_noticed_is_quiet(connection: Connection) -> None:
    connection._conversation.receive(memoryview(frame(m.SessionEnding("lease-expired", "late")))[12:])
    connection.close()
    assert not connection.is_open


# ---- forks -------------------------------------------------------------------------------------------


def test_a_fork_leaves_the_session_to_the_process_that_it_came_from(
    connection: Connection, worker: ScriptedWorker
) -> None:
    connection._flusher.stop()  # its thread is not in the fork, and would send what is gathered before it
    into = bytearray(4)
    reading = connection.read(m.EnqueueReadBuffer(1, 2, 0, 4), memoryview(into))
    assert isinstance(worker.receive()[0], m.EnqueueReadBuffer)
    connection.post(m.Flush(1))
    connection.release(5)
    with connection._channel._stream.dup() as of_the_other:  # as a fork has it
        connection._sending.acquire()  # by threads that are not in the fork
        connection._inbox._receiving.acquire()
        connection.abandon(SessionLost("it belongs to process 7"))
        uses: list[Callable[[], object]] = [
            reading.wait,
            lambda: connection.post(m.Flush(1)),
            lambda: connection.post(m.EnqueueWriteBuffer(1, 2, 0), bytes(8000)),
            lambda: connection.call(m.Sync()),
            lambda: connection.wait_events([1]),
        ]
        for use in uses:
            with pytest.raises(SessionLost, match="it belongs to process 7"):
                use()
        connection.flush()
        connection.close()
        assert not connection.is_open
        of_the_other.sendall(frame(m.Finish(1)))
        assert worker.receive() == (m.Finish(1), b"")  # nothing came before it


def test_abandoning_a_session_that_is_over_keeps_the_reason(
    connection: Connection, worker: ScriptedWorker
) -> None:
    worker.send(m.SessionEnding("lease-expired", "late"))
    with pytest.raises(LeaseExpired):
        connection.call(m.Sync())
    connection.abandon(SessionLost("another process's"))
    with pytest.raises(LeaseExpired):
        connection.post(m.Flush(1))
