"""A node that does TLS: clients come in twice on one connection, and nobody else does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import pytest

from accelpool_wire import messages as m
from accelpool_wire import tls
from accelpool_wire.client import Connection
from accelpool_wire.conversation import Conversation, Role
from accelpool_wire.errors import ConnectError, SessionLost, Unauthorized
from accelpool_wire.handshake import introduce
from accelpool_wire.testing import frame

from ..conftest import wait_until
from .agent_rig import LIMIT_S, FakeBroker, Node, ask, read, worker_of
from .test_agent_peers import Side, new_ticket
from .wire_client import Client

SIZE = 500_000


@pytest.fixture(scope="module")
def pools():
    with FakeBroker() as one, FakeBroker() as two:
        yield one, two


@pytest.fixture(scope="module")
def nodes(pools, tmp_path_factory):
    states = [tmp_path_factory.mktemp("agent") / "state" for _ in pools]
    with Node(pools[0], states[0], "--tls") as one, Node(pools[1], states[1], "--tls") as two:
        yield one, two


@pytest.fixture
def broker(pools):
    return pools[0]


@pytest.fixture
def node(nodes):
    return nodes[0]


def address(node):
    return node.ready["host"], node.ready["port"]


def pin(node):
    return node.ready.get("certificate_sha256", "")


def open_session(node, token, **options):
    return Connection.open(address(node), token, **{"certificate_sha256": pin(node), **options})


def introduced(node, message):
    """Return the connection past its first TLS, and the agent's answer."""
    stream, body = introduce(node.connect(), pin(node), frame(message), LIMIT_S)
    conversation = Conversation(Role.CLIENT)
    conversation.send(message)
    return stream, conversation.receive(memoryview(body))


def hello(token):
    return m.Hello([1], [], token, "test")


def logged(node, words):
    return any(words in line for line in node.log.read_text().splitlines())


def test_a_node_tells_its_certificate_when_it_registers(broker, node):
    assert broker.registrations[-1]["address"]["certificate_sha256"] == pin(node)
    with tls.join(node.connect(), pin(node), LIMIT_S) as stream:
        assert (stream.version(), tls.pin_of(stream.getpeercert(binary_form=True))) == ("TLSv1.3", pin(node))


def test_a_node_without_tls_tells_none(broker, tmp_path):
    with FakeBroker() as other, Node(other, tmp_path / "state") as plain:
        assert "certificate_sha256" not in plain.ready
        assert "certificate_sha256" not in other.registrations[0]["address"]


def test_a_session_over_tls_is_a_session(broker, node):
    content = os.urandom(SIZE)
    with open_session(node, broker.token("L1", "0")) as connection:
        client = Client(connection)
        context = client.context()
        queue, buffer = client.queue(context), client.buffer(context, SIZE)
        client.write(queue, buffer, content)
        assert client.read(queue, buffer, SIZE) == content
        connection.ask(m.Sync(), m.Done)
    assert broker.wait_for_end(connection.session)["cause"] == "goodbye"


def test_both_halves_of_a_session_move_much_at_once(broker, node):
    size = 64 << 20
    with open_session(node, broker.token("Lbulk", "0", memory_bytes=1 << 30)) as connection:
        client = Client(connection)
        context = client.context()
        queue, buffer = client.queue(context), client.buffer(context, size)
        places = [memoryview(bytearray(size)) for _ in range(3)]
        reads = [connection.read(m.EnqueueReadBuffer(queue, buffer, 0, size), place) for place in places]
        for _ in places:
            client.write(queue, buffer, bytes(size))
        for read_ in reads:
            read_.wait(LIMIT_S * 3)
        client.finish(queue)


def test_whoever_comes_without_tls_is_refused_in_words(node):
    with node.connect() as stream:
        answer = ask(stream, hello("x"))
    assert isinstance(answer, m.Refused)
    assert (answer.problem, "takes no connection without TLS" in answer.detail) == ("forbidden", True)
    with pytest.raises(Exception, match="takes no connection without TLS"):
        Connection.open(address(node), "token")


