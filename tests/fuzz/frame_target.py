"""Bytes as a stream of frames, at every reader that they reach before anything is known of the peer.

    first byte % 5    who reads
    0, 1              a worker's connection, the client's
    2                 the agent: a connection's first frame; a client: what an agent answers to it over TLS
    3                 the agent: a lease token, whose signature is taken for good
    4                 the agent, what a worker says; a worker and the builder, what they say to each other
    second byte       with 0 and 1: how many bytes arrive at once, less one

The rest is the stream. Whatever it is, a reader gives messages or raises the error that it documents, and
keeps no more bytes than its limits say. However a stream is cut, its messages are the same.
"""

from __future__ import annotations

import socket

import msgspec

from accelpool_node import control
from accelpool_node.agent.handshake import body_bytes, read_first
from accelpool_node.builder.messages import decode_answer, decode_build
from accelpool_wire import lease_token
from accelpool_wire import messages as m
from accelpool_wire.conversation import WITH_PAYLOAD, Conversation, Role, State
from accelpool_wire.errors import Invalid, ProtocolError, Unauthorized
from accelpool_wire.frames import PREFIX, PREFIX_BYTES, READ_BUFFER_BYTES, FrameReader

from .chooser import Chooser

LIMITS = m.Limits(body_bytes=1 << 19, payload_bytes=1 << 16, pending=8)
ASKED = (m.Sync(), m.EnqueueReadBuffer(2, 3, 0, 16), m.GetProgramBinaries(4), m.GetEvent(5))
PARTS = 3


def run(content: bytes) -> None:
    """Read a stream; raises if a reader does what it must not."""
    chooser = Chooser(content)
    who, step = chooser.below(5), chooser.byte() + 1
    stream = chooser.rest()
    if who < 2:
        role = (Role.WORKER, Role.CLIENT)[who]
        assert read(role, stream, step) == read(role, stream, len(stream) + 1), "the cuts make a difference"
    elif who == 2:
        _read_handshake(stream)
        _read_answer(stream)
    elif who == 3:
        _read_token(stream)
    else:
        _read_neighbours(stream)


# ---- a connection ----------------------------------------------------------------------------------------


def read(role: Role, stream: bytes, step: int) -> list[object]:
    """Return a stream's messages, the payloads that are whole, and at last how it ended."""
    conversation = _opened(role)
    reader = FrameReader(body_limit=LIMITS.body_bytes, payload_limit=LIMITS.payload_bytes)
    seen: list[object] = []
    payload: _Payload | None = None
    rest = memoryview(stream)
    try:
        while conversation.state is not State.CLOSED:
            if payload is not None and payload.go_on(reader):
                seen.append(payload.content)
                payload = None
            elif payload is None and (body := reader.next_body()) is not None:
                message = conversation.receive(body, reader.payload_bytes)
                _check(message, bytes(body), reader.payload_bytes)
                seen.append(message)
                payload = _Payload(message) if reader.payload_bytes else None
            elif rest:
                rest = _arrive(reader, rest, step)
            else:
                break
    except ProtocolError as error:
        return [*seen, type(error), str(error)]
    return [*seen, conversation.state, reader.has_leftover() or bool(rest)]  # after a Goodbye nothing is read


class _Payload:
    """Receives a payload whole, or in parts of which some are wanted, or not at all, by its message."""

    def __init__(self, message: m.Message) -> None:
        self._how = _first_number(message) % 3
        self._parts: list[bytearray] = []

    def go_on(self, reader: FrameReader) -> bool:
        """Say where the next parts go, as far as they are here; whether all are."""
        while reader.payload_missing and not reader.part_missing:
            left = reader.payload_missing
            if self._how == 0 or len(self._parts) == PARTS:
                reader.discard_payload()
            else:
                self._parts.append(bytearray(left if self._how == 1 else (left + 1) // 2))
                reader.part_into(memoryview(self._parts[-1]))
        return not reader.payload_missing

    @property
    def content(self) -> bytes:
        """What was wanted of it."""
        return b"".join(self._parts)


def _arrive(reader: FrameReader, rest: memoryview, step: int) -> memoryview:
    """Have some bytes arrive; return those that are still to come."""
    target = reader.buffer()
    assert len(reader._store) <= max(READ_BUFFER_BYTES, PREFIX_BYTES + LIMITS.body_bytes)
    count = min(len(target), len(rest), step)
    target[:count] = rest[:count]
    reader.received(count)
    return rest[count:]


def _opened(role: Role) -> Conversation:
    """Return a worker's conversation at its begin, or a client's that awaits some answers."""
    conversation = Conversation(role, LIMITS)
    if role is Role.CLIENT:
        conversation.send(m.Hello([1], [], "token"))
        conversation.receive(memoryview(msgspec.msgpack.encode(m.Welcome(1, [], "S", LIMITS, []))))
        for message in ASKED:
            conversation.send(message)
    return conversation


def _check(message: m.Message, body: bytes, payload_bytes: int) -> None:
    """A message is about as large as its body, and is the same when it is said again."""
    assert not payload_bytes or type(message) in WITH_PAYLOAD
    again = msgspec.msgpack.encode(message)
    assert len(again) <= 2 * len(body) + 200, f"{len(body)} bytes became a message of {len(again)}"
    assert msgspec.msgpack.decode(again, type=type(message)) == message


def _first_number(message: m.Message) -> int:
    return next((value for value in msgspec.structs.astuple(message) if isinstance(value, int)), 0)


# ---- the agent and its neighbours ------------------------------------------------------------------------


def _read_handshake(stream: bytes) -> None:
    if len(stream) < PREFIX_BYTES:
        return
    try:
        size = body_bytes(stream[:PREFIX_BYTES])
        read_first(stream[: PREFIX_BYTES + size])
    except Invalid:
        return


def _read_answer(stream: bytes) -> None:
    if len(stream) < PREFIX_BYTES:
        return
    conversation = Conversation(Role.CLIENT)
    conversation.send(m.Hello([1], [], "token"))
    body, payload_bytes = stream[PREFIX_BYTES:], PREFIX.unpack_from(stream)[1]
    try:
        answer = conversation.receive(memoryview(body), payload_bytes)
    except ProtocolError:
        return
    assert isinstance(answer, (m.Welcome, m.Refused, m.Handover))
    _check(answer, body, payload_bytes)


def _read_token(stream: bytes) -> None:
    try:
        lease_token.decode(stream.decode("utf-8", "replace"), lambda *_: True)
    except Unauthorized:
        return


def _read_neighbours(stream: bytes) -> None:
    for decode in (_hear_at_agent, decode_build, decode_answer):
        try:
            decode(stream)
        except ValueError:
            continue


def _hear_at_agent(packet: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(packet[: control.MAX_PACKET_BYTES])
        control.receive_at_agent(ours)
