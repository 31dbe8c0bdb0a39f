"""A session's connection at the worker: frames in, messages to the session, frames out."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

from accelpool_node.control import Cause, Ended, Traffic
from accelpool_node.worker.peers import Peers
from accelpool_node.worker.pulse import SILENT
from accelpool_node.worker.session import Session
from accelpool_node.worker.transfers import Pieces
from accelpool_wire import messages as m
from accelpool_wire.channel import prepare
from accelpool_wire.codes import error_name
from accelpool_wire.conversation import CLOSED, FEATURES, VERSION, Conversation, Role, State
from accelpool_wire.errors import LocalProtocolError, ProtocolError, ReadError, TransportError, WriteError
from accelpool_wire.frames import PREFIX_BYTES, FrameReader
from accelpool_wire.tls_channel import channel_over

END_PATIENCE_S = 1.0
Silence: TypeAlias = Callable[[], AbstractContextManager[None]]


class Service:
    """Serves one client until it goes, breaks the rules, or is told that its session is over.

    Args:
        stream: The client's connection, secured or not; the agent has read its Hello frame, and nothing more.
        hello: That frame.
        session_id: The session's id.
        limits: What the client may ask for at most.
    """

    def __init__(self, stream: socket.socket, hello: bytes, session_id: str, limits: m.Limits) -> None:
        self._session_id = session_id
        self._limits = limits
        self._conversation = Conversation(Role.WORKER, limits)
        greeting = self._conversation.receive(memoryview(hello)[PREFIX_BYTES:])
        offered = greeting.features if isinstance(greeting, m.Hello) else []
        self._features = [feature for feature in FEATURES if feature in offered]
        prepare(stream)
        self._stream = stream
        reader = FrameReader(body_limit=limits.body_bytes, payload_limit=limits.payload_bytes)
        self._channel = channel_over(stream, reader)
        self._sending = threading.Lock()
        self._failures: Counter[str] = Counter()
        self._ended: Ended | None = None
        self._handling_since = 0.0
        self._handler = 0

    def welcome(self, devices: list[m.Device]) -> None:
        """Tell the client that its session is open."""
        self.reply(m.Welcome(VERSION, self._features, self._session_id, self._limits, devices))

    def reply(self, message: m.Message, payload: Pieces | memoryview | bytes | None = None) -> None:
        """Send a message, with a payload if any. Safe from any thread; a dead client is noticed elsewhere."""
        with self._sending:
            if self._is_closed():
                return
            if type(message) is m.Failed:
                self._failures[error_name(message.code)] += 1
            size = _size(payload)
            try:
                head = self._conversation.send(message, size)
            except LocalProtocolError:
                if self._is_closed():
                    return  # the client said goodbye just now
                raise
            try:
                if isinstance(payload, Pieces):
                    self._send_pieces(head, payload)
                else:
                    self._send([head] if not size or payload is None else [head, payload])
            except WriteError:
                return  # the receiving side sees the same end

    def _send(self, parts: Sequence[memoryview | bytes]) -> None:
        is_handling = threading.get_ident() == self._handler
        if is_handling:
            self._handling_since = 0.0  # a client that does not read is not a device that hangs
        try:
            self._channel.send(parts)
        finally:
            if is_handling:
                self._handling_since = time.monotonic()

    def _send_pieces(self, head: bytes, payload: Pieces) -> None:
        """Send a payload piece by piece. If there is no next one its frame cannot be finished: the end."""
        self._send([head])
        try:
            for piece in payload.views:
                self._send([piece])
        except WriteError:
            raise
        except Exception as error:  # whatever it is, the client must not wait for the rest
            self._ended = Ended(Cause.DISCONNECTED, f"a read failed when a part of it was sent: {error}")
            self._channel.shut_down()

    def _is_closed(self) -> bool:
        return self._conversation.state is CLOSED

    def traffic(self, peers: Peers) -> Traffic:
        """Return what was moved so far: here with the client, and with other nodes."""
        return Traffic(
            from_client=self._channel.bytes_received,
            to_client=self._channel.bytes_sent,
            from_peers=peers.bytes_received,
            to_peers=peers.bytes_sent,
            commands=self._conversation.command,
            round_trips=self._conversation.round_trips,
            failures=dict(self._failures),
        )

    def busy_s(self) -> float:
        """How long the message now handled has been, in seconds; 0 between messages."""
        since = self._handling_since
        return time.monotonic() - since if since else 0.0

    def go_on(self) -> None:
        """Count what is handled now from here on: what it has waited for was not its own."""
        if self._handling_since:
            self._handling_since = time.monotonic()

    def is_client_gone(self) -> bool:
        """Whether the client has closed its end, or the connection broke; asked from another thread."""
        poller = select.poll()
        poller.register(self._stream, select.POLLRDHUP)
        try:
            return any(happened for _, happened in poller.poll(0))
        except OSError:
            return True

    def end(self, problem: str, detail: str) -> None:
        """End the session from another thread: tell the client why, and make `run` return."""
        self._ended = Ended(Cause.ENDED, detail)
        if self._sending.acquire(timeout=END_PATIENCE_S):
            try:
                if self._conversation.state is State.OPEN:
                    self._channel.send([self._conversation.send(m.SessionEnding(problem, detail))])
                elif self._conversation.state is State.GREETED:
                    self._channel.send([self._conversation.send(m.Refused(problem, detail))])
            except WriteError:
                pass
            finally:
                self._sending.release()
        self._channel.shut_down()

    def run(self, session: Session, silence: Silence = contextlib.nullcontext) -> Ended:
        """Serve until the end, and say how it came.

        Args:
            session: Carries messages out.
            silence: Returns what is entered while a message is carried out that is one of `SILENT`.
        """
        self._handler = threading.get_ident()
        try:
            while self._conversation.state is not CLOSED:
                self._channel.receive()
                self._handling_since = time.monotonic()
                self._handle_arrived(session, silence)
                self._handling_since = 0.0
        except ReadError as error:
            return self._ended or Ended(Cause.DISCONNECTED, str(error))
        except ProtocolError as error:
            self._refuse(error)
            return self._ended or Ended(Cause.REFUSED, str(error))
        except TransportError as error:
            return self._ended or Ended(Cause.DISCONNECTED, str(error))
        return self._ended or Ended(Cause.GOODBYE)

    def _handle_arrived(self, session: Session, silence: Silence) -> None:
        """Carry out every message that has arrived whole, and payloads as they come."""
        reader, conversation = self._channel.reader, self._conversation
        while (body := reader.next_body()) is not None:
            size = reader.payload_bytes
            message = conversation.receive(body, size)
            if conversation.state is CLOSED:
                return
            if size:
                is_wanted = self._receive_payload(session, message)
                if not is_wanted:
                    continue
            if type(message) in SILENT:
                with silence():
                    session.execute(message, conversation.command)
            else:
                session.execute(message, conversation.command)

    def _receive_payload(self, session: Session, message: m.Message) -> bool:
        """Receive a payload to where the session wants it; whether it wants it at all."""
        reader = self._channel.reader
        view = None
        while reader.payload_missing:
            view = session.open_payload(message, reader.payload_missing, self._conversation.command)
            if view is None:
                reader.discard_payload()
            else:
                reader.part_into(view)
            while reader.part_missing:
                self._channel.receive()
                self._handling_since = time.monotonic()
        return view is not None

    def _refuse(self, error: ProtocolError) -> None:
        with self._sending:
            try:
                if self._conversation.state is not CLOSED:
                    self._channel.send([self._conversation.send(m.Refused("invalid", str(error)))])
            except WriteError:
                return
        self._channel.shut_down()


def _size(payload: Pieces | memoryview | bytes | None) -> int:
    if isinstance(payload, Pieces):
        return payload.size
    return 0 if payload is None else memoryview(payload).nbytes
