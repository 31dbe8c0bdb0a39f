"""How long transfers between nodes wait, how many there may be, and what they leave alone meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from accelpool_node.control import NOBODY_AWAITS
from accelpool_node.worker import arrivals, peer_regions, peers
from accelpool_node.worker.peer_line import Patience, PeerLine
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Timeout
from accelpool_wire.testing import frame

from ..conftest import wait_until
from . import scripted_device
from .peer_rig import new_ticket
from .raw_client import RawClient
from .scripted_device import BUFFER, CONTEXT, LARGE, QUEUE, Device, failure, fill, read

SIZE = 100
SOON = Patience(connect_s=60, match_s=1, start_s=1, stall_s=1)  # and time for a busy machine to be in time


class Node:
    """What stands for another node: connections to and from a session on a scripted device."""

    def __init__(self, patience: Patience) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(60)
        self.port = self.listener.getsockname()[1]
        self.device = Device([f"127.0.0.1:{self.port}"], patience)
        self.streams: list[socket.socket] = []

    def send(self, event: int = 60, size: int = SIZE, buffer: int = BUFFER) -> int:
        """Have the session send a region here."""
        return self.device.say(
            m.SendBuffer(QUEUE, buffer, 0, size, "127.0.0.1", self.port, "ses_x", new_ticket(), event)
        )

    def receive(
        self,
        ticket: bytes,
        event: int = 60,
        buffer: int = BUFFER,
        queue: int = QUEUE,
        wait_for: Sequence[int] = (),
    ) -> int:
        """Have the session await a region."""
        return self.device.say(m.ReceiveBuffer(queue, buffer, 0, SIZE, ticket, event, list(wait_for)))

    def take(self, ticket: bytes) -> None:
        """Deliver to the session, all of it."""
        peer = self.deliver(ticket)
        assert peer.receive() == (m.Awaited(), b"")
        peer.send(bytes(SIZE))
        assert peer.receive() == (m.Done(0), b"")

    def status(self, event: int) -> int:
        """How far a command is."""
        state = self.device.ask(m.GetEvent(event))
        assert isinstance(state, m.EventState)
        return state.status

    def accept(self) -> RawClient:
        """Take the session's connection, and its Deliver."""
        stream, _ = self.listener.accept()
        self.streams.append(stream)
        assert b"ses_x" in stream.recv(1000)
        return RawClient(stream)

    def deliver(self, ticket: bytes, size: int = SIZE) -> RawClient:
        """Deliver to the session, as its agent would hand the connection on."""
        near, far = socket.socketpair()
        self.streams.append(near)
        self.device.session.peers.announce(far, frame(m.Deliver("s", ticket), bytes(size))[:-size])
        return RawClient(near)

    def failure_of(self, event: int) -> tuple[int, str]:
        """Wait for an event's failure: its code and text."""

        def state() -> Any:
            return self.device.ask(m.GetEvent(event))

        wait_until(lambda: state().status < 0)
        found = state()
        return found.status, found.failure[1]

    def close(self) -> None:
        self.device.end_all()
        for stream in (*self.streams, self.listener):
            stream.close()


@pytest.fixture
def node() -> Iterator[Node]:
    """A session of the usual patience."""
    with contextlib.closing(Node(Patience())) as node:
        yield node


@pytest.fixture
def hasty() -> Iterator[Node]:
    """A session of little patience."""
    with contextlib.closing(Node(SOON)) as node:
        yield node


# ---- time ------------------------------------------------------------------------------------------------


def test_a_region_whose_delivery_does_not_come_is_given_up(hasty: Node) -> None:
    hasty.receive(new_ticket())
    code, text = hasty.failure_of(60)
    assert (code, "no delivery of its ticket came within 1 s" in text) == (ErrorCode.OUT_OF_RESOURCES, True)
    hasty.receive(ticket := new_ticket(), event=61)
    assert hasty.deliver(ticket).receive() == (m.Awaited(), b"")


def test_a_delivery_that_nobody_awaits_is_refused_and_told_nothing(hasty: Node) -> None:
    assert hasty.deliver(new_ticket()).receive() == (m.Refused("not-found", NOBODY_AWAITS), b"")


def test_a_ticket_works_once(hasty: Node) -> None:
    hasty.receive(ticket := new_ticket())
    first = hasty.deliver(ticket)
    assert first.receive() == (m.Awaited(), b"")
    first.send(bytes(SIZE))
    assert first.receive() == (m.Done(0), b"")
    assert hasty.deliver(ticket).receive() == (m.Refused("not-found", NOBODY_AWAITS), b"")