def test_a_client_that_was_told_another_certificate_says_nothing(broker, node):
    with pytest.raises(ConnectError, match=r"no node of the pool answers at .*: it is somebody else"):
        open_session(node, broker.token("L1", "0"), certificate_sha256="0" * 64)


def test_a_client_that_was_told_a_certificate_does_not_go_without(tmp_path):
    with FakeBroker() as other, Node(other, tmp_path / "state") as plain:
        token = other.token("L1", "0")
        with pytest.raises(ConnectError, match="TLS handshake failed"):
            Connection.open(address(plain), token, certificate_sha256="0" * 64)


def test_a_refusal_comes_over_the_first_tls(node):
    with pytest.raises(Unauthorized, match="signature does not hold"):
        open_session(node, "eyJ9.c2ln")


def test_a_session_whose_worker_is_killed_is_explained_over_tls(broker, node):
    with open_session(node, broker.token("L2", "1")) as connection:
        os.kill(worker_of(node, connection.session), 9)
        with pytest.raises(SessionLost, match="killed by signal 9"):
            connection.ask(m.Sync(), m.Done)


def test_nothing_may_follow_the_first_frame(broker, node):
    with tls.join(node.connect(), pin(node), LIMIT_S) as stream:
        stream.sendall(frame(hello(broker.token("L3", "2"))) + b"x")
        answer = read(stream)
    assert (answer.problem, "nothing may follow" in answer.detail) == ("invalid", True)


def stranger(stream, certificate, secret):
    """Do as the client would do after the handing over."""
    secured = tls.join(stream, certificate, LIMIT_S)
    secured.sendall(secret)
    return secured


def end_of_session_of(broker, lease):
    """Return how the one session of a lease was reported to have ended."""

    def of_lease(report):
        return [one for one in report["ended"] if one["lease"] == lease]

    (ended,) = of_lease(broker.wait_for_report(of_lease))
    return ended


def test_whoever_takes_over_the_connection_does_not_get_the_session(broker, node):
    stream, answer = introduced(node, hello(broker.token("L4", "2")))
    assert isinstance(answer, m.Handover)
    with (
        stranger(stream, answer.certificate.hex(), os.urandom(32)) as secured,
        contextlib.suppress(ConnectionError),
    ):
        assert secured.recv(1) == b""
    ended = end_of_session_of(broker, "L4")
    assert "does not know its secret" in ended["detail"]


def test_a_connection_in_the_clear_after_the_handing_over_is_no_session(broker, node):
    stream, answer = introduced(node, hello(broker.token("L5", "2")))
    with stream:
        stream.settimeout(LIMIT_S)
        stream.sendall(answer.secret + frame(m.Sync()))
        with contextlib.suppress(ConnectionError):
            assert len(stream.recv(1 << 16)) <= 64  # an alert, if anything
    ended = end_of_session_of(broker, "L5")
    assert "TLS handshake failed" in ended["detail"]


def test_the_agents_certificate_is_not_the_workers(broker, node):
    stream, answer = introduced(node, hello(broker.token("L6", "2")))
    assert answer.certificate.hex() != pin(node)
    with pytest.raises(ConnectError, match="somebody else"):
        tls.join(stream, pin(node), LIMIT_S)


def test_every_worker_and_session_has_secrets_of_its_own(broker, node):
    told = []
    for _ in range(2):
        stream, answer = introduced(node, hello(broker.token("L7", "2")))
        stream.close()
        told.append(answer)
    assert told[0].certificate != told[1].certificate
    assert told[0].secret != told[1].secret


def test_a_client_that_leaves_after_the_handing_over_ends_its_session(broker, node):
    stream, _ = introduced(node, hello(broker.token("L8", "3")))
    stream.close()
    ended = end_of_session_of(broker, "L8")
    assert ended["cause"] == "disconnected"


