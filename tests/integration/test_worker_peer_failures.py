"""Transfers between workers that fail: refused, or because the other node does not do as it should."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from accelpool_node import control
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.frames import PREFIX
from accelpool_wire.testing import frame

from ..sockets import end_writing
from .peer_rig import SIZE, Peer, ends, new_ticket, peer_targets, two_peers
from .raw_client import RawClient
from .worker_rig import NULL_TARGET, Worker


@pytest.fixture(scope="module", params=peer_targets(), ids=lambda target: target.id)
def peers(request: pytest.FixtureRequest) -> Iterator[tuple[Peer, Peer]]:
    with two_peers(request.param, request.param) as both:
        yield both


@pytest.fixture
def doomed() -> Iterator[tuple[Peer, Peer]]:
    """Two workers on null devices, of which a test may kill one."""
    with two_peers(NULL_TARGET, NULL_TARGET) as both:
        yield both


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 0), (0, 101), (100, 1), (-1, 10), (0, -1), (1 << 62, 1 << 62)]
)
def test_regions_beyond_the_buffer_are_refused(peers: tuple[Peer, Peer], offset: int, size: int) -> None:
    one, two = peers
    buffer = one.buffer(bytes(100))
    for event in (
        one.send(two, buffer, size, new_ticket(), offset=offset),
        one.receive(buffer, size, new_ticket(), offset=offset),
    ):
        assert one.end_of(event).status == ErrorCode.INVALID_VALUE
    one.client.finish(one.queue)


@pytest.mark.parametrize("length", [0, 15, 65])
def test_tickets_of_other_lengths_are_refused(peers: tuple[Peer, Peer], length: int) -> None:
    one, two = peers
    buffer = one.buffer(bytes(100))
    for event in (one.send(two, buffer, 9, bytes(length)), one.receive(buffer, 9, bytes(length))):
        done = one.end_of(event)
        assert (done.status, "16 to 64 are possible" in str(done.failure)) == (ErrorCode.INVALID_VALUE, True)


def test_an_address_that_is_not_the_leases_is_refused_with_those_that_are(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        event = one.send(two, one.buffer(bytes(9)), 9, new_ticket(), port=port)
        status, _, failure = (done := one.end_of(event)).status, done.times, done.failure
        stranger.settimeout(0)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert status == ErrorCode.INVALID_OPERATION
    assert f"127.0.0.1:{port} is no other endpoint of this lease; there are {two.door.address}" in str(
        failure
    )


def test_a_ticket_in_use_is_refused(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket, content = new_ticket(), os.urandom(9)
    first, second = two.buffer(size=9), two.buffer(size=9)
    received = two.receive(first, 9, ticket)
    done = two.end_of(two.receive(second, 9, ticket))
    assert (done.status, "the same ticket" in str(done.failure)) == (ErrorCode.INVALID_VALUE, True)
    one.send(two, one.buffer(content), 9, ticket)
    assert ends((two, received)) == [0]
    assert two.read(first, 9) == content


def test_a_delivery_of_another_size_fails_on_both_sides(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket = new_ticket()
    received = two.receive(two.buffer(size=100), 100, ticket)
    sent = one.send(two, one.buffer(bytes(99)), 99, ticket)
    for peer, event in ((one, sent), (two, received)):
        done = peer.end_of(event)
        assert done.status == ErrorCode.OUT_OF_RESOURCES
        assert "99 bytes are offered to a region of 100" in str(done.failure)


def test_a_failure_sticks_to_the_queue_once(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket = new_ticket()
    two.receive(two.buffer(size=100), 100, ticket)
    one.send(two, one.buffer(bytes(99)), 99, ticket)
    for peer, kind in ((one, "SendBuffer"), (two, "ReceiveBuffer")):
        error = peer.finish_error()
        assert (kind in error.what, error.code) == (True, ErrorCode.OUT_OF_RESOURCES)
        peer.client.finish(peer.queue)


def test_a_failure_that_an_event_told_surfaces_no_more(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket = new_ticket()
    received = two.receive(two.buffer(size=100), 100, ticket)
    sent = one.send(two, one.buffer(bytes(99)), 99, ticket)
    assert max(ends((one, sent), (two, received))) < 0
    for peer in peers:
        peer.client.finish(peer.queue)


def test_what_waits_for_content_that_does_not_come_fails(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket, target = new_ticket(), two.buffer(bytes(100))
    received = two.receive(target, 100, ticket)
    other = two.client.queue(two.context)
    filled = two.client.fill(other, two.buffer(size=100), b"\x01", 100, wait_for=[received])
    _, read, _ = two.client.start_read(two.queue, target, 100)
    one.send(two, one.buffer(bytes(99)), 99, ticket)
    one.client.connection.flush()
    with pytest.raises(Error, match="99 bytes are offered"):
        read.wait(30)
    assert ends((two, filled)) == [ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST]
    assert two.read(two.buffer(b"good"), 4) == b"good"


def test_a_transfer_behind_a_failed_command_fails(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket = new_ticket()
    start = one.client.new()
    one.client.post(m.CreateUserEvent(start, one.context))
    sent = one.send(two, one.buffer(bytes(9)), 9, ticket, wait_for=[start])
    received = two.receive(two.buffer(size=9), 9, ticket)
    two.client.sync()
    one.client.post(m.SetUserEventStatus(start, -5))
    assert one.end_of(sent).status < 0
    done = two.end_of(received)
    assert "the region's content did not come" in str(done.failure)
    for peer in peers:
        peer.client.failures()


# ---- other nodes that do not do as they should -----------------------------------------------------------


def test_a_receiver_that_dies_fails_the_send_and_nothing_else(doomed: tuple[Peer, Peer], wait_until) -> None:
    one, two = doomed
    sent = one.send(two, source := one.buffer(b"alive"), 5, new_ticket())
    one.client.sync()
    wait_until(lambda: two.door.passed)
    two.worker.process.kill()
    done = one.end_of(sent)
    assert (done.status, "did not get to session ses_two" in str(done.failure)) == (
        ErrorCode.OUT_OF_RESOURCES,
        True,
    )
    assert one.read(source, 5) == b"alive"


def test_a_sender_that_dies_fails_the_reception_and_nothing_else(
    doomed: tuple[Peer, Peer], wait_until
) -> None:
    one, two = doomed
    ticket, start = new_ticket(), one.client.new()
    one.client.post(m.CreateUserEvent(start, one.context))
    one.send(two, one.buffer(size=100), 100, ticket, wait_for=[start])
    received = two.receive(two.buffer(size=100), 100, ticket)
    two.client.sync()
    one.client.sync()
    wait_until(lambda: two.door.passed)
    one.worker.process.kill()
    done = two.end_of(received)
    assert (done.status, "did not come" in str(done.failure)) == (ErrorCode.OUT_OF_RESOURCES, True)
    assert two.read(two.buffer(b"alive"), 5) == b"alive"


def test_a_send_to_nobody_fails(doomed: tuple[Peer, Peer]) -> None:
    one, two = doomed
    two.door.close()
    done = one.end_of(one.send(two, one.buffer(b"alive"), 5, new_ticket()))
    assert (done.status, "nobody answers" in str(done.failure)) == (ErrorCode.OUT_OF_RESOURCES, True)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "closed the connection without a word"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "an answer of"),
        (frame(m.Refused("not-found", "no such")), "no such"),
        (frame(m.Done(0)), "may not come in state offered"),
        (frame(m.Awaited(), b"payload"), "has no payload"),
        (frame(m.Awaited()) + frame(m.Done(1)), "Done answers command 1"),
        (frame(m.Awaited()), "without a word"),
        (frame(m.Awaited())[:-1], "without a word"),
        (PREFIX.pack(0xFFFFFFFF, 0), "an answer of 4294967295 bytes"),
        (PREFIX.pack(3, 0) + b"\xc1\xc1\xc1", "no message"),
    ],
)
def test_a_receiver_that_breaks_the_rules_fails_the_send(answer: bytes, text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with Worker(NULL_TARGET, peers=(f"127.0.0.1:{port}",)) as worker, RawClient.open(worker) as client:
            ticket = new_ticket()
            client.say(
                m.CreateContext(1, [0]),
                m.CreateCommandQueue(2, 1, 0),
                m.CreateBuffer(3, 1, 1, 5),
                m.SendBuffer(2, 3, 0, 5, "127.0.0.1", port, "ses_x", ticket, 4),
                m.WatchEvents([4]),
            )
            stream, _ = listener.accept()
            with stream:
                head = stream.recv(1000)
                assert head == frame(m.Deliver("ses_x", ticket), bytes(5))[:-5]
                stream.sendall(answer)
                end_writing(stream)
                done, _ = client.receive()
            assert isinstance(done, m.EventDone)
            assert (done.status, text in str(done.failure)) == (ErrorCode.OUT_OF_RESOURCES, True), done
            client.say(m.Sync())
            assert isinstance(client.receive()[0], m.Done)


HOSTILE = [
    b"",
    bytes(12),
    frame(m.Hello([1], [], "t")),
    frame(m.Deliver("ses_two", b"x" * 32)),
    frame(m.Deliver("ses_two", b"")),
    PREFIX.pack(3, 1 << 63) + b"\x93\x05\xa0",
    PREFIX.pack(1, 5) + b"\xc1",
]


def test_hostile_deliveries_disturb_nobody(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ours = []
    for content in HOSTILE:
        near, far = socket.socketpair()
        ours.append(near)
        with far:
            control.send(two.worker.agent, control.Delivery(content), (far.fileno(),))
    content, ticket = os.urandom(SIZE), new_ticket()
    target = two.buffer(size=SIZE)
    two.receive(target, SIZE, ticket)
    one.send(two, one.buffer(content), SIZE, ticket)
    one.client.connection.flush()
    assert two.read(target, SIZE) == content
    for near in ours:
        near.close()


@pytest.mark.parametrize("count", [0, 10])
def test_a_delivery_cut_short_fails_the_reception(peers: tuple[Peer, Peer], count: int) -> None:
    _, two = peers
    ticket = new_ticket()
    received = two.receive(two.buffer(size=100), 100, ticket)
    near, far = socket.socketpair()
    with far:
        head = frame(m.Deliver("ses_two", ticket), bytes(100))[:-100]
        control.send(two.worker.agent, control.Delivery(head), (far.fileno(),))
    with near:
        near.settimeout(10)
        assert near.recv(100) == frame(m.Awaited())
        near.sendall(bytes(count))
        end_writing(near)
        done = two.end_of(received)
    assert f"it closed after {count} of 100 bytes" in str(done.failure)
    two.client.failures()


@pytest.mark.parametrize("message", [m.Deliver("ses_one", bytes(32)), m.Deliver("", b"")])
def test_a_client_that_delivers_in_its_session_is_refused(message: m.Deliver) -> None:
    with Worker(NULL_TARGET) as worker, RawClient.open(worker) as client:
        client.send(frame(message, b"payload"))
        answer, _ = client.receive()
        assert isinstance(answer, m.Refused)
        assert (answer.problem, "Deliver may not come in state open" in answer.detail) == ("invalid", True)
        assert worker.ended().cause == control.Cause.REFUSED
