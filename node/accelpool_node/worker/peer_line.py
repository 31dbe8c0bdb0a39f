"""A connection between two nodes, for one delivery: what its two ends say, each within a bounded time.

Nobody sends the payload before it is asked for, so bytes flow as fast as the network takes them, or not at
all: a side that takes or gives nothing for `stall_s` is stuck. One that keeps the other busy with a byte now
and then is found out by its rate: after `stall_s` it must have been `min_bytes_per_s` at any time.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from accelpool_wire import messages as m
from accelpool_wire import tls
from accelpool_wire.channel import prepare
from accelpool_wire.conversation import Conversation, Role
from accelpool_wire.errors import (
    ReadError,
    RemoteProtocolError,
    Timeout,
    TransportError,
    Unauthorized,
    WriteError,
    problem,
)
from accelpool_wire.frames import PREFIX, PREFIX_BYTES
from accelpool_wire.handshake import introduce, say_secret

CHUNK_BYTES = 1 << 20
TLS_CHUNK_BYTES = 1 << 16  # TLS sends all of it before it returns: it must not take as long as a stall
MAX_ANSWER_BYTES = 16 * 1024
MAX_DETAIL = 2000
REFUSAL_S = 1.0  # for a TLS handshake, to say that there will be nothing else
LEAST_S = 0.001  # a socket takes a limit of nothing for none


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a transfer between nodes waits for what.

    Attributes:
        connect_s: For the other node to take a connection.
        match_s: For the other half: a delivery for a ReceiveBuffer, or a ReceiveBuffer for a delivery.
        start_s: For the other side's device: to have the content, or to have the region free.
        stall_s: For a byte, or the rest of an answer, once bytes flow.
        min_bytes_per_s: How fast a payload must be, beyond its first `stall_s`.
    """

    connect_s: float = 10.0
    match_s: float = 60.0
    start_s: float = 600.0
    stall_s: float = 30.0
    min_bytes_per_s: float = 16 * 1024


class Entry(Protocol):
    """What an end of a connection does for TLS; `tls.Door` is that of the end that receives."""

    def accept(self, stream: socket.socket) -> ssl.SSLSocket:
        """Return the stream, to be secured."""
        ...

    def admit(self, stream: socket.socket, timeout_s: float) -> ssl.SSLSocket:
        """Complete the handshake and what belongs to it."""
        ...


class _Guest:
    """The end that delivers; its handshake has begun."""

    def __init__(self, handover: m.Handover) -> None:
        self._handover = handover

    def accept(self, stream: socket.socket) -> ssl.SSLSocket:
        assert isinstance(stream, ssl.SSLSocket)
        return stream

    def admit(self, stream: socket.socket, timeout_s: float) -> ssl.SSLSocket:
        secured = tls.finish(self.accept(stream), self._handover.certificate.hex(), timeout_s)
        say_secret(secured, self._handover.secret)
        return secured


