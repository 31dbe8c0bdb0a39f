"""A parkable connection: what it says while it is parked, and what goes wrong when it is put back."""

import os
import signal

import pytest

from accelpool.constants import device_info
from accelpool.errors import ParkingError, RuntimeError, SessionLost
from accelpool.parking import ParkableLease
from accelpool.parking.connection import ParkableConnection
from accelpool.testing import FakeConnection, fake_context
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

KEEP_BYTES = 1 << 20
FAILURE = RuntimeError("clEnqueueFillBuffer", ErrorCode.OUT_OF_RESOURCES, "no room")


@pytest.fixture
def first():
    return FakeConnection()


@pytest.fixture
def second():
    return FakeConnection()


@pytest.fixture
def connection(first, second):
    """A parkable connection with a context, 1, a queue, 2, and a buffer, 3."""
    connection = ParkableConnection(first, lambda: second, lambda: None)
    connection.post(m.CreateContext(connection.new_handle(), [0]))
    connection.post(m.CreateCommandQueue(connection.new_handle(), 1, 0))
    connection.post(m.CreateBuffer(connection.new_handle(), 1, 1, 64))
    return connection


def test_what_is_given_back_while_it_is_put_back_is_given_back_there(connection, second):
    def buffer_of_an_ended_cell(message):
        connection.release(3)
        return m.Done(0)

    second.answers[m.Sync] = buffer_of_an_ended_cell
    connection.park(KEEP_BYTES)
    connection.ask(m.Finish(2), m.Done)
    assert second.released == [3]


def test_a_failure_is_kept_for_a_call_that_tells_failures(connection, first, second):
    answers = iter([FAILURE, m.Done(0)])
    first.answers[m.Finish] = lambda _: fail(next(answers))
    second.answers[m.GetInfo] = m.Info(0, 1)
    connection.park(KEEP_BYTES)
    connection.ask(m.GetInfo(m.TIMERS, 0, 0), m.Info)
    with pytest.raises(RuntimeError, match="no room"):
        connection.ask(m.Finish(2), m.Done)
    connection.ask(m.Finish(2), m.Done)


def fail(answer):
    if isinstance(answer, Exception):
        raise answer
    return answer


def test_a_session_that_is_lost_while_it_is_put_back_stays_parked(connection, second):
    second.end = SessionLost("the node restarts")
    connection.park(KEEP_BYTES)
    with pytest.raises(ParkingError, match="the node restarts"):
        connection.ask(m.Finish(2), m.Done)
    assert connection.is_parked
    assert connection.kept_bytes == 64
    second.end = None
    connection.ask(m.Finish(2), m.Done)
    assert not connection.is_parked


def test_content_that_this_process_has_no_room_for_keeps_the_lease(connection):
    connection.post(m.CreateBuffer(connection.new_handle(), 1, 1, 1 << 60))
    with pytest.raises(ParkingError, match="memory"):
        connection.park(1 << 62)
    assert not connection.is_parked


def test_what_was_kept_is_let_go_when_it_is_closed(connection):
    connection.park(KEEP_BYTES)
    connection.close()
    assert connection.kept_bytes == 0
    with pytest.raises(SessionLost):
        connection.ask(m.Finish(2), m.Done)


def test_a_process_that_is_forked_while_it_waits_for_a_device_is_not_stuck(connection, first):
    connection._take = lambda: forked(connection)
    connection.park(KEEP_BYTES)
    with pytest.raises(ParkingError):
        connection.ask(m.Finish(2), m.Done)


def forked(connection):
    """Fork in the middle of a use, as another thread may; the child may do no more than hear why not."""
    child = os.fork()
    if not child:
        is_told = False
        try:
            is_told = can_use(connection)
        finally:
            os._exit(not is_told)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    raise ParkingError("forked")


def can_use(connection):
    """Whether a use says why not instead of waiting for another process's thread."""
    connection._take = lambda: fail(ParkingError("of another process"))
    signal.alarm(5)
    try:
        connection.ask(m.Finish(2), m.Done)
    except ParkingError:
        return True
    return False


class Pool:
    """A broker that grants one session."""

    def __init__(self, fake):
        self.session = fake_context(fake)._session

    def _lease_session(self, _request, _on_notice):
        return self.session


def test_a_lease_on_devices_of_several_models_is_not_parked():
    fake = FakeConnection([m.Device(name, {}, {device_info.NAME: name}) for name in ("one", "another")])
    lease = ParkableLease(Pool(fake), count=2)
    with pytest.raises(ParkingError, match="several models"):
        lease.park(KEEP_BYTES)
    assert not lease.is_parked
