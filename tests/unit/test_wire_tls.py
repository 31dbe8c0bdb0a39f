"""TLS on the wire: whom a side takes for the right one, and how a client comes from the agent to a worker."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from accelpool_node.certificate import Certificate, door
from accelpool_node.own_certificate import make_certificate
from accelpool_wire import messages as m
from accelpool_wire import tls
from accelpool_wire.errors import (
    AccelpoolError,
    ConnectError,
    LocalProtocolError,
    ReadError,
    RemoteProtocolError,
    Timeout,
    Unauthorized,
)
from accelpool_wire.frames import PREFIX
from accelpool_wire.handshake import enter, introduce, why_ended
from accelpool_wire.lease_token import peer_text, read_peer
from accelpool_wire.testing import frame

from ..tls_rig import SECRET, certificate, secured_pair

PATIENCE_S = 30.0
WELCOME = m.Welcome(1, [], "ses_1", m.Limits(), [])


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def accepted(
    threads: ThreadPoolExecutor, stream: socket.socket, limit_s: float = PATIENCE_S
) -> Future[ssl.SSLSocket]:
    return threads.submit(door(certificate(), SECRET).admit, stream, limit_s)


# ---- whom a side takes for the right one -----------------------------------------------------------------


def test_a_certificate_is_told_by_the_hash_of_its_bytes() -> None:
    assert tls.pin_of(b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert make_certificate().sha256 != make_certificate().sha256


def test_both_sides_speak_tls_1_3() -> None:
    ours, theirs = secured_pair()
    with ours, theirs:
        assert (ours.version(), theirs.version()) == ("TLSv1.3", "TLSv1.3")


@pytest.mark.parametrize("told", ["another", "", "0" * 64, "\u00e9", "in capitals"])
def test_another_certificate_is_somebody_else(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor, told: str
) -> None:
    pins = {"another": make_certificate().sha256, "in capitals": certificate().sha256.upper()}
    pin = pins.get(told, told)
    other = accepted(threads, ends[1])
    with pytest.raises(ConnectError, match=rf"somebody else: its certificate is {certificate().sha256}"):
        tls.join(ends[0], pin, PATIENCE_S)
    with pytest.raises(ReadError):
        other.result(PATIENCE_S)


def test_whoever_does_no_tls_is_not_spoken_to_in_the_clear(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[1].sendall(frame(m.Refused("invalid", "not so")))
    with pytest.raises(ConnectError, match=r"TLS handshake failed: .*WRONG_VERSION_NUMBER"):
        tls.join(ends[0], certificate().sha256, PATIENCE_S)
    assert b"token" not in ends[1].recv(1 << 16)


def test_whoever_says_nothing_is_waited_for_in_vain(ends: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(Timeout, match=r"no TLS handshake within 0\.05 s"):
        tls.join(ends[0], certificate().sha256, 0.05)


def test_an_older_tls_is_refused(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor
) -> None:
    other = accepted(threads, ends[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        context.wrap_socket(ends[0])
    with pytest.raises(ReadError, match="TLS handshake failed"):
        other.result(PATIENCE_S)


@pytest.mark.parametrize("said", [bytes(32), SECRET[:-1] + b"x", b"x" + SECRET])
def test_whoever_does_not_know_the_secret_is_not_let_in(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor, said: bytes
) -> None:
    other = accepted(threads, ends[1])
    with tls.join(ends[0], certificate().sha256, PATIENCE_S) as stranger:
        stranger.sendall(said)
        with pytest.raises(Unauthorized, match="does not know its secret"):
            other.result(PATIENCE_S)
        with contextlib.suppress(ConnectionError):
            assert stranger.recv(1) == b"", "it is told nothing"


@pytest.mark.parametrize("said", [b"", SECRET[:-1]])
def test_a_secret_that_is_not_said_in_time_is_not_waited_for(
    ends: tuple[socket.socket, socket.socket], threads: ThreadPoolExecutor, said: bytes
) -> None:
    other = accepted(threads, ends[1], 0.2)
    with tls.join(ends[0], certificate().sha256, PATIENCE_S) as stranger:
        stranger.sendall(said)
        with pytest.raises(Timeout, match=r"no TLS handshake and secret within 0\.2 s"):
            other.result(PATIENCE_S)


def test_a_connection_is_not_handed_over_without_a_whole_secret(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(LocalProtocolError, match="a secret has 32 bytes, not 0"):
        door(certificate(), b"").admit(ends[1], PATIENCE_S)


LOOPBACK = ("127.0.0.1", "127.8.8.8", "::1", "localhost")
OTHERS = ("10.0.0.1", "0.0.0.0", "::", "node", "")


@pytest.mark.parametrize(
    ("host", "is_it"), [*((host, True) for host in LOOPBACK), *((host, False) for host in OTHERS)]
)
def test_loopback_is_told_from_other_addresses(host: str, is_it: bool) -> None:
    assert tls.is_loopback(host) is is_it


@pytest.mark.parametrize(
    ("host", "pin", "text"),
    [("h", "", "h:7"), ("h", "ab", "h:7#ab"), ("::1", "", "[::1]:7"), ("::1", "ab", "[::1]:7#ab")],
)
def test_a_peer_with_a_pin_has_another_text(host: str, pin: str, text: str) -> None:
    assert peer_text(host, 7, pin) == text
    assert read_peer(text) == (peer_text(host, 7), pin)


def test_a_peer_whose_pin_is_missing_does_not_go_without() -> None:
    assert read_peer("h:7#") == ("h:7", "none")


# ---- an agent in a test's hands --------------------------------------------------------------------------


class Agent:
    """Accepts connections and answers their first frames over TLS as a test says."""

    def __init__(self, script: Callable[[ssl.SSLSocket], None]) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = self.server.getsockname()
        self.script = script
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        stream, _ = self.server.accept()
        with certificate().context.wrap_socket(stream, server_side=True) as secured:
            prefix = secured.recv(PREFIX.size)
            secured.recv(PREFIX.unpack(prefix)[0])
            self.script(secured)

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join(PATIENCE_S)
        self.server.close()


def handover(worker: Certificate) -> bytes:
    return frame(m.Handover(bytes.fromhex(worker.sha256), SECRET))


def pass_on(secured: ssl.SSLSocket, worker: Certificate, *answers: m.Message) -> None:
    """Be a worker to whoever was handed over."""
    with door(worker, SECRET).admit(socket.socket(fileno=secured.detach()), PATIENCE_S) as inner:
        inner.sendall(b"".join(map(frame, answers)))


def open_session(agent: Agent) -> m.Welcome:
    channel, _, welcome = enter(agent.address, "token", "", PATIENCE_S, certificate().sha256)
    channel.close()
    return welcome


def test_a_client_goes_on_with_the_worker_that_the_agent_names() -> None:
    worker = make_certificate()

    def script(secured: ssl.SSLSocket) -> None:
        secured.sendall(handover(worker))
        pass_on(secured, worker, WELCOME)

    with Agent(script) as agent:
        assert open_session(agent) == WELCOME


def test_a_client_does_not_go_on_with_another_worker() -> None:
    def script(secured: ssl.SSLSocket) -> None:
        secured.sendall(handover(make_certificate()))
        with pytest.raises(ReadError):
            pass_on(secured, make_certificate(), WELCOME)

    with Agent(script) as agent, pytest.raises(ConnectError, match="it is somebody else"):
        open_session(agent)


def test_a_refusal_comes_from_the_agent() -> None:
    refused = frame(m.Refused("unauthorized", "no"))
    with Agent(lambda secured: secured.sendall(refused)) as agent, pytest.raises(Unauthorized, match=r"^no$"):
        open_session(agent)


def test_what_became_of_a_session_is_asked_over_tls() -> None:
    with Agent(lambda secured: secured.sendall(frame(m.Refused("session-lost", "it crashed")))) as agent:
        why = why_ended(agent.address, "token", "ses_1", ReadError("gone"), certificate().sha256)
    assert (why.type, why.detail) == ("session-lost", "it crashed")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (frame(WELCOME), RemoteProtocolError),
        (frame(m.Done(0)), RemoteProtocolError),
        (handover(certificate()) * 2, RemoteProtocolError),
        (frame(m.Refused("invalid", "x")) + b"x", RemoteProtocolError),
        (b"\0" * 12, RemoteProtocolError),
        (b"", ReadError),
    ],
)
def test_an_agent_that_says_something_else_is_none(answer: bytes, error: type[AccelpoolError]) -> None:
    with Agent(lambda secured: secured.sendall(answer)) as agent, pytest.raises(error):
        open_session(agent)


def test_a_worker_hands_over_to_nobody() -> None:
    worker = make_certificate()

    def script(secured: ssl.SSLSocket) -> None:
        secured.sendall(handover(worker))
        pass_on(secured, worker, m.Handover(bytes(32), bytes(32)))

    with Agent(script) as agent, pytest.raises(RemoteProtocolError, match="Handover may not come here"):
        open_session(agent)


def test_nobody_is_handed_over_in_the_clear(threads: ThreadPoolExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = threads.submit(enter, server.getsockname(), "token", "", PATIENCE_S)
        stream, _ = server.accept()
        with stream:
            stream.sendall(handover(certificate()))
            with pytest.raises(RemoteProtocolError, match="Handover may not come here"):
                asked.result(PATIENCE_S)


def test_nothing_is_left_in_the_first_tls(threads: ThreadPoolExecutor) -> None:
    with Agent(lambda secured: secured.sendall(handover(certificate()))) as agent:
        stream, _ = introduce(
            socket.create_connection(agent.address),
            certificate().sha256,
            frame(m.SessionQuery("t", "s")),
            PATIENCE_S,
        )
        with stream:
            assert not isinstance(stream, ssl.SSLSocket)
            stream.settimeout(PATIENCE_S)
            assert stream.recv(100) == b""