class PeerLine:
    """One end of a delivery's connection; a context manager that closes it.

    Args:
        stream: Connected; owned from now on.
        conversation: Of this end.
        patience: How long to wait for what.
        entry: Does what TLS needs before this end says or hears its first word; None without TLS.

    Attributes:
        stream: The connection, for whoever waits for it.
        moved_bytes: How many bytes of the payload have left, or arrived.
    """

    def __init__(
        self,
        stream: socket.socket,
        conversation: Conversation,
        patience: Patience,
        entry: Entry | None = None,
    ) -> None:
        prepare(stream)
        if stream.family in (socket.AF_INET, socket.AF_INET6):  # both sides always have room: see above
            limit_ms = int(patience.stall_s * 1000)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, limit_ms)
        self.moved_bytes = 0
        self.stream = entry.accept(stream) if entry else stream
        self._conversation = conversation
        self._patience = patience
        self._entry = entry

    def __enter__(self) -> PeerLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()

    def is_readable(self, limit_s: float) -> bool:
        """Return whether there is something to read, or to answer, waiting so long for it."""
        if isinstance(self.stream, ssl.SSLSocket):
            is_past_handshake = self._entry is not None and self.stream.version() is not None
            if is_past_handshake or self.stream.pending():  # the other side was quick, and has been read
                return True
        poll = select.poll()
        poll.register(self.stream, select.POLLIN)
        return bool(poll.poll(limit_s * 1000))

    # ---- who delivers ------------------------------------------------------------------------------------

    @classmethod
    def offer(
        cls, stream: socket.socket, deliver: m.Deliver, size: int, patience: Patience, pin: str = ""
    ) -> PeerLine:
        """Say to another node what is to be delivered.

        Args:
            stream: Connected to the node; owned from now on.
            deliver: What is said.
            size: The length of the payload.
            patience: How long to wait for what.
            pin: Of the node's certificate; empty without TLS.

        Raises:
            ConnectError, Timeout, ReadError, WriteError: The node does not answer.
            ProblemError, RemoteProtocolError: It refuses, or breaks the rules.
        """
        conversation = Conversation(Role.CLIENT)
        try:
            frame = conversation.send(deliver, size)
            if pin:
                return cls._offer_over_tls(stream, conversation, frame, patience, pin)
            line = cls(stream, conversation, patience)
            line._write(frame)
        except BaseException:
            stream.close()
            raise
        return line

    @classmethod
    def _offer_over_tls(
        cls, stream: socket.socket, conversation: Conversation, frame: bytes, patience: Patience, pin: str
    ) -> PeerLine:
        """Be handed over to a worker. It begins its half of the handshake once it has something to say."""
        stream, body = introduce(stream, pin, frame, patience.connect_s)
        try:
            answer = conversation.receive(memoryview(body))
            if isinstance(answer, m.Refused):
                raise problem(answer.problem, answer.detail)
            if not isinstance(answer, m.Handover):
                raise RemoteProtocolError(f"an agent does not say {type(answer).__name__}")
            secured = tls.begin(stream)
        except BaseException:
            stream.close()
            raise

        return cls(secured, conversation, patience, _Guest(answer))

    def await_go_ahead(self) -> None:
        """Hear the other side, which has something to say, ask for the payload.

        Raises:
            ProblemError: It refused.
            Timeout, ReadError: It did not say all of it in time, or is gone.
            ConnectError: It is somebody else, or does not speak TLS.
            RemoteProtocolError: It broke the rules.
        """
        self._come_in(self._patience.stall_s)
        self._hear(self._patience.stall_s)

    def send_payload(self, view: memoryview) -> None:
        """Send the payload, as it lies in memory, and wait until the other side has it in place.

        Raises:
            ProblemError: It refused.
            Timeout, ReadError, WriteError: It is stuck, or gone.
            RemoteProtocolError: It broke the rules.
        """
        self.stream.settimeout(self._patience.stall_s)
        began_s = time.monotonic()
        at_once = TLS_CHUNK_BYTES if isinstance(self.stream, ssl.SSLSocket) else CHUNK_BYTES
        try:
            while self.moved_bytes < view.nbytes:
                self._check_rate("took", began_s)
                self.moved_bytes += self.stream.send(view[self.moved_bytes : self.moved_bytes + at_once])
        except TimeoutError as error:
            raise self.stuck("took", self._patience.stall_s, error) from error
        except OSError as error:
            raise WriteError(f"the connection broke: {error.strerror or error}") from error
        self._hear(self._patience.start_s)

    # ---- who receives ------------------------------------------------------------------------------------

    @classmethod
    def answer(
        cls, stream: socket.socket, frame: bytes, patience: Patience, door: tls.Door | None = None
    ) -> tuple[PeerLine, m.Deliver, int]:
        """Return this end of a delivery's connection, its first message, and the length of its payload.

        Raises:
            RemoteProtocolError: The frame is no Deliver.
        """
        if len(frame) <= PREFIX_BYTES:
            raise RemoteProtocolError(f"a frame of {len(frame)} bytes is no delivery")
        _, size = PREFIX.unpack_from(frame)
        conversation = Conversation(Role.WORKER)
        message = conversation.receive(memoryview(frame)[PREFIX_BYTES:], size)
        if not isinstance(message, m.Deliver):
            raise RemoteProtocolError(f"{type(message).__name__} is no delivery")
        return cls(stream, conversation, patience, door), message, size

    def comes_in(self) -> bool:
        """Go on with TLS without waiting; whether it is done, else the other side has the next word.

        Raises:
            ReadError: The other side does it wrong, or is gone.
        """
        if self._entry is None or not isinstance(self.stream, ssl.SSLSocket):
            return True
        try:
            return tls.go_on(self.stream)
        except OSError as error:
            raise ReadError(f"the TLS handshake failed: {error.strerror or error}") from error

    def ask(self) -> None:
        """Ask for the payload.

        Raises:
            Timeout, ReadError, WriteError: The other side is stuck, or gone.
            Unauthorized: It is not who the agent has let in.
        """
        self._come_in(self._patience.stall_s)
        self._say(m.Awaited())

    def receive_payload(self, view: memoryview) -> None:
        """Receive the payload to its place, once its first bytes are there.

        Raises:
            Timeout, ReadError: The other side is stuck, or gone.
        """
        self.stream.settimeout(self._patience.stall_s)
        began_s = time.monotonic()
        try:
            while self.moved_bytes < view.nbytes:
                self._check_rate("gave", began_s)
                count = self.stream.recv_into(view[self.moved_bytes : self.moved_bytes + CHUNK_BYTES])
                if not count:
                    raise ReadError(f"it closed after {self.moved_bytes} of {view.nbytes} bytes")
                self.moved_bytes += count
        except TimeoutError as error:
            raise self.stuck("gave", self._patience.stall_s, error) from error
        except OSError as error:
            raise ReadError(f"the connection broke: {error.strerror or error}") from error

    def confirm(self) -> None:
        """Say that the payload is in place.

        Raises:
            WriteError: The other side is gone.
        """
        self._say(m.Done(0))

    def refuse(self, problem: str, detail: str) -> None:
        """Say that the payload is not wanted, if the other side still listens."""
        with contextlib.suppress(TransportError, Unauthorized):
            self._come_in(REFUSAL_S)
            self._say(m.Refused(problem, detail[:MAX_DETAIL]))
        with contextlib.suppress(OSError):
            self.stream.shutdown(socket.SHUT_WR)

    # ---- TLS ---------------------------------------------------------------------------------------------

    def _come_in(self, limit_s: float) -> None:
        """Do what TLS needs first, once."""
        if self._entry is not None:
            entry, self._entry = self._entry, None
            self.stream = entry.admit(self.stream, limit_s)

    # ---- frames ------------------------------------------------------------------------------------------

    def _say(self, message: m.Message) -> None:
        self._write(self._conversation.send(message))

    def _write(self, head: bytes) -> None:
        """Send a message's head, which is small: the stream has room for it."""
        try:
            self.stream.settimeout(self._patience.stall_s)
            self.stream.sendall(head)
        except TimeoutError as error:
            raise self.stuck("took", self._patience.stall_s, error) from error
        except OSError as error:
            raise WriteError(f"the connection broke: {error.strerror or error}") from error

    def _hear(self, limit_s: float) -> m.Message:
        """Return the other side's next message, all of it within a time; a refusal is raised."""
        due_s = time.monotonic() + limit_s
        body_bytes, payload_bytes = PREFIX.unpack(self._read(PREFIX_BYTES, due_s))
        if not 0 < body_bytes <= MAX_ANSWER_BYTES:
            raise RemoteProtocolError(
                f"an answer of {body_bytes} bytes; 1 to {MAX_ANSWER_BYTES} are possible"
            )
        message = self._conversation.receive(memoryview(self._read(body_bytes, due_s)), payload_bytes)
        if isinstance(message, m.Refused):
            raise problem(message.problem, message.detail)
        return message

    def _read(self, count: int, due_s: float) -> bytes:
        content = bytearray()
        try:
            while len(content) < count:
                self.stream.settimeout(max(due_s - time.monotonic(), LEAST_S))
                part = self.stream.recv(count - len(content))
                if not part:
                    raise ReadError("it closed the connection without a word")
                content += part
        except TimeoutError as error:
            raise Timeout(f"it did not say all that it had to in time; {self._so_far()}") from error
        except OSError as error:
            raise ReadError(f"the connection broke: {error.strerror or error}") from error
        return bytes(content)

    def _check_rate(self, did: str, began_s: float) -> None:
        """Refuse a payload that takes too long, however steadily it comes."""
        patience = self._patience
        due_s = began_s + patience.stall_s + self.moved_bytes / patience.min_bytes_per_s
        if time.monotonic() > due_s:
            raise Timeout(f"it {did} less than {patience.min_bytes_per_s:g} bytes a second; {self._so_far()}")

    def stuck(self, did: str, limit_s: float, error: OSError | None = None) -> Timeout:
        """Return the error of another side that did nothing for so long, or as long as the kernel bore it."""
        limit = f" for {limit_s:g} s" if error is None or error.errno is None else ""
        return Timeout(f"it {did} nothing{limit}; {self._so_far()}")

    def _so_far(self) -> str:
        return f"{self.moved_bytes} bytes were through"
