"""A client that speaks the wire by hand, so that it can break the rules."""

from __future__ import annotations

import socket

import msgspec

from accelpool_wire import messages as m
from accelpool_wire.conversation import FEATURES, VERSION
from accelpool_wire.frames import PREFIX

from .worker_rig import SHARE_BYTES, Worker

PATIENCE_S = 60.0
HELLO = m.Hello([VERSION], list(FEATURES), "a token")

_decoder: msgspec.msgpack.Decoder[m.Message] = m.decoder(m.WorkerMessage)


def frame(message: m.Message, payload: bytes = b"", said: int | None = None) -> bytes:
    """Return a frame; `said` is the payload's length that it claims."""
    body = msgspec.msgpack.encode(message)
    return PREFIX.pack(len(body), len(payload) if said is None else said) + body + payload


class RawClient:
    """One end of a connection whose other end a worker serves."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        stream.settimeout(PATIENCE_S)

    @classmethod
    def open(cls, worker: Worker, memory_bytes: int = SHARE_BYTES) -> RawClient:
        """Return a client that has its Welcome."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = cls(socket.create_connection(listener.getsockname()))
            theirs, _ = listener.accept()
        with theirs:
            worker.serve(theirs, frame(HELLO), memory_bytes)
        assert isinstance(client.receive()[0], m.Welcome)
        return client

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()

    def send(self, content: bytes) -> None:
        self.stream.sendall(content)

    def say(self, *messages: m.Message) -> None:
        self.send(b"".join(frame(message) for message in messages))

    def receive(self) -> tuple[m.Message, bytes]:
        """Return the next message and its payload.

        Raises:
            EOFError: The worker closed the connection.
        """
        body_bytes, payload_bytes = PREFIX.unpack(self._exactly(PREFIX.size))
        return _decoder.decode(self._exactly(body_bytes)), self._exactly(payload_bytes)

    def _exactly(self, count: int) -> bytes:
        content = bytearray()
        while len(content) < count:
            part = self.stream.recv(min(count - len(content), 1 << 20))
            if not part:
                raise EOFError(f"{len(content)} of {count} bytes came")
            content += part
        return bytes(content)
