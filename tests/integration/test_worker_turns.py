"""A session whose lease has a fraction of its device: what its commands wait for, and who waits for them."""

from __future__ import annotations

import threading
import time

import pytest

from accelpool_node.sharing import ledger
from accelpool_node.sharing.policy import QUANTUM_NS, Verdict
from accelpool_node.sharing.session_slot import SessionSlot
from accelpool_node.worker.device_turn import DeviceTurn
from accelpool_node.worker.turn_taking import TurnTaking
from accelpool_wire import messages as m

from ..conftest import wait_until
from .scripted_device import BUFFER, CONTEXT, LARGE, QUEUE, Device, fill, read

USER, OTHER_QUEUE = 70, 4


class Shared:
    """A session on a scripted device with half of it, and another one that has the other half.

    Attributes:
        device: The session's.
        other: The other session's slot, held by the test.
        waited: How often the session's thread had to wait for its turn.
    """

    def __init__(self):
        registry = ledger.Registry(ledger.create())
        for lease in ("L1", "L2"):
            registry.set_limits(lease, 1 << 24, 0.5)
        self.slot, self.other = (
            SessionSlot(registry.ledger, registry.add_session(lease)) for lease in ("L1", "L2")
        )
        self.device = Device()
        self.turn = DeviceTurn(self.slot, self.device.backend)
        self.waited = []
        names = [share.device.name for share in self.device.shares]
        self.device.session.turns = TurnTaking(
            dict.fromkeys(names, self.turn), self.device.session.holdings, lambda: self.waited.append(1)
        )

    def start(self, message, payload=b""):
        """Carry out a message in a thread, as it may have to wait for long."""
        thread = threading.Thread(target=self.device.say, args=(message, payload), daemon=True)
        thread.start()
        return thread

    def other_has_turn(self):
        return self.other.claim(time.monotonic_ns())


@pytest.fixture
def shared():
    shared = Shared()
    yield shared
    shared.device.end_all()
    shared.other.leave()


def ended(thread):
    thread.join(10)
    return not thread.is_alive()


def test_commands_run_as_they_come_while_nobody_else_waits(shared):
    for _ in range(1000):
        shared.device.say(fill())
    assert len(shared.device.backend.running) == 1000
    assert not shared.turn.is_waiting


def test_a_command_waits_while_another_session_has_the_turn(shared):
    assert shared.other_has_turn()
    waiting = shared.start(fill(event=50))
    wait_until(lambda: shared.turn.is_waiting)
    assert not shared.device.backend.running
    shared.other.leave()
    assert ended(waiting)
    assert shared.device.backend.running
    assert shared.waited == [1]
    assert not shared.turn.is_waiting


def test_what_uses_no_device_does_not_wait(shared):
    assert shared.other_has_turn()
    shared.device.say(m.CreateCommandQueue(OTHER_QUEUE, CONTEXT, 0))
    shared.device.say(m.EnqueueMarker(QUEUE, 60, []))
    shared.device.ask(m.Sync())
    assert not shared.waited


def test_a_turn_ends_when_what_is_in_flight_is_complete(shared):
    shared.device.backend.is_holding = True
    shared.device.say(fill())
    assert not shared.other_has_turn()
    more = shared.start(fill())
    wait_until(lambda: len(shared.device.backend.running) == 1)
    assert not shared.other_has_turn()
    shared.device.end_all()
    wait_until(shared.other_has_turn)
    shared.other.leave()
    assert ended(more)


def test_an_idle_session_gives_up_its_turn_when_asked(shared):
    shared.device.say(fill())
    wait_until(shared.other_has_turn)


def test_no_more_is_in_flight_than_can_end_soon(shared):
    shared.device.backend.is_holding = True
    shared.device.say(fill())
    shared.device.say(fill())
    third = shared.start(fill())
    wait_until(lambda: shared.turn._is_admitting)
    assert len(shared.device.backend.running) == 2
    assert not shared.turn.is_waiting  # for its own commands, which the watchdog has to see
    shared.device.end_all()
    assert ended(third)
    assert len(shared.waited) >= 1  # it begins anew for the watchdog: many short ones are no long one


def test_what_waits_for_a_user_event_is_in_flight_once_that_is_set(shared):
    shared.device.say(m.CreateUserEvent(USER, CONTEXT))
    shared.device.backend.is_holding = True
    for _ in range(10):
        shared.device.say(m.EnqueueFillBuffer(QUEUE, BUFFER, b"x", 0, 4, 0, [USER]))
    wait_until(shared.other_has_turn)
    setting = shared.start(m.SetUserEventStatus(USER, 0))
    wait_until(lambda: shared.turn.is_waiting)
    shared.other.leave()
    assert ended(setting)
    assert not shared.other_has_turn()
    shared.device.end_all()
    wait_until(shared.other_has_turn)


def test_a_read_is_in_flight_until_its_bytes_are_there_not_until_they_are_sent(shared):
    sending, is_read = threading.Event(), threading.Event()
    device = shared.device
    device.say(fill())

    def reply(message, payload=None):
        if isinstance(message, m.Data):
            is_read.set()
            sending.wait(30)
        device.answers.append(message)

    device.session._reply = reply
    thread = shared.start(read(LARGE, is_blocking=True))
    assert is_read.wait(10)
    wait_until(shared.other_has_turn)
    blocked = shared.start(fill())  # until the mapping is sent, and then for its turn
    sending.set()
    assert ended(thread)
    wait_until(lambda: shared.turn.is_waiting)
    shared.other.leave()
    assert ended(blocked)


def test_commands_that_fail_are_not_in_flight(shared):
    shared.device.say(fill(buffer=999))
    wait_until(shared.other_has_turn)


def test_a_keeper_that_fails_keeps_nobody_waiting(shared, monkeypatch, capsys):
    monkeypatch.setattr(shared.slot, "settle", None)
    shared.device.say(fill())
    shared.other_has_turn()
    wait_until(shared.other_has_turn)
    assert ended(shared.start(fill()))
    assert "Traceback" in capsys.readouterr().err


def test_time_under_contention_is_charged(shared):
    device = shared.device
    device.backend.is_holding = True
    device.say(fill())
    began_ns = time.monotonic_ns()
    assert not shared.other.claim(began_ns)
    wait_until(lambda: time.monotonic_ns() - began_ns > QUANTUM_NS)
    device.end_all()
    wait_until(shared.other_has_turn)
    assert shared.other._ledger.device_ns(0) >= QUANTUM_NS
    wait_until(lambda: shared.turn._slot._words[shared.slot._virtual] >= 2 * QUANTUM_NS)
    shared.start(fill())
    wait_until(lambda: shared.other._ledger.contenders())
    now_ns = time.monotonic_ns()
    assert shared.other.settle(now_ns, now_ns, QUANTUM_NS, None) is Verdict.RENEW
