"""Who has just connected, a client or another node, until a worker has it: over TLS, or without.

Over TLS the worker begins anew on the same connection, with a certificate of its own: what TLS knows cannot
be moved between processes, and the agent's key is for the agent alone. So nothing may be read that belongs
to the worker. A visitor has nothing to say after its first message before it is handed over.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import ssl
from typing import Protocol

from accelpool_node.agent.handshake import frame_of
from accelpool_node.certificate import Certificate
from accelpool_wire.errors import Forbidden, Invalid, ReadError
from accelpool_wire.messages import Handover
from accelpool_wire.tls import SECRET_BYTES

HANDSHAKE_RECORD = 0x16  # the first byte of whoever speaks TLS
CHUNK_BYTES = 16 * 1024
NEEDS_TLS = "this node takes no connection without TLS: connect as the lease's endpoint tells"


class Visitor(Protocol):
    """Whoever has connected.

    Attributes:
        stream: The connection; a worker gets it as it is.
    """

    stream: socket.socket

    async def greet(self) -> None:
        """Do what comes before the first message.

        Raises:
            Forbidden: The visitor does not do TLS.
            ReadError, OSError: It is gone, or does it wrong.
        """
        ...

    async def read_exactly(self, size: int) -> bytes:
        """Return its next bytes.

        Raises:
            ReadError, OSError: It is gone.
        """
        ...

    def check_silence(self) -> None:
        """Make sure that nothing has been read of what follows.

        Raises:
            Invalid: Something has.
        """
        ...

    def say(self, content: bytes) -> None:
        """Send something short, for which there is room.

        Raises:
            OSError: It is gone.
        """
        ...

    def new_secret(self) -> bytes:
        """Return what the visitor will say to the worker first; empty where it goes on as it is."""
        ...

    def hand_over(self, certificate_sha256: str, secret: bytes) -> None:
        """Tell the visitor to go on with the worker that has the connection already.

        Raises:
            OSError: It is gone.
        """
        ...


class PlainVisitor:
    """A visitor without TLS; see `Visitor`. Nothing is read ahead."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream

    async def greet(self) -> None:
        """Nothing comes before the first message."""

    async def read_exactly(self, size: int) -> bytes:
        """Return its next bytes."""
        loop = asyncio.get_running_loop()
        content = bytearray()
        while len(content) < size:
            part = await loop.sock_recv(self.stream, size - len(content))
            if not part:
                raise ReadError(f"the client closed the connection after {len(content)} of {size} bytes")
            content += part
        return bytes(content)

    def check_silence(self) -> None:
        """What follows is in the socket."""

    def say(self, content: bytes) -> None:
        """Send something short."""
        self.stream.send(content, socket.MSG_DONTWAIT)

    def new_secret(self) -> bytes:
        """There is none."""
        return b""

    def hand_over(self, certificate_sha256: str, secret: bytes) -> None:
        """The visitor notices nothing of it."""


class TlsVisitor:
    """A visitor over TLS; see `Visitor`.

    Args:
        stream: Its connection.
        certificate: The agent's.
    """

    def __init__(self, stream: socket.socket, certificate: Certificate) -> None:
        self.stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = certificate.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_plain = False
        self._is_secure = False

    async def greet(self) -> None:
        """Do the agent's half of the handshake."""
        first = await self._feed()
        if first[0] != HANDSHAKE_RECORD:
            self._is_plain = True
            raise Forbidden(NEEDS_TLS)
        while not self._is_secure:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                await self._feed()
            except ssl.SSLError as error:
                self._flush()  # says what is wrong
                raise ReadError(f"the TLS handshake failed: {error.strerror}") from error
            else:
                self._flush()
                self._is_secure = True

    async def read_exactly(self, size: int) -> bytes:
        """Return its next bytes."""
        content = bytearray()
        while len(content) < size:
            try:
                part = self._tls.read(size - len(content))
            except ssl.SSLWantReadError:
                await self._feed()
                continue
            if not part:
                raise ReadError(f"the client closed the connection after {len(content)} of {size} bytes")
            content += part
        return bytes(content)

    def check_silence(self) -> None:
        """Make sure that nothing has been read of what belongs to the worker."""
        if self._incoming.pending or self._tls.pending():
            raise Invalid("nothing may follow the first frame before it is answered")

    def say(self, content: bytes) -> None:
        """Send something short, in the clear only to whoever speaks so."""
        if self._is_secure:
            self._tls.write(content)
            self._flush()
        elif self._is_plain:
            self.stream.send(content, socket.MSG_DONTWAIT)

    def new_secret(self) -> bytes:
        """Return a new secret."""
        return secrets.token_bytes(SECRET_BYTES)

    def hand_over(self, certificate_sha256: str, secret: bytes) -> None:
        """Tell the visitor the worker's certificate, and the secret."""
        self.say(frame_of(Handover(bytes.fromhex(certificate_sha256), secret)))

    async def _feed(self) -> bytes:
        """Take what has come, and return it."""
        part = await asyncio.get_running_loop().sock_recv(self.stream, CHUNK_BYTES)
        if not part:
            raise ReadError(
                "the client closed the connection in its TLS handshake, or before its first frame"
            )
        self._incoming.write(part)
        return part

    def _flush(self) -> None:
        content = self._outgoing.read()
        if content:
            self.stream.send(content, socket.MSG_DONTWAIT)


def visitor(stream: socket.socket, certificate: Certificate | None) -> Visitor:
    """Return whoever has connected to a node that has this certificate, or does without TLS."""
    return PlainVisitor(stream) if certificate is None else TlsVisitor(stream, certificate)
