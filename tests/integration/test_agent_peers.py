"""Deliveries through the agents of two nodes: to the session that they are for, and to no other."""

from __future__ import annotations

import contextlib
import os
import socket
import time

import pytest

from accelpool_node.control import NOBODY_AWAITS
from accelpool_wire import messages as m
from accelpool_wire.client import Connection
from accelpool_wire.frames import PREFIX
from accelpool_wire.testing import frame

from ..conftest import open_files, wait_until
from .agent_rig import LIMIT_S, FakeBroker, Node, read, worker_of
from .peer_rig import new_ticket
from .wire_client import Client

SIZE = 500_000


@pytest.fixture(scope="module")
def pools():
    with FakeBroker() as one, FakeBroker() as two:
        yield one, two


@pytest.fixture(scope="module")
def nodes(pools, tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(Node(broker, tmp_path_factory.mktemp("agent") / "state")) for broker in pools
        ]


def address(node):
    return node.ready["host"], node.ready["port"]


class Side:
    """A session on a node, with a queue and a buffer."""

    def __init__(self, broker, node, device, others, lease):
        peers = tuple(f"{host}:{port}" for host, port in map(address, others))
        token = broker.token(lease, device, peers=peers, expires_at=time.time() + 600)
        self.node = node
        self.connection = Connection.open(address(node), token)
        self.client = Client(self.connection)
        self.context = self.client.context()
        self.queue = self.client.queue(self.context)
        self.buffer = self.client.buffer(self.context, SIZE)

    def send(self, to, ticket, event):
        host, port = address(to.node)
        session = to.connection.session
        self.client.post(m.SendBuffer(self.queue, self.buffer, 0, SIZE, host, port, session, ticket, event))
        self.connection.flush()

    def receive(self, ticket, event):
        self.client.post(m.ReceiveBuffer(self.queue, self.buffer, 0, SIZE, ticket, event))
        self.connection.flush()

    def end_of(self, event):
        return self.client.wait(event)[0]


@pytest.fixture
def sides(pools, nodes, request):
    lease = f"lease of {request.node.name}"
    with contextlib.ExitStack() as stack:
        both = [
            Side(broker, node, "0", [other], lease)
            for broker, node, other in zip(pools, nodes, reversed(nodes), strict=True)
        ]
        for side in both:
            stack.enter_context(side.connection)
        yield both


def log_of(node, session):
    return [line for line in node.log.read_text().splitlines() if session in line]


def test_a_buffer_goes_from_node_to_node_and_past_the_client(nodes, sides):
    one, two = sides
    content, ticket = os.urandom(SIZE), new_ticket()
    one.client.write(one.queue, one.buffer, content)
    sent_before = two.connection.stats.bytes_sent
    two.receive(ticket, 100)
    one.send(two, ticket, 100)
    assert [one.end_of(100).status, two.end_of(100).status] == [0, 0]
    assert two.connection.stats.bytes_sent - sent_before < 1000
    assert two.client.read(two.queue, two.buffer, SIZE) == content
    for side, expected in (
        (one, f"0 came from other nodes and {SIZE} went there"),
        (two, f"{SIZE} came from other nodes and 0 went there"),
    ):
        side.connection.close()
        session = side.connection.session
        wait_until(lambda s=side, n=session, e=expected: e in log_of(s.node, n)[-1])


def test_both_nodes_may_send_at_once(sides):
    one, two = sides
    content = [os.urandom(SIZE), os.urandom(SIZE)]
    tickets = [new_ticket(), new_ticket()]
    for side, part in zip(sides, content, strict=True):
        side.client.write(side.queue, side.buffer, part)
        side.target = side.client.buffer(side.context, SIZE)
    for side, other, mine, theirs in ((one, two, *tickets), (two, one, *tickets[::-1])):
        side.send(other, mine, 100)
        side.client.post(m.ReceiveBuffer(side.queue, side.target, 0, SIZE, theirs, 101))
        side.connection.flush()
    assert one.client.read(one.queue, one.target, SIZE) == content[1]
    assert two.client.read(two.queue, two.target, SIZE) == content[0]


def test_a_session_that_there_is_not_is_refused_like_one_that_awaits_nothing(nodes, sides):
    with nodes[1].connect() as stream:
        stream.sendall(frame(m.Deliver("ses_none", new_ticket()), bytes(5))[:-5])
        assert read(stream) == m.Refused("not-found", NOBODY_AWAITS)


@pytest.mark.parametrize(
    "first",
    [
        frame(m.Deliver("s", bytes(15)), bytes(5))[:-5],
        frame(m.Deliver("s", bytes(16))),
        frame(m.Deliver("s", bytes(80_000)), b"x")[:-1],
        PREFIX.pack(2, (1 << 64) - 1) + b"\x91\x05",
        frame(m.Hello([1], [], "t"), b"x")[:-1],
        frame(m.Awaited()),
    ],
)
def test_hostile_deliveries_are_refused_by_the_agent(nodes, first):
    with nodes[0].connect() as stream:
        stream.sendall(first)
        answer = read(stream)
    assert isinstance(answer, m.Refused)
    assert answer.problem == "invalid"


def test_deliveries_without_a_ticket_do_not_disturb_the_session(nodes, sides):
    one, two = sides
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stranger = stack.enter_context(nodes[1].connect())
            deliver = m.Deliver(two.connection.session, new_ticket())
            stranger.sendall(frame(deliver, bytes(5))[:-5])
        ticket = new_ticket()
        two.receive(ticket, 100)
        one.send(two, ticket, 100)
        assert [one.end_of(100).status, two.end_of(100).status] == [0, 0]


def test_the_end_of_the_receivers_lease_fails_the_send(pools, sides, request):
    one, two = sides
    one.send(two, new_ticket(), 100)
    one.client.sync()
    pools[1].end(f"lease of {request.node.name}")
    done = one.end_of(100)
    assert (done.status, "did not get to session" in done.failure[1]) == (-5, True)
    one.client.failures()
    one.client.finish(one.queue)


def test_a_sender_whose_worker_is_killed_fails_the_reception(nodes, sides):
    one, two = sides
    ticket, start = new_ticket(), one.client.new()
    one.client.post(m.CreateUserEvent(start, one.context))
    host, port = address(nodes[1])
    one.client.post(
        m.SendBuffer(one.queue, one.buffer, 0, SIZE, host, port, two.connection.session, ticket, 100, [start])
    )
    two.receive(ticket, 100)
    one.client.sync()
    two.client.sync()
    receiver = worker_of(nodes[1], two.connection.session)
    wait_until(lambda: sum("socket" in name for name in open_files(receiver)) >= 3)
    os.kill(worker_of(nodes[0], one.connection.session), 9)
    done = two.end_of(100)
    assert (done.status, "did not come" in done.failure[1]) == (-5, True)
    two.client.failures()
    two.client.finish(two.queue)


def test_a_token_without_peers_sends_nowhere(pools, nodes):
    side = Side(pools[0], nodes[0], "1", [], "alone")
    with side.connection:
        side.send(side, new_ticket(), 100)
        done = side.end_of(100)
    assert (done.status, "there are none" in done.failure[1]) == (-59, True)


def test_a_session_gone_awaits_nothing(nodes, sides):
    _, two = sides
    session = two.connection.session
    two.connection.close()
    wait_until(lambda: "is over" in log_of(nodes[1], session)[-1])
    with socket.create_connection(address(nodes[1]), LIMIT_S) as stream:
        deliver = m.Deliver(session, new_ticket())
        stream.sendall(frame(deliver, bytes(5))[:-5])
        assert read(stream) == m.Refused("not-found", NOBODY_AWAITS)
