"""A connection between two nodes: how long the other side may take for what, however steadily it speaks."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from accelpool_node.worker import peer_line
from accelpool_node.worker.peer_line import Patience, PeerLine
from accelpool_wire import messages as m
from accelpool_wire.conversation import Conversation, Role
from accelpool_wire.errors import Timeout
from accelpool_wire.testing import frame

from ..tls_rig import secured_pair

SIZE = 100
DELIVER = m.Deliver("s", bytes(32))


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection, on which every byte takes 20 s by the clock."""
    clock = itertools.count(0.0, 20.0)
    monkeypatch.setattr(peer_line, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(peer_line, "CHUNK_BYTES", 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def sender(stream: socket.socket, patience: Patience) -> PeerLine:
    """Return a line whose delivery is offered already."""
    conversation = Conversation(Role.CLIENT)
    conversation.send(DELIVER, SIZE)
    return PeerLine(stream, conversation, patience)


def receiver(stream: socket.socket, patience: Patience) -> PeerLine:
    """Return a line to which a delivery has been offered."""
    return PeerLine.answer(stream, frame(DELIVER, bytes(SIZE))[:-SIZE], patience)[0]


@pytest.mark.parametrize(("rate", "count"), [(1.0, 1), (0.0625, 3)])
def test_a_payload_that_comes_byte_by_byte_is_given_up(
    ends: tuple[socket.socket, socket.socket], rate: float, count: int
) -> None:
    ends[1].send(bytes(SIZE))
    line = receiver(ends[0], Patience(min_bytes_per_s=rate))
    with pytest.raises(Timeout, match=f"it gave less than {rate:g} bytes a second; {count} bytes were"):
        line.receive_payload(memoryview(bytearray(SIZE)))


def test_a_payload_that_goes_byte_by_byte_is_given_up(ends: tuple[socket.socket, socket.socket]) -> None:
    line = sender(ends[0], Patience(min_bytes_per_s=1))
    with pytest.raises(Timeout, match="it took less than 1 bytes a second; 1 bytes were through"):
        line.send_payload(memoryview(bytes(SIZE)))


def test_a_payload_at_the_least_rate_arrives(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].send(b"x" * SIZE)
    content = bytearray(SIZE)
    receiver(ends[0], Patience(min_bytes_per_s=0.05)).receive_payload(memoryview(content))
    assert content == b"x" * SIZE


def test_an_answer_that_comes_byte_by_byte_is_given_up(
    ends: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = sender(ends[0], Patience())
    ends[1].send(frame(m.Awaited())[:-1])
    with pytest.raises(Timeout, match="it did not say all that it had to in time"):
        line.await_go_ahead()


def test_a_node_that_takes_less_than_it_is_given_is_not_stuck_over_tls() -> None:
    ours, theirs = secured_pair()
    size, pause = 1 << 20, threading.Event()

    def take() -> None:
        place = bytearray(32 * 1024)
        left = size
        theirs.sendall(frame(m.Awaited()))
        while left:
            pause.wait(0.1)
            left -= theirs.recv_into(place, min(left, len(place)))
        theirs.sendall(frame(m.Done(0)))

    with ours, theirs, ThreadPoolExecutor() as threads:
        taken = threads.submit(take)
        line = sender(ours, Patience(stall_s=2.0))
        line.await_go_ahead()
        line.send_payload(memoryview(bytes(size)))
        assert taken.result() is None
