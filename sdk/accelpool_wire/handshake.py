"""How a client comes in: its first message and the answer to it; and how it asks what became of a session.

Over TLS it comes in twice on one connection: to the agent, which must read the first message to know whose it
is, and to the worker, which must not have the agent's key. The agent's answer to the first message, Handover,
tells the worker's certificate, and a secret by which the worker knows that nobody else has come instead.
"""

from __future__ import annotations

import socket
import ssl
import time
from typing import TypeAlias

from accelpool_wire import messages as m
from accelpool_wire import tls
from accelpool_wire.channel import Channel, connect
from accelpool_wire.conversation import FEATURES, VERSION, Conversation, Role
from accelpool_wire.errors import (
    AccelpoolError,
    ConnectError,
    LeaseExpired,
    LeaseLost,
    LeaseRevoked,
    ProblemError,
    RemoteProtocolError,
    SessionLost,
    problem,
)
from accelpool_wire.frames import FIRST_BODY_BYTES, FrameReader
from accelpool_wire.tls_channel import TlsChannel, channel_over

QUERY_TIMEOUT_S = 3.0
SAYS_HOW_IT_ENDED = (SessionLost, LeaseExpired, LeaseRevoked, LeaseLost)

Address: TypeAlias = tuple[str, int]


def enter(
    address: Address, token: str, client: str, timeout_s: float, certificate_sha256: str = ""
) -> tuple[Channel, Conversation, m.Welcome]:
    """Open a session and return its connection.

    Raises:
        ConnectError: Nobody answers there, or somebody else does.
        Timeout: It took too long.
        ProblemError: The node refused, and why.
        RemoteProtocolError: What answers there does not speak this protocol.
    """
    channel, conversation, answer = _greet(
        address, m.Hello([VERSION], list(FEATURES), token, client), timeout_s, certificate_sha256
    )
    if isinstance(answer, m.Welcome):
        if answer.version == VERSION and set(answer.features) <= set(FEATURES):
            return channel, conversation, answer
        channel.close()
        chosen = f"version {answer.version} with {answer.features}"
        raise RemoteProtocolError(f"the worker chose {chosen}, which this client did not offer")
    channel.close()
    raise refusal(answer)


def why_ended(
    address: Address, token: str, session: str, error: AccelpoolError, certificate_sha256: str = ""
) -> ProblemError:
    """Ask the node what became of a session whose connection broke, and return that as an error."""
    where = f"session {session} on {address[0]}:{address[1]}"
    try:
        query = m.SessionQuery(token, session)
        channel, _, answer = _greet(address, query, QUERY_TIMEOUT_S, certificate_sha256)
    except AccelpoolError as why:
        return SessionLost(f"{where} is gone ({error}), and its node's agent does not answer: {why}")
    channel.close()
    reason = refusal(answer)
    if isinstance(reason, SAYS_HOW_IT_ENDED):
        return reason
    return SessionLost(f"{where} is gone: {error}; its node says: {reason.detail}")


def refusal(answer: m.Message) -> ProblemError:
    """Return the typed error for a Refused or SessionEnding."""
    assert isinstance(answer, (m.Refused, m.SessionEnding))
    return problem(answer.problem, answer.detail)


def introduce(
    stream: socket.socket, certificate_sha256: str, frame: bytes, timeout_s: float
) -> tuple[socket.socket, bytes]:
    """Say a first frame to an agent over TLS; return its answer, and the connection, past that TLS.

    Args:
        stream: Connected; owned from now on.
        certificate_sha256: Of the agent's certificate.
        frame: The head of the first message's frame.
        timeout_s: How long it may take.

    Returns:
        The connection without TLS, and the body of the answer, which is not checked yet: a Handover, after
        which `tls.join` leads to the worker, or a Refused.

    Raises:
        ConnectError, Timeout, ReadError, WriteError: There is no answer from that agent.
        ProtocolError: The answer is none.
    """
    due_s = time.perf_counter() + timeout_s
    reader = FrameReader(body_limit=FIRST_BODY_BYTES, payload_limit=0)
    channel = TlsChannel(tls.join(stream, certificate_sha256, timeout_s), reader)
    try:
        channel.send([frame])
        while (body := reader.next_body()) is None:
            channel.receive(due_s - time.perf_counter())
        answer = bytes(body)
        if reader.has_leftover() or channel.has_pending():
            raise RemoteProtocolError("the agent says more than one thing to a first message")
    except BaseException:
        channel.close()
        raise
    return channel.detach(), answer


def follow(stream: socket.socket, handover: m.Handover, timeout_s: float) -> ssl.SSLSocket:
    """Return the connection to the worker that an agent has handed it over to.

    Raises:
        ConnectError, Timeout: It is not that worker, or does not answer.
    """
    secured = tls.join(stream, handover.certificate.hex(), timeout_s)
    say_secret(secured, handover.secret)
    return secured


def say_secret(secured: ssl.SSLSocket, secret: bytes) -> None:
    """Say to a worker what only the right client knows: the first thing that it hears.

    Raises:
        ConnectError: It is gone.
    """
    try:
        secured.sendall(secret)
    except OSError as error:
        secured.close()
        raise ConnectError(f"the connection broke at once: {error.strerror or error}") from error


def _greet(
    address: Address, greeting: m.Message, timeout_s: float, certificate_sha256: str
) -> tuple[Channel, Conversation, m.Welcome | m.Refused]:
    """Connect, send the first message, and return the answer to it."""
    due_s = time.perf_counter() + timeout_s
    conversation = Conversation(Role.CLIENT)
    frame = conversation.send(greeting)
    stream = connect(address, timeout_s)
    if certificate_sha256:
        try:
            stream, answer = _be_handed_over(stream, conversation, certificate_sha256, frame, due_s)
        except ConnectError as error:
            raise ConnectError(
                f"no node of the pool answers at {address[0]}:{address[1]}: {error}"
            ) from error
        frame = b""
        if isinstance(answer, m.Refused):
            return Channel(stream, _reader(conversation)), conversation, answer
    channel = channel_over(stream, _reader(conversation))
    try:
        return channel, conversation, _ask(channel, conversation, frame, due_s)
    except BaseException:
        channel.close()
        raise


def _be_handed_over(
    stream: socket.socket, conversation: Conversation, certificate_sha256: str, frame: bytes, due_s: float
) -> tuple[socket.socket, m.Message]:
    """Return the connection to the worker, or to the agent if it refuses, and what the agent answered."""
    stream, body = introduce(stream, certificate_sha256, frame, due_s - time.perf_counter())
    try:
        answer = conversation.receive(memoryview(body))
        if isinstance(answer, m.Handover):
            stream = follow(stream, answer, due_s - time.perf_counter())
        elif not isinstance(answer, m.Refused):
            raise RemoteProtocolError(f"an agent does not say {type(answer).__name__}")
    except BaseException:
        stream.close()
        raise
    return stream, answer


def _ask(channel: Channel, conversation: Conversation, frame: bytes, due_s: float) -> m.Welcome | m.Refused:
    """Send a first frame, unless it has been sent, and return the answer."""
    reader = channel.reader
    if frame:
        channel.send([frame])
    while (body := reader.next_body()) is None:
        channel.receive(due_s - time.perf_counter())
    answer = conversation.receive(body, reader.payload_bytes)
    if not isinstance(answer, (m.Welcome, m.Refused)):
        raise RemoteProtocolError(f"{type(answer).__name__} may not come here")
    return answer


def _reader(conversation: Conversation) -> FrameReader:
    limits = conversation.limits
    return FrameReader(body_limit=limits.body_bytes, payload_limit=limits.payload_bytes)
