"""The client's end of a session: posts commands, waits for answers, reads bulk data into place.

Posted commands are coalesced: they leave when enough have gathered, when a little time has passed, when a
synchronous command follows, or by the flusher's hand. There is no receiving thread: whoever waits receives,
for everybody (one at a time), so an answer costs no thread switch.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from accelpool_wire import messages as m
from accelpool_wire.channel import Channel, connect
from accelpool_wire.conversation import FEATURES, VERSION, Conversation, Role
from accelpool_wire.errors import (
    AccelpoolError,
    LocalProtocolError,
    ProblemError,
    ReadError,
    RemoteProtocolError,
    SessionLost,
    Timeout,
    TransportError,
    WriteError,
    error_for,
    problem,
)
from accelpool_wire.flusher import Flusher
from accelpool_wire.frames import FrameReader

COALESCE_BYTES = 16 * 1024
COALESCE_S = 200e-6
QUERY_TIMEOUT_S = 3.0

Address = tuple[str, int]
AnyReply = TypeVar("AnyReply", bound=m.Message)


@dataclass(kw_only=True)
class Stats:
    """What a connection has cost so far: round trips, bytes each way, seconds spent waiting."""

    round_trips: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    waited_s: float = 0.0


class PendingRead:
    """A read under way: its bytes are in place once `is_done`."""

    __slots__ = ("_connection", "answer", "into")

    def __init__(self, connection: Connection, into: memoryview) -> None:
        self._connection = connection
        self.into = into
        self.answer: m.Data | m.Failed | None = None

    @property
    def is_done(self) -> bool:
        """Whether the bytes are in place, or the read has failed."""
        return self.answer is not None

    def wait(self, timeout_s: float | None = None) -> m.Data:
        """Wait until the bytes are in place.

        Raises:
            Error: The read failed, or a command before it did.
            SessionLost: The session ended.
            Timeout: Not in place within `timeout_s` seconds; they may still come.
        """
        self._connection.wait_until(lambda: self.answer is not None, timeout_s)
        if isinstance(self.answer, m.Failed):
            raise error_for(self.answer.routine, self.answer.code, self.answer.what)
        assert self.answer is not None
        return self.answer


class Connection:
    """A client's open session. Safe to use from several threads; a context manager that ends the session.

    Attributes:
        address: Where the session's node is.
        session: The session's id.
        devices: The session's devices; contexts name them by their places here.
        limits: What the worker accepts at most.
        stats: What the connection has cost so far.
    """

    def __init__(
        self, channel: Channel, conversation: Conversation, welcome: m.Welcome, address: Address, token: str
    ) -> None:
        self.address = address
        self.session = welcome.session
        self.devices = welcome.devices
        self.limits = conversation.limits = welcome.limits
        self.stats = Stats()
        self._token = token
        self._channel = channel
        self._conversation = conversation
        self._sending = threading.Lock()
        self._receiving = threading.Lock()
        self._news = threading.Condition()
        self._waiters = 0
        self._unsent = bytearray()
        self._sent_at = 0.0
        self._last_handle = 0
        self._released: deque[int] = deque()
        self._replies: dict[int, m.Message | None] = {}
        self._reads: dict[int, PendingRead] = {}
        self._events: dict[int, m.EventDone | None] = {}
        self._binaries = memoryview(b"")
        self._farewell: m.Refused | m.SessionEnding | None = None
        self._end: AccelpoolError | None = None
        self._flusher = Flusher(self.flush, self._has_unsent)

    @classmethod
    def open(cls, address: Address, token: str, *, client: str = "", timeout_s: float = 10.0) -> Connection:
        """Open a session on a node.

        Args:
            address: The node's host and port, from the lease's endpoint.
            token: The lease token of the same endpoint.
            client: Who is asking, for the node's log.
            timeout_s: How long the handshake may take.

        Raises:
            ConnectError: Nobody answers there.
            Timeout: The handshake took too long.
            ProblemError: The node refused: `Unauthorized`, `StaleEpoch`, `LeaseExpired`, `Unavailable`, ...
        """
        hello = m.Hello([VERSION], list(FEATURES), token, client)
        channel, conversation, answer = _greet(address, hello, timeout_s)
        if isinstance(answer, m.Welcome):
            return cls(channel, conversation, answer, address, token)
        channel.close()
        raise _refusal(answer)

    @property
    def is_open(self) -> bool:
        """Whether the session can still be used, as far as is known without asking."""
        return self._end is None

    def new_handle(self) -> int:
        """Return a handle that the session has not used."""
        with self._sending:
            self._last_handle += 1
            return self._last_handle

    def release(self, handle: int) -> None:
        """Give a handle back, some time soon. Never blocks, sends nothing: fit for `__del__`."""
        self._released.append(handle)

    def post(self, message: m.Message, payload: bytes | bytearray | memoryview | None = None) -> int:
        """Send a command and await nothing.

        Args:
            message: A posted command.
            payload: The bulk bytes that belong to it, contiguous; when this returns they may be reused.

        Returns:
            The command's number in the session.

        Raises:
            SessionLost: The session ended.
            FrameTooLarge: The message is over a limit; the session goes on.
        """
        with self._sending:
            return self._post(message, payload)

    def _post(self, message: m.Message, payload: bytes | bytearray | memoryview | None = None) -> int:
        if self._end is not None:
            raise self._end
        payload_bytes = 0 if payload is None else memoryview(payload).nbytes
        self._unsent += self._conversation.send(message, payload_bytes)
        if payload_bytes and payload is not None:
            self._transmit(payload)
        elif len(self._unsent) >= COALESCE_BYTES or time.perf_counter() - self._sent_at > COALESCE_S:
            self._transmit()
        else:
            self._flusher.arm()
        return self._conversation.command

    def call(self, message: m.Message, timeout_s: float | None = None) -> m.Message:
        """Send a synchronous command and return its answer: one round trip.

        Raises:
            Error: OpenCL's error, of this command or of an earlier posted one that surfaces here.
            SessionLost: The session ended.
            Timeout: No answer within `timeout_s` seconds; it will be dropped when it comes.
        """
        with self._sending:
            number = self._post(message)
            self._replies[number] = None
            self._transmit()
        try:
            self.wait_until(lambda: self._replies[number] is not None, timeout_s)
        finally:
            reply = self._replies.pop(number)
        if isinstance(reply, m.Failed):
            raise error_for(reply.routine, reply.code, reply.what)
        assert reply is not None
        return reply

    def ask(self, message: m.Message, answer: type[AnyReply], timeout_s: float | None = None) -> AnyReply:
        """As `call`, with the answer's type stated; the conversation guarantees it."""
        reply = self.call(message, timeout_s)
        assert isinstance(reply, answer)
        return reply

    def read(self, message: m.EnqueueReadBuffer, into: memoryview) -> PendingRead:
        """Start a read whose bytes go straight to their place.

        Args:
            message: What to read.
            into: Writable contiguous bytes, `message.size` of them; to be left alone until the read is done.
        """
        into = into.cast("B")
        if into.nbytes != message.size:
            raise LocalProtocolError(f"a read of {message.size} bytes does not fill {into.nbytes}")
        pending = PendingRead(self, into)
        with self._sending:
            number = self._post(message)
            self._reads[number] = pending
            self._transmit()
        return pending

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries, one per device of its context."""
        reply = self.ask(m.GetProgramBinaries(program), m.Binaries)
        content, binaries = self._binaries, []
        for size in reply.sizes:
            binaries.append(bytes(content[:size]))
            content = content[size:]
        return binaries

    def watch(self, events: Iterable[int]) -> None:
        """Ask to be told when events are complete, without waiting."""
        with self._sending:
            fresh = [event for event in events if event not in self._events]
            if fresh:
                self._events.update(dict.fromkeys(fresh))
                self._post(m.WatchEvents(fresh))

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended.

        Raises:
            SessionLost: The session ended.
            Timeout: Not all within `timeout_s` seconds.
        """
        handles = list(events)
        self.watch(handles)
        self.flush()
        self.wait_until(lambda: all(self._events[handle] is not None for handle in handles), timeout_s)
        return [done for handle in handles if (done := self._events[handle]) is not None]

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended if that is known here, without asking."""
        return self._events.get(event)

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call `callback` from a thread of its own once the event is complete or failed."""

        def wait_and_call() -> None:
            try:
                done = self.wait_events([event])[0]
            except AccelpoolError:
                done = m.EventDone(event, -2, None, ["clWaitForEvents", "the session was lost"])
            callback(done)

        threading.Thread(target=wait_and_call, name=f"event-{event}", daemon=True).start()

    def flush(self) -> None:
        """Send what is gathered."""
        with self._sending:
            if self._end is None:
                self._transmit()

    def close(self) -> None:
        """End the session and everything in it. Closing twice is closing once."""
        with self._sending:
            if self._end is None:
                self._end = SessionLost(f"session {self.session} was closed by this client")
                self._unsent += self._conversation.send(m.Goodbye())
                with contextlib.suppress(WriteError):  # gone already: what closing asks for
                    self._channel.send([self._unsent])
        self._flusher.stop()
        self._channel.shut_down()
        with self._receiving:
            self._channel.close()
        self._tell_waiters()

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- sending -----------------------------------------------------------------------------------------

    def _has_unsent(self) -> bool:
        return bool(self._unsent or self._released)

    def _transmit(self, payload: bytes | bytearray | memoryview | None = None) -> None:
        """Send what is gathered, then the payload; the sending lock is held."""
        if self._released and payload is None:
            count = len(self._released)
            handles = [self._released.popleft() for _ in range(count)]
            for handle in handles:
                self._events.pop(handle, None)
            self._unsent += self._conversation.send(m.Release(handles))
        if not self._unsent:
            return
        parts = [self._unsent] if payload is None else [self._unsent, payload]
        self._unsent = bytearray()
        try:
            self._channel.send(parts, self._receive_while_full)
        except WriteError as error:
            self._lose(error)
        self._sent_at = time.perf_counter()
        self.stats.bytes_sent = self._channel.bytes_sent

    def _receive_while_full(self) -> None:
        """Both directions are full: read some, unless another thread is doing that."""
        if self._receiving.acquire(blocking=False):
            try:
                self._receive(None)
            finally:
                self._receiving.release()

    # ---- receiving ---------------------------------------------------------------------------------------

    def wait_until(self, is_ready: Callable[[], bool], timeout_s: float | None = None) -> None:
        """Receive, or let another thread receive, until something is so.

        Raises:
            SessionLost: The session ended before that.
            Timeout: It was not so within `timeout_s` seconds.
        """
        if is_ready():
            return
        started = time.perf_counter()
        deadline = None if timeout_s is None else started + timeout_s
        self.stats.round_trips += 1
        while not is_ready():
            if self._end is not None:
                raise self._end
            if self._receiving.acquire(blocking=False):
                self._lead(is_ready, deadline)
            else:
                self._follow(is_ready, deadline)
        self.stats.waited_s += time.perf_counter() - started

    def _lead(self, is_ready: Callable[[], bool], deadline: float | None) -> None:
        """Receive for everybody; the receiving lock is held, and given up at the end."""
        try:
            while self._end is None and not is_ready():
                self._receive(None if deadline is None else deadline - time.perf_counter())
        finally:
            self._receiving.release()
            self._tell_waiters()

    def _follow(self, is_ready: Callable[[], bool], deadline: float | None) -> None:
        """Wait for news from the thread that receives, or for its place."""
        with self._news:
            self._waiters += 1
            try:
                if self._receiving.locked() and not is_ready() and self._end is None:
                    self._news.wait(None if deadline is None else max(0.0, deadline - time.perf_counter()))
            finally:
                self._waiters -= 1
        if deadline is not None and time.perf_counter() > deadline and not is_ready():
            raise Timeout("no answer came from the session in the time allowed")

    def _tell_waiters(self) -> None:
        if self._waiters:
            with self._news:
                self._news.notify_all()

    def _receive(self, timeout_s: float | None) -> None:
        """Receive once and deal with what is complete; the receiving lock is held."""
        try:
            self._channel.receive(timeout_s)
            reader = self._channel.reader
            while (body := reader.next_body()) is not None:
                message = self._conversation.receive(body, reader.payload_bytes)
                self._take(message, reader)
                while reader.payload_missing:
                    self._channel.receive()
                self._deal(message)
        except (ReadError, RemoteProtocolError) as error:
            self._lose(error)
        self.stats.bytes_received = self._channel.bytes_received

    def _take(self, message: m.Message, reader: FrameReader) -> None:
        """Say where a message's payload goes."""
        if not reader.payload_bytes:
            return
        if isinstance(message, m.Data) and (pending := self._reads.get(message.command)):
            if pending.into.nbytes != reader.payload_bytes:
                raise RemoteProtocolError(
                    f"a read of {pending.into.nbytes} bytes was answered with {reader.payload_bytes}"
                )
            reader.payload_into(pending.into)
            return
        self._binaries = memoryview(bytearray(reader.payload_bytes))
        reader.payload_into(self._binaries)

    def _deal(self, message: m.Message) -> None:
        """Hand a whole message to whom it belongs."""
        if isinstance(message, m.EventDone):
            if message.event in self._events:
                self._events[message.event] = message
        elif isinstance(message, (m.Refused, m.SessionEnding)):
            self._farewell = message
        else:
            number: int = message.command  # type: ignore[attr-defined]  # every other message is an answer
            pending = self._reads.pop(number, None)
            if pending is not None and isinstance(message, (m.Data, m.Failed)):
                pending.answer = message
            elif number in self._replies:
                self._replies[number] = message
        self._tell_waiters()

    # ---- the end -----------------------------------------------------------------------------------------

    def _lose(self, error: AccelpoolError) -> None:
        """Note that the session is over, and find out why."""
        if self._end is not None:
            return
        if self._farewell is None and isinstance(error, WriteError):
            self._drain()
        if self._farewell is not None:
            self._end = _refusal(self._farewell)
        else:
            self._end = self._ask_why(error)
        self._end.__cause__ = error
        self._channel.shut_down()
        self._tell_waiters()

    def _drain(self) -> None:
        """Read what the other side said before it went: perhaps why."""
        if self._receiving.acquire(timeout=QUERY_TIMEOUT_S):
            try:
                while self._farewell is None and self._end is None:
                    self._channel.receive(QUERY_TIMEOUT_S)
                    while (body := self._channel.reader.next_body()) is not None:
                        message = self._conversation.receive(body, self._channel.reader.payload_bytes)
                        self._take(message, self._channel.reader)
                        self._deal(message)
            except (TransportError, RemoteProtocolError, LocalProtocolError):
                return  # it said nothing more
            finally:
                self._receiving.release()

    def _ask_why(self, error: AccelpoolError) -> AccelpoolError:
        """Ask the node what became of the session."""
        host, port = self.address
        where = f"session {self.session} on {host}:{port}"
        try:
            channel, _, answer = _greet(
                self.address, m.SessionQuery(self._token, self.session), QUERY_TIMEOUT_S
            )
        except AccelpoolError as why:
            return SessionLost(f"{where} is gone ({error}), and its node's agent does not answer: {why}")
        channel.close()
        reason = _refusal(answer)
        if isinstance(reason, SessionLost):
            return reason
        return SessionLost(f"{where} is gone: {error}; its node says: {reason.detail}")


def _greet(
    address: Address, greeting: m.Message, timeout_s: float
) -> tuple[Channel, Conversation, m.Welcome | m.Refused]:
    """Connect, send the first message, and return the answer to it."""
    conversation = Conversation(Role.CLIENT)
    limits = conversation.limits
    reader = FrameReader(body_limit=limits.body_bytes, payload_limit=limits.payload_bytes)
    channel = Channel(connect(address, timeout_s), reader)
    deadline = time.perf_counter() + timeout_s
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


def _refusal(answer: m.Message) -> ProblemError:
    """Return the typed error for a Refused or SessionEnding."""
    assert isinstance(answer, (m.Refused, m.SessionEnding))
    return problem(answer.problem, answer.detail)
