"""A client's events: watched, waited for, called back, forgotten."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import msgspec
import pytest

from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.errors import SessionLost, Timeout
from accelpool_wire.testing import ScriptedWorker, connected

from ..conftest import wait_until

PATIENCE_S = 30.0


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


def test_events_are_waited_for_in_one_round_trip(connection: Connection, worker: ScriptedWorker) -> None:
    done = [m.EventDone(5, 0, [1, 2, 3, 4]), m.EventDone(6, -54, None, ["f", "no"])]
    for event in reversed(done):
        worker.send(event)
    assert connection.wait_events([5, 6, 5]) == [done[0], done[1], done[0]]
    assert connection.stats.round_trips == 1
    assert worker.receive()[0] == m.WatchEvents([5, 6])


def test_event_known_to_be_done_costs_nothing(connection: Connection, worker: ScriptedWorker) -> None:
    assert connection.event_state(5) is None
    worker.send(m.EventDone(5, 0))
    connection.wait_events([5])
    sent = connection.stats.bytes_sent
    assert connection.wait_events([5]) == [connection.event_state(5)] == [m.EventDone(5, 0)]
    assert (connection.stats.round_trips, connection.stats.bytes_sent) == (1, sent)


def test_no_events_are_done_at_once(connection: Connection) -> None:
    assert connection.wait_events([]) == []


def test_event_not_done_in_time_is_a_timeout(connection: Connection) -> None:
    connection.watch([5])
    with pytest.raises(Timeout):
        connection.wait_events([5], timeout_s=0.01)
    assert connection.event_state(5) is None


def test_what_was_told_is_heard_without_waiting(connection: Connection, worker: ScriptedWorker) -> None:
    connection.watch([5])
    connection.hear()
    assert connection.event_state(5) is None
    worker.send(m.EventDone(5, 0))
    wait_until(lambda: connection.hear() or connection.event_state(5))
    assert (connection.event_state(5), connection.stats.round_trips) == (m.EventDone(5, 0), 0)


def test_a_session_that_is_closed_meanwhile_is_not_heard(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = connection._inbox._receiving

    class ClosedFirst:
        def acquire(self, *, blocking: bool) -> bool:
            monkeypatch.setattr(connection._inbox, "_receiving", lock)
            connection.close()
            return lock.acquire(blocking=blocking)

    monkeypatch.setattr(connection._inbox, "_receiving", ClosedFirst())
    connection.hear()
    with pytest.raises(SessionLost):
        connection.wait_events([5])


def test_event_that_nobody_watches_is_dropped(connection: Connection, worker: ScriptedWorker) -> None:
    worker.send(m.EventDone(99, 0))
    worker.send(m.Done(1))
    connection.call(m.Sync())
    assert (connection.event_state(99), connection._inbox.events) == (None, {})


def test_released_events_are_forgotten_once_they_are_done(
    connection: Connection, worker: ScriptedWorker
) -> None:
    worker.send(m.EventDone(5, 0))
    connection.wait_events([5])
    connection.watch([6])
    for event in (5, 6, 7):
        connection.release(event)
    connection.flush()
    assert set(connection._inbox.events) == {6}
    worker.send(m.EventDone(6, 0))
    worker.send(m.Done(4))
    connection.call(m.Sync())
    assert connection._inbox.events == {}


def test_callback_is_called_though_the_event_is_released(
    connection: Connection, worker: ScriptedWorker
) -> None:
    called, told = threading.Event(), []

    def callback(done: m.EventDone) -> None:
        told.append(done)
        called.set()

    connection.on_event_done(5, callback)
    connection.release(5)
    connection.flush()
    assert [worker.receive()[0] for _ in range(2)] == [m.WatchEvents([5]), m.Release([5])]
    worker.send(m.EventDone(5, -5))
    assert called.wait(PATIENCE_S)
    assert told == [m.EventDone(5, -5)]


def test_callback_is_told_when_the_session_is_lost(connection: Connection, worker: ScriptedWorker) -> None:
    called, told = threading.Event(), []

    def callback(done: m.EventDone) -> None:
        told.append(done)
        called.set()

    connection.on_event_done(5, callback)
    connection.close()
    assert called.wait(PATIENCE_S)
    assert msgspec.structs.astuple(told[0])[:2] == (5, -2)


def test_events_of_a_lost_session_are_not_watched(connection: Connection) -> None:
    connection.close()
    with pytest.raises(SessionLost):
        connection.watch([5])
    assert connection._inbox.events == {}