def test_a_sender_that_has_nothing_to_give_is_given_up(hasty: Node) -> None:
    hasty.receive(ticket := new_ticket())
    peer = hasty.deliver(ticket)
    assert "it gave nothing for 1 s; 0 bytes were through" in hasty.failure_of(60)[1]
    assert peer.receive() == (m.Awaited(), b"")
    answer, _ = peer.receive()
    assert isinstance(answer, m.Refused)
    assert answer.problem == "unavailable"


def test_a_sender_that_stops_in_the_middle_is_given_up(hasty: Node) -> None:
    hasty.receive(ticket := new_ticket())
    hasty.deliver(ticket).send(bytes(30))
    assert "it gave nothing for 1 s; 30 bytes were through" in hasty.failure_of(60)[1]


def test_a_receiver_that_is_never_ready_is_given_up(hasty: Node) -> None:
    hasty.send()
    hasty.accept()
    assert "it said nothing for 1 s; 0 bytes were through" in hasty.failure_of(60)[1]


def test_a_receiver_that_takes_nothing_is_given_up(hasty: Node) -> None:
    large = 8 << 20
    hasty.device.say(m.CreateBuffer(5, CONTEXT, 1, large))
    hasty.send(size=large, buffer=5)
    hasty.accept().say(m.Awaited())
    assert "it took nothing for 1 s" in hasty.failure_of(60)[1]


def test_what_cannot_be_sent_is_called_off_at_the_other_node(node: Node) -> None:
    node.send(buffer=999)
    assert node.accept().stream.recv(1) == b""
    assert node.status(60) == ErrorCode.INVALID_MEM_OBJECT


# ---- number ----------------------------------------------------------------------------------------------


