"""The data plane's state machine, without I/O: who may say what, when.

    state     the client may send                     the worker may send
    NEW       Hello → GREETED, SessionQuery → ASKED,  Refused → CLOSED
              Deliver → OFFERED
    GREETED   -                                       Welcome → OPEN, Refused → CLOSED, Handover
    ASKED     -                                       Refused → CLOSED
    OFFERED   -                                       Awaited → AWAITED, Refused → CLOSED, Handover
    AWAITED   -                                       Done → CLOSED, Refused → CLOSED
    OPEN      posted and synchronous, Goodbye → CLOSED  replies and pushes, Refused and SessionEnding → CLOSED
    CLOSED    -                                       -

Both sides keep a `Conversation` and feed it what they send and what they receive. Messages of the client
are numbered from 0 (Hello) on; a reply names the number of the synchronous message that it answers, and each
is answered exactly once. Who delivers to another node is the client of that connection: its Deliver is the
only message, and Done answers it. Handover comes over TLS, and once: that is `handshake`'s to see to.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from accelpool_wire import messages as m
from accelpool_wire.errors import FrameTooLarge, LocalProtocolError, ProtocolError, RemoteProtocolError
from accelpool_wire.frames import PREFIX

VERSION = 1
SVM, ADDRESSES, ATTRIBUTES, CONTEXT_COPIES = "svm", "addresses", "attributes", "context-copies"
FEATURES: tuple[str, ...] = (SVM, ADDRESSES, ATTRIBUTES, CONTEXT_COPIES)


class Role(Enum):
    """Which side of the connection this is."""

    CLIENT = "client"
    WORKER = "worker"


class State(Enum):
    """How far the conversation is."""

    NEW = "new"
    GREETED = "greeted"
    ASKED = "asked"
    OFFERED = "offered"
    AWAITED = "awaited"
    OPEN = "open"
    CLOSED = "closed"


OPEN, CLOSED = State.OPEN, State.CLOSED  # for what is asked with every message: an enum's attribute is slow

TRANSITIONS: dict[State, dict[type[m.Message], State]] = {
    State.NEW: {
        m.Hello: State.GREETED,
        m.SessionQuery: State.ASKED,
        m.Deliver: State.OFFERED,
        m.Refused: State.CLOSED,
    },
    State.GREETED: {m.Welcome: State.OPEN, m.Refused: State.CLOSED, m.Handover: State.GREETED},
    State.ASKED: {m.Refused: State.CLOSED},
    State.OFFERED: {m.Awaited: State.AWAITED, m.Refused: State.CLOSED, m.Handover: State.OFFERED},
    State.AWAITED: {m.Done: State.CLOSED, m.Refused: State.CLOSED},
    State.OPEN: {m.Goodbye: State.CLOSED, m.Refused: State.CLOSED, m.SessionEnding: State.CLOSED},
    State.CLOSED: {},
}

POSTED: frozenset[type[m.Message]] = frozenset(m.kinds(m.Posted))

# Each synchronous message and what may answer it.
REPLIES: dict[type[m.Message], tuple[type[m.Message], ...]] = {
    kind: (kind.answer, m.Failed) for kind in m.kinds(m.Synchronous)
}

ANSWERS: frozenset[type[m.Message]] = frozenset(m.kinds(m.Reply))
OF_CLIENT: frozenset[type[m.Message]] = frozenset(m.kinds(m.ClientMessage))
WITH_PAYLOAD: frozenset[type[m.Message]] = frozenset(k for k in m.kinds(m.Message) if k.has_payload)

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[Role, msgspec.msgpack.Decoder[m.Message]] = {
    Role.CLIENT: m.decoder(m.WorkerMessage),
    Role.WORKER: m.decoder(m.ClientMessage),
}


class Conversation:
    """One side's view of a connection: turns messages into frame heads and bodies into messages.

    Attributes:
        role: Which side this is.
        state: How far the conversation is.
        limits: What a frame and the pending commands may measure.
        command: The number of the client's message last sent or received; -1 before the first.
        pending: The synchronous commands not yet answered, by number.
        round_trips: How many synchronous commands there were.
    """

    def __init__(self, role: Role, limits: m.Limits | None = None) -> None:
        self.role = role
        self.state: State = State.NEW
        self.limits: m.Limits = limits or m.Limits()
        self.command: int = -1
        self.pending: dict[int, type[m.Message]] = {}
        self.round_trips: int = 0
        self._is_client = role is Role.CLIENT
        self._decoder = _decoders[role]

    def send(self, message: m.Message, payload_bytes: int = 0) -> bytes:
        """Return the head of a message's frame: prefix and body; the payload follows it on the stream.

        Raises:
            LocalProtocolError: The message may not be sent now, or may have no payload.
            FrameTooLarge: The frame, or the count of pending commands, is over the limit.
        """
        kind = type(message)
        if (kind in OF_CLIENT) is not self._is_client:
            raise LocalProtocolError(f"the {self.role.value} does not send {kind.__name__}")
        body = _encoder.encode(message)
        if len(body) > self.limits.body_bytes or payload_bytes > self.limits.payload_bytes:
            raise FrameTooLarge(
                f"{kind.__name__} has {len(body)} + {payload_bytes} bytes; the limits are "
                f"{self.limits.body_bytes} + {self.limits.payload_bytes}"
            )
        self._advance(kind, message, payload_bytes, LocalProtocolError)
        if self._is_client:
            self.command += 1
        return PREFIX.pack(len(body), payload_bytes) + body

    def retract(self, command: int) -> None:
        """Take back what was sent after `command`: it never left this side."""
        for number in range(command + 1, self.command + 1):
            if self.pending.pop(number, None) is not None:
                self.round_trips -= 1
        self.command = command

    def receive(self, body: memoryview, payload_bytes: int = 0) -> m.Message:
        """Return the message of a frame's body.

        Raises:
            RemoteProtocolError: The body is no message, or one that may not come now.
            FrameTooLarge: Too many commands are pending.
        """
        try:
            message = self._decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise RemoteProtocolError(f"a frame's body is no message: {error}") from error
        self._advance(type(message), message, payload_bytes, RemoteProtocolError)
        if not self._is_client:
            self.command += 1
        return message

    def _advance(
        self, kind: type[m.Message], message: m.Message, payload_bytes: int, error: type[ProtocolError]
    ) -> None:
        """Check a message, whichever way it goes, and take it into account; not yet in `command`."""
        if payload_bytes and kind not in WITH_PAYLOAD:
            raise error(f"{kind.__name__} has no payload, but {payload_bytes} bytes came with it")
        is_open = self.state is OPEN
        if is_open and (kind in POSTED or kind is m.EventDone):
            pass
        elif is_open and kind in REPLIES:
            self._ask(kind)
        elif is_open and kind in ANSWERS:
            self._answer(kind, message, error)
        elif kind in TRANSITIONS[self.state]:
            if isinstance(message, m.Done) and message.command:
                raise error(f"Done answers command {message.command}, but Deliver is command 0")
            self.state = TRANSITIONS[self.state][kind]
        else:
            raise error(f"{kind.__name__} may not come in state {self.state.value}")

    def _ask(self, kind: type[m.Message]) -> None:
        if len(self.pending) >= self.limits.pending:
            raise FrameTooLarge(f"{len(self.pending)} commands await their answers; the limit is that")
        self.pending[self.command + 1] = kind
        self.round_trips += 1

    def _answer(self, kind: type[m.Message], message: m.Message, error: type[ProtocolError]) -> None:
        number: int = message.command  # type: ignore[attr-defined]  # every answer has it
        asked = self.pending.get(number)
        if asked is None or kind not in REPLIES[asked]:
            name = asked.__name__ if asked else "nothing"
            raise error(f"{kind.__name__} answers command {number}, which asked for {name}")
        del self.pending[number]