def test_handshakes_that_do_not_end_keep_nobody_out(broker, node):
    slow = [node.connect() for _ in range(140)]
    for stream in slow[::2]:
        stream.sendall(b"\x16\x03\x01\x02")
    with open_session(node, broker.token("L9", "3")) as connection:
        connection.ask(m.Sync(), m.Done)
    for stream in slow:
        stream.close()


def test_garbage_after_the_first_byte_of_tls_is_no_client(node):
    with node.connect() as stream:
        stream.sendall(b"\x16\x03\x01\x00\x05hello" * 10)
        with contextlib.suppress(ConnectionError):
            assert len(stream.recv(1 << 16)) <= 64  # an alert, if anything


# ---- from node to node -----------------------------------------------------------------------------------


class SecureSide(Side):
    """A session on a node that does TLS."""

    def __init__(self, broker, node, device, peers, lease):
        token = broker.token(lease, device, peers=tuple(peers), expires_at=time.time() + 600)
        self.node = node
        self.connection = open_session(node, token)
        self.client = Client(self.connection)
        self.context = self.client.context()
        self.queue = self.client.queue(self.context)
        self.buffer = self.client.buffer(self.context, SIZE)


def peer(node, certificate):
    host, port = address(node)
    return f"{host}:{port}#{certificate}" if certificate is not None else f"{host}:{port}"


def sides(pools, nodes, lease, certificate):
    one = SecureSide(pools[0], nodes[0], "0", [peer(nodes[1], certificate)], lease)
    return one, SecureSide(pools[1], nodes[1], "0", [peer(nodes[0], pin(nodes[0]))], lease)


def test_a_buffer_goes_over_tls_from_node_to_node(pools, nodes):
    one, two = sides(pools, nodes, "P1", pin(nodes[1]))
    with one.connection, two.connection:
        content, ticket = os.urandom(SIZE), new_ticket()
        one.client.write(one.queue, one.buffer, content)
        two.receive(ticket, 100)
        one.send(two, ticket, 100)
        assert [one.end_of(100).status, two.end_of(100).status] == [0, 0]
        assert two.client.read(two.queue, two.buffer, SIZE) == content


def test_a_node_that_does_no_tls_for_clients_does_it_with_nodes_that_need_it(pools, nodes, tmp_path):
    with FakeBroker() as other, Node(other, tmp_path / "state") as plain:
        one = SecureSide(other, plain, "0", [peer(nodes[1], pin(nodes[1]))], "P7")
        two = SecureSide(pools[1], nodes[1], "0", [], "P7")
        with one.connection, two.connection:
            ticket = new_ticket()
            two.receive(ticket, 100)
            one.send(two, ticket, 100)
            assert [one.end_of(100).status, two.end_of(100).status] == [0, 0]


def test_deliveries_one_after_the_other_do_not_get_stuck(pools, nodes):
    one, two = sides(pools, nodes, "P5", pin(nodes[1]))
    with one.connection, two.connection:
        for number in range(24):
            sender, receiver = (one, two) if number % 2 else (two, one)
            ticket = new_ticket()
            receiver.receive(ticket, 1000 + number)
            if number % 3 == 0:
                receiver.client.sync()  # it awaits the delivery already
            sender.send(receiver, ticket, 2000 + number)
            assert sender.end_of(2000 + number).status == 0
            assert receiver.end_of(1000 + number).status == 0


def test_a_sender_that_is_not_ready_is_waited_for_without_a_handshake(pools, nodes):
    one, two = sides(pools, nodes, "P6", pin(nodes[1]))
    with one.connection, two.connection:
        ticket, start = new_ticket(), one.client.new()
        one.client.post(m.CreateUserEvent(start, one.context))
        host, port = address(nodes[1])
        session = two.connection.session
        one.client.post(
            m.SendBuffer(one.queue, one.buffer, 0, SIZE, host, port, session, ticket, 100, [start])
        )
        one.connection.flush()
        two.receive(ticket, 100)
        for _ in range(20):
            two.client.sync()
        one.client.post(m.SetUserEventStatus(start, 0))
        assert [one.end_of(100).status, two.end_of(100).status] == [0, 0]


