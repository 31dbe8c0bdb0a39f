"""The worker's end of a connection in a test's hands: it says what it is told, right or wrong.

connection, worker = connected()
worker.send(messages.Done(1))          # an answer may lie there before it is asked for
connection.call(messages.Sync())
assert worker.receive() == (messages.Sync(), b"")
"""

from __future__ import annotations

import socket

import msgspec

from accelpool_wire import messages as m
from accelpool_wire.channel import Channel
from accelpool_wire.client import Connection
from accelpool_wire.conversation import VERSION, Conversation, Role
from accelpool_wire.errors import ReadError
from accelpool_wire.frames import PREFIX, PREFIX_BYTES, FrameReader

PATIENCE_S = 5.0
NOWHERE = ("127.0.0.1", 1)  # nobody listens there

_decoder: msgspec.msgpack.Decoder[m.Message] = m.decoder(m.ClientMessage)


def frame(message: m.Message, payload: bytes = b"") -> bytes:
    """Return a message as a frame, whether or not it may be sent."""
    body = msgspec.msgpack.encode(message)
    return PREFIX.pack(len(body), len(payload)) + body + payload


class ScriptedWorker:
    """The worker's end of a stream; gives up after `PATIENCE_S` seconds.

    Args:
        stream: Connected; owned from now on.
    """

    def __init__(self, stream: socket.socket) -> None:
        stream.settimeout(PATIENCE_S)
        self.stream = stream

    def send(self, message: m.Message, payload: bytes = b"") -> None:
        """Send a message, whether or not it may be sent now."""
        self.stream.sendall(frame(message, payload))

    def receive(self) -> tuple[m.Message, bytes]:
        """Return the next message and its payload.

        Raises:
            ReadError: The client closed the connection.
        """
        body_bytes, payload_bytes = PREFIX.unpack(self._read(PREFIX_BYTES))
        message = _decoder.decode(self._read(body_bytes))
        return message, self._read(payload_bytes)

    def _read(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            part = self.stream.recv(min(count - len(content), 1 << 20))
            if not part:
                raise ReadError(f"the client closed after {len(content)} of {count} bytes")
            content += part
        return bytes(content)

    def close(self) -> None:
        """Close the connection without a word."""
        self.stream.close()


def connected(
    limits: m.Limits | None = None, address: tuple[str, int] = NOWHERE
) -> tuple[Connection, ScriptedWorker]:
    """Return an open connection, past its handshake, and the worker's end of it."""
    ours, theirs = socket.socketpair()
    conversation = Conversation(Role.CLIENT)
    conversation.send(m.Hello([VERSION], [], "token"))
    welcome = m.Welcome(VERSION, [], "ses_1", limits or m.Limits(), [])
    conversation.receive(memoryview(msgspec.msgpack.encode(welcome)))
    received = conversation.limits
    reader = FrameReader(body_limit=received.body_bytes, payload_limit=received.payload_bytes)
    connection = Connection(Channel(ours, reader), conversation, welcome, address, "token")
    return connection, ScriptedWorker(theirs)
