"""How a client comes in: its first message and the answer to it; and how it asks what became of a session."""

from __future__ import annotations

import time
from typing import TypeAlias

from accelpool_wire import messages as m
from accelpool_wire.channel import Channel, connect
from accelpool_wire.conversation import FEATURES, VERSION, Conversation, Role
from accelpool_wire.errors import (
    AccelpoolError,
    LeaseExpired,
    LeaseLost,
    LeaseRevoked,
    ProblemError,
    RemoteProtocolError,
    SessionLost,
    problem,
)
from accelpool_wire.frames import FrameReader

QUERY_TIMEOUT_S = 3.0
SAYS_HOW_IT_ENDED = (SessionLost, LeaseExpired, LeaseRevoked, LeaseLost)

Address: TypeAlias = tuple[str, int]


def enter(
    address: Address, token: str, client: str, timeout_s: float
) -> tuple[Channel, Conversation, m.Welcome]:
    """Open a session and return its connection.

    Raises:
        ConnectError: Nobody answers there.
        Timeout: It took too long.
        ProblemError: The node refused, and why.
        RemoteProtocolError: What answers there does not speak this protocol.
    """
    channel, conversation, answer = _greet(
        address, m.Hello([VERSION], list(FEATURES), token, client), timeout_s
    )
    if isinstance(answer, m.Welcome):
        if answer.version == VERSION and set(answer.features) <= set(FEATURES):
            return channel, conversation, answer
        channel.close()
        chosen = f"version {answer.version} with {answer.features}"
        raise RemoteProtocolError(f"the worker chose {chosen}, which this client did not offer")
    channel.close()
    raise refusal(answer)


def why_ended(address: Address, token: str, session: str, error: AccelpoolError) -> ProblemError:
    """Ask the node what became of a session whose connection broke, and return that as an error."""
    where = f"session {session} on {address[0]}:{address[1]}"
    try:
        channel, _, answer = _greet(address, m.SessionQuery(token, session), QUERY_TIMEOUT_S)
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


def _greet(
    address: Address, greeting: m.Message, timeout_s: float
) -> tuple[Channel, Conversation, m.Welcome | m.Refused]:
    """Connect, send the first message, and return the answer to it."""
    deadline = time.perf_counter() + timeout_s
    conversation = Conversation(Role.CLIENT)
    limits = conversation.limits
    reader = FrameReader(body_limit=limits.body_bytes, payload_limit=limits.payload_bytes)
    channel = Channel(connect(address, timeout_s), reader)
    try:
        channel.send([conversation.send(greeting)])
        while (body := reader.next_body()) is None:
            channel.receive(deadline - time.perf_counter())
        answer = conversation.receive(body, reader.payload_bytes)
    except BaseException:
        channel.close()
        raise
    assert isinstance(answer, (m.Welcome, m.Refused))
    return channel, conversation, answer