def test_a_delivery_that_comes_before_it_is_awaited_waits(pools, nodes):
    one, two = sides(pools, nodes, "P2", pin(nodes[1]))
    with one.connection, two.connection:
        ticket = new_ticket()
        one.send(two, ticket, 100)
        wait_until(lambda: one.connection.ask(m.Sync(), m.Done))
        two.receive(ticket, 100)
        assert [one.end_of(100).status, two.end_of(100).status] == [0, 0]


@pytest.mark.parametrize(
    ("certificate", "words"),
    [("0" * 64, "somebody else"), ("", "somebody else"), (None, "without TLS")],
)
def test_a_buffer_does_not_go_to_a_node_that_is_another_or_in_the_clear(pools, nodes, certificate, words):
    one, two = sides(pools, nodes, f"P3 {certificate}", certificate)
    with one.connection, two.connection:
        one.send(two, new_ticket(), 100)
        done = one.end_of(100)
        assert (done.status, words in done.failure[1]) == (-5, True), done


def test_a_delivery_to_no_session_is_refused_over_tls(nodes):
    stream, answer = introduced_delivery(nodes[1], "ses_none")
    stream.close()
    assert answer == m.Refused("not-found", "no session here awaits this delivery")


def introduced_delivery(node, session):
    deliver = m.Deliver(session, new_ticket())
    conversation = Conversation(Role.CLIENT)
    head = conversation.send(deliver, 5)
    stream, body = introduce(node.connect(), pin(node), head, LIMIT_S)
    return stream, conversation.receive(memoryview(body))


def test_a_delivery_that_knows_no_secret_is_none(pools, nodes):
    one, two = sides(pools, nodes, "P4", pin(nodes[1]))
    with one.connection, two.connection:
        ticket = new_ticket()
        conversation = Conversation(Role.CLIENT)
        head = conversation.send(m.Deliver(two.connection.session, ticket), SIZE)
        stream, body = introduce(nodes[1].connect(), pin(nodes[1]), head, LIMIT_S)
        answer = conversation.receive(memoryview(body))
        two.receive(ticket, 100)
        with (
            stranger(stream, answer.certificate.hex(), bytes(32)) as secured,
            contextlib.suppress(ConnectionError),
        ):
            assert secured.recv(1) == b""
        assert two.end_of(100).status == -5


# ---- options ---------------------------------------------------------------------------------------------


def start(broker, tmp_path, *options):
    command = [sys.executable, "-m", "accelpool_node", "--broker", broker.url, "--name", "n1"]
    command += ["--state-dir", str(tmp_path / "state"), "--backend", "null:1", *options]
    environment = {**os.environ, "ACCELPOOL_NODE_TOKEN": "node-token"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tls", "--insecure"], "--insecure does without TLS"),
        (["--tls-cert", "x"], "belong together"),
        (["--tls-cert", "x", "--tls-key", "y"], "x and y are no certificate and its key"),
    ],
)
def test_options_that_cannot_be_are_told(broker, tmp_path, options, words):
    ended = start(broker, tmp_path, *options)
    assert (ended.returncode, words in ended.stderr) == (1, True), ended.stderr


def test_a_node_that_others_reach_does_tls_unless_told_otherwise(tmp_path):
    options = "--listen", "0.0.0.0:0", "--advertise", "127.0.0.2"
    with FakeBroker() as broker, Node(broker, tmp_path / "one", *options) as node:
        assert len(node.ready["certificate_sha256"]) == 64
    with FakeBroker() as broker, Node(broker, tmp_path / "two", *options, "--insecure") as node:
        assert "certificate_sha256" not in node.ready