def test_a_client_that_sends_in_vain_takes_no_more_than_some_threads(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered, go_on = [], threading.Event()

    def offer(_cls: type, stream: socket.socket, *_: Any) -> Any:
        stream.close()
        offered.append(stream)
        assert go_on.wait(60)
        raise Timeout("nobody answers")

    monkeypatch.setattr(scripted_device, "connect", lambda *_: socket.socket())
    monkeypatch.setattr(PeerLine, "offer", classmethod(offer))
    for event in range(60, 60 + 3 * peers.MAX_CALLED_OFF):
        node.send(event, buffer=999)
        assert node.status(event) == ErrorCode.INVALID_MEM_OBJECT
    wait_until(lambda: len(offered) == peers.MAX_CALLED_OFF)
    go_on.set()
    node.send(200, buffer=999)
    wait_until(lambda: node.send(200, buffer=999) and len(offered) > peers.MAX_CALLED_OFF)


def test_of_too_many_deliveries_that_nobody_awaits_the_oldest_goes(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "MAX_WAITING", 8)
    tickets = [new_ticket() for _ in range(9)]
    peers = [node.deliver(ticket) for ticket in tickets]
    assert peers[0].receive() == (m.Refused("not-found", NOBODY_AWAITS), b"")
    node.receive(tickets[0], event=61)
    code, text = node.failure_of(61)  # at once: it does not wait for what will not come
    assert (code, "its delivery was turned away" in text) == (ErrorCode.OUT_OF_RESOURCES, True)
    node.receive(tickets[1])
    assert peers[1].receive() == (m.Awaited(), b"")


def test_a_node_may_be_far_ahead_of_the_one_it_sends_to(node: Node) -> None:
    tickets = [new_ticket() for _ in range(200)]
    peers = [node.deliver(ticket) for ticket in tickets]
    for event, ticket in enumerate(tickets, start=100):
        node.receive(ticket, event)
    for peer in peers:
        assert peer.receive() == (m.Awaited(), b"")
        peer.send(bytes(SIZE))
        assert peer.receive() == (m.Done(0), b"")


def test_a_second_delivery_with_a_ticket_takes_the_place_of_one_that_waits(node: Node) -> None:
    ticket = new_ticket()
    first, second = node.deliver(ticket), node.deliver(ticket)
    assert first.receive() == (m.Refused("not-found", NOBODY_AWAITS), b"")
    node.receive(ticket)
    assert second.receive() == (m.Awaited(), b"")


def test_a_burst_of_sends_is_offered_a_few_at_a_time(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    offered, most, go_on = [], [], threading.Event()

    def offer(_cls: type, stream: socket.socket, *_: Any) -> Any:
        stream.close()
        offered.append(stream)
        most.append(len(offered))
        assert go_on.wait(60)
        offered.pop()
        raise Timeout("nobody answers")

    monkeypatch.setattr(scripted_device, "connect", lambda *_: socket.socket())
    monkeypatch.setattr(PeerLine, "offer", classmethod(offer))
    for event in range(100, 100 + 3 * peers.MAX_OFFERED):
        node.send(event)
    wait_until(lambda: len(offered) == peers.MAX_OFFERED)
    go_on.set()
    wait_until(lambda: all(node.status(event) < 0 for event in range(100, 100 + 3 * peers.MAX_OFFERED)))
    assert max(most) == peers.MAX_OFFERED


def test_transfers_past_the_limit_are_refused(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_regions, "MAX_PENDING", 2)
    for event in (60, 61, 62):
        node.receive(new_ticket(), event)
    code, text = node.failure_of(62)
    assert (code, "2 transfers between nodes are under way" in text) == (ErrorCode.OUT_OF_RESOURCES, True)
    for event in (60, 61):
        state = node.device.ask(m.GetEvent(event))
        assert isinstance(state, m.EventState)
        assert state.status > 0


def test_transfers_that_are_over_are_forgotten_by_a_queue_that_does_nothing_else(node: Node) -> None:
    for number in range(5, 10):
        node.device.say(m.CreateBuffer(number, CONTEXT, 1, SIZE))
        node.receive(ticket := new_ticket(), event=60 + number, buffer=number)
        node.take(ticket)
        wait_until(lambda event=60 + number: node.status(event) == 0)
    assert len(node.device.session._holdings.queues.items[QUEUE].loose) == 1


def test_a_reception_behind_a_gate_takes_no_thread_to_be_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "MAX_THREADS", 1)
    with contextlib.closing(Node(SOON)) as node:
        node.device.backend.is_holding = True
        node.device.say(m.CreateUserEvent(50, CONTEXT))
        node.receive(new_ticket(), wait_for=[50])
        node.device.backend.is_holding = False
        node.device.say(m.CreateCommandQueue(6, CONTEXT, 0))
        node.receive(new_ticket(), event=61, queue=6)
        assert node.failure_of(61)[0] == ErrorCode.OUT_OF_RESOURCES
        assert node.status(60) > 0


# ---- what else the session does meanwhile ----------------------------------------------------------------


def test_a_session_that_waits_for_another_node_is_served_and_does_not_count_as_hung(node: Node) -> None:
    node.receive(ticket := new_ticket())
    finish, read_back = node.device.say(m.Finish(QUEUE)), node.device.say(read())
    assert node.device.ask(m.Sync()) == m.Done(read_back + 1)
    assert (node.device.find(finish), node.device.find(read_back)) == (None, None)
    assert node.device.session.completion.oldest_s() == 0.0
    peer = node.deliver(ticket)
    assert peer.receive() == (m.Awaited(), b"")
    peer.send(b"x" * SIZE)
    assert node.device.answer_to(finish) == m.Done(finish)
    assert isinstance(node.device.answer_to(read_back), m.Data)


def test_a_region_in_use_here_is_asked_for_when_it_is_free(node: Node) -> None:
    node.device.backend.is_holding = True
    node.receive(ticket := new_ticket())
    node.device.backend.is_holding = False
    peer = node.deliver(ticket)
    peer.stream.settimeout(0.05)
    with pytest.raises(TimeoutError):
        peer.receive()
    node.device.backend.running[-1].end()
    peer.stream.settimeout(10)
    assert peer.receive() == (m.Awaited(), b"")


def test_writes_and_releases_go_on_behind_a_transfer(node: Node) -> None:
    node.receive(ticket := new_ticket())
    node.device.say(m.EnqueueWriteBuffer(QUEUE, BUFFER, 0, 61), bytes(LARGE))
    node.device.say(m.CreateBuffer(5, CONTEXT, 1, 1000))
    node.device.say(fill(buffer=5))
    node.device.say(m.Release([5, QUEUE]))
    node.device.say(m.Release([QUEUE]))
    peer = node.deliver(ticket)
    assert peer.receive() == (m.Awaited(), b"")
    peer.send(b"x" * SIZE)
    assert peer.receive() == (m.Done(0), b"")
    assert isinstance(node.device.ask(m.Sync()), m.Done)


def test_a_failure_after_its_queue_is_gone_is_the_sessions(hasty: Node) -> None:
    command = hasty.receive(new_ticket(), event=0)
    hasty.device.say(m.Release([QUEUE]))

    def failed() -> bool:
        answer = hasty.device.ask(m.Sync())
        return isinstance(answer, m.Failed) and answer.culprit == command

    wait_until(failed)


def test_the_sender_may_be_gone_once_its_content_is_here(node: Node) -> None:
    node.receive(ticket := new_ticket())
    peer = node.deliver(ticket)
    assert peer.receive() == (m.Awaited(), b"")
    peer.send(b"x" * SIZE)
    peer.stream.close()
    finish = node.device.say(m.Finish(QUEUE))
    assert node.device.answer_to(finish) == m.Done(finish)


# ---- a device that hangs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_delivered", [True, False])
def test_a_region_that_does_not_get_free_is_told_to_the_watchdog(hasty: Node, *, is_delivered: bool) -> None:
    hasty.device.backend.is_holding = True
    hasty.receive(ticket := new_ticket())
    if is_delivered:
        hasty.deliver(ticket)
    wait_until(lambda: hasty.device.session.completion.oldest_s() > 0)


def test_content_that_does_not_get_into_place_is_told_to_the_watchdog(node: Node) -> None:
    node.receive(ticket := new_ticket())
    peer = node.deliver(ticket)
    assert peer.receive() == (m.Awaited(), b"")
    node.device.backend.is_holding = True
    peer.send(bytes(SIZE))
    wait_until(lambda: node.device.session.completion.oldest_s() > 0)


def test_a_region_behind_a_user_event_is_not_told_to_the_watchdog(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "MAX_THREADS", 1)
    node.device.say(m.CreateUserEvent(50, CONTEXT))
    node.device.say(m.CreateCommandQueue(6, CONTEXT, 0))
    node.device.backend.is_holding = True
    node.receive(held := new_ticket(), wait_for=[50])
    node.device.backend.is_holding = False
    peer = node.deliver(held)
    node.receive(ticket := new_ticket(), event=61, queue=6)
    node.take(ticket)
    assert node.device.session.completion.oldest_s() == 0
    node.device.say(m.SetUserEventStatus(50, 0))
    wait_until(lambda: node.device.session.completion.oldest_s() > 0)
    node.device.end_all()
    assert peer.receive() == (m.Awaited(), b"")


# ---- a device that fails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["enqueue_map_buffer", "create_user_event", "flush"])
def test_what_cannot_be_enqueued_is_the_commands_failure(node: Node, method: str) -> None:
    node.device.backend.raising[method] = failure(ErrorCode.OUT_OF_HOST_MEMORY)
    node.receive(new_ticket())
    node.device.backend.raising.clear()
    assert node.failure_of(60)[0] == ErrorCode.OUT_OF_HOST_MEMORY
    assert isinstance(node.device.ask(m.Finish(QUEUE)), m.Done)


def test_a_mapping_that_fails_is_told_to_both_sides(node: Node) -> None:
    node.device.backend.is_holding = True
    node.receive(ticket := new_ticket())
    node.device.backend.is_holding = False
    node.device.backend.running[-1].end(ErrorCode.MAP_FAILURE)
    answer, _ = node.deliver(ticket).receive()
    assert isinstance(answer, m.Refused)
    assert answer.problem == "unavailable"
    assert node.failure_of(60)[0] == ErrorCode.MAP_FAILURE


def test_content_that_does_not_get_to_the_device_is_no_success(node: Node) -> None:
    node.receive(ticket := new_ticket())
    node.device.backend.raising["enqueue_unmap"] = failure(ErrorCode.OUT_OF_RESOURCES)
    peer = node.deliver(ticket)
    assert peer.receive() == (m.Awaited(), b"")
    peer.send(bytes(SIZE))
    assert isinstance(peer.receive()[0], m.Refused)
    assert "the test said so" in node.failure_of(60)[1]


def test_an_event_that_the_driver_does_not_complete_is_told(node: Node) -> None:
    command = node.receive(ticket := new_ticket())
    node.device.backend.raising["set_user_event_status"] = failure(ErrorCode.OUT_OF_RESOURCES)
    peer = node.deliver(ticket)
    assert peer.receive() == (m.Awaited(), b"")
    peer.send(bytes(SIZE))
    assert peer.receive() == (m.Done(0), b"")

    def failed() -> bool:
        answer = node.device.ask(m.Sync())
        return isinstance(answer, m.Failed) and answer.culprit == command

    wait_until(failed)
