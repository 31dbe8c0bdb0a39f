"""The client's end of a session: posts commands, waits for answers, reads bulk data into place.

Posted commands are coalesced: they leave when enough have gathered, when a little time has passed, when a
synchronous command follows, or by the flusher's hand. There is no receiving thread: see `inbox.py`.

An interrupt (KeyboardInterrupt, or whatever a signal handler raises) leaves the session usable, except in the
middle of a message: half a frame cannot be taken back, so the session ends then with `SessionLost`.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

from accelpool_wire import messages as m
from accelpool_wire.channel import Channel
from accelpool_wire.conversation import Conversation, State
from accelpool_wire.errors import AccelpoolError, LocalProtocolError, ProblemError, SessionLost, WriteError
from accelpool_wire.flusher import Flusher
from accelpool_wire.handshake import Address, enter, why_ended
from accelpool_wire.inbox import Inbox, Stats
from accelpool_wire.pending import PendingAnswer, PendingRead, WatchedEvent

__all__ = ["Address", "AnyRead", "Connection", "PendingRead", "Stats"]

COALESCE_BYTES = 16 * 1024
COALESCE_S = 200e-6
GATHERED_BYTES = 4096  # payloads up to this are copied, and gathered like messages
RELEASE_HANDLES = 4096
TAKES_MEMORY = frozenset((m.CreateBuffer, m.CreateImage, m.CreateSVM))
CLOSE_PATIENCE_S = 1.0

Bulk = bytes | bytearray | memoryview
AnyRead = m.EnqueueReadBuffer | m.EnqueueReadBufferRect | m.EnqueueReadImage
AnyReply = TypeVar("AnyReply", bound=m.Message)


class Connection:
    """A client's open session. Safe to use from several threads; a context manager that ends the session.

    Attributes:
        address: Where the session's node is.
        session: The session's id.
        devices: The session's devices; contexts name them by their places here.
        features: What both ends have beyond the protocol's version.
        limits: What the worker accepts at most.
        stats: What the connection has cost so far.
    """

    def __init__(
        self,
        channel: Channel,
        conversation: Conversation,
        welcome: m.Welcome,
        address: Address,
        token: str,
        certificate_sha256: str = "",
    ) -> None:
        self.address = address
        self.session: str = welcome.session
        self.devices: list[m.Device] = welcome.devices
        self.features: frozenset[str] = frozenset(welcome.features)
        conversation.limits = welcome.limits
        self.limits: m.Limits = welcome.limits
        self._channel = channel
        self._conversation = conversation
        self._inbox = Inbox(
            channel,
            conversation,
            lambda error: why_ended(address, token, welcome.session, error, certificate_sha256),
        )
        self.stats: Stats = self._inbox.stats
        self._sending = threading.Lock()
        self._unsent = bytearray()
        self._appended = conversation.command  # the last command that is in `_unsent`, or left it
        self._sent_at = 0.0
        self._handles = itertools.count(1)
        self._released: deque[int] = deque()
        self._flusher = Flusher(self.flush, self._has_unsent)

    @classmethod
    def open(
        cls,
        address: Address,
        token: str,
        *,
        certificate_sha256: str = "",
        client: str = "",
        timeout_s: float = 10.0,
    ) -> Connection:
        """Open a session on a node.

        Args:
            address: The node's host and port, from the lease's endpoint.
            token: The lease token of the same endpoint.
            certificate_sha256: That of the endpoint, too: nobody with another certificate will do, nor
                anybody without TLS. Empty where the node does without.
            client: Who is asking, for the node's log.
            timeout_s: How long the handshake may take.

        Raises:
            ConnectError: Nobody answers there, or somebody else does.
            Timeout: The handshake took too long.
            ProblemError: The node refused: `Unauthorized`, `StaleEpoch`, `LeaseExpired`, `Unavailable`, ...
        """
        channel, conversation, welcome = enter(address, token, client, timeout_s, certificate_sha256)
        return cls(channel, conversation, welcome, address, token, certificate_sha256)

    @property
    def is_open(self) -> bool:
        """Whether the session can still be used, as far as is known without asking."""
        return self._inbox.end is None

    @property
    def can_send(self) -> bool:
        """Whether a small message would leave at once: no other thread is sending, and there is room."""
        return not self._sending.locked() and self._channel.has_room()

    def new_handle(self) -> int:
        """Return a handle that the session has not used."""
        return next(self._handles)

    def release(self, handle: int) -> None:
        """Give a handle back, some time soon. Never blocks, sends nothing: fit for `__del__`.

        It is before whatever takes memory from now on: what was given back is free for that.
        """
        self._released.append(handle)

    # ---- commands ----------------------------------------------------------------------------------------

    def post(self, message: m.Message, payload: Bulk | None = None) -> int:
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
            if payload is None:
                number = self._append(message)
            elif (view := memoryview(payload)).nbytes <= GATHERED_BYTES:
                number = self._append(message, view.cast("B").tobytes())
            else:
                return self._post_bulk(message, view.cast("B"))
            if len(self._unsent) >= COALESCE_BYTES or time.perf_counter() - self._sent_at > COALESCE_S:
                self._transmit()
            self._flusher.arm()
            return number

    def _post_bulk(self, message: m.Message, payload: memoryview) -> int:
        self._check()
        if self._released and type(message) in TAKES_MEMORY:
            self._append_releases()
        try:
            head = self._conversation.send(message, payload.nbytes)
        except LocalProtocolError:
            self._check()
            raise
        self._transmit(head, payload)
        self._appended = self._conversation.command
        self._flusher.arm()
        return self._appended

    def call(self, message: m.Message, timeout_s: float | None = None) -> m.Message:
        """Send a synchronous command and return its answer: one round trip.

        Raises:
            Error: OpenCL's error, of this command or of an earlier posted one that surfaces here.
            SessionLost: The session ended.
            Timeout: No answer within `timeout_s` seconds; it will be dropped when it comes.
        """
        pending = PendingAnswer()
        self._call(message, pending, timeout_s)
        return pending.result()

    def _call(self, message: m.Message, pending: PendingAnswer, timeout_s: float | None = None) -> None:
        inbox = self._inbox
        with self._sending:
            number = self._append(message)
            inbox.answers[number] = pending  # before it leaves: another thread may receive the answer
            self._transmit()
        try:
            inbox.wait_until(lambda: pending.answer is not None, timeout_s, type(message).__name__)
        except BaseException:
            inbox.answers.pop(number, None)
            raise

    def ask(self, message: m.Message, answer: type[AnyReply], timeout_s: float | None = None) -> AnyReply:
        """As `call`, with the answer's type stated; the conversation guarantees it."""
        reply = self.call(message, timeout_s)
        assert isinstance(reply, answer)
        return reply

    def read(self, message: AnyRead, into: memoryview) -> PendingRead:
        """Start a read whose bytes go straight to their place.

        Args:
            message: What to read.
            into: Writable contiguous bytes, as many as are read; to be left alone until the read is done.

        Raises:
            SessionLost: The session ended.
            LocalProtocolError: `into` is read-only or of another size.
            FrameTooLarge: Too many commands await their answers.
        """
        size = message.size if isinstance(message, m.EnqueueReadBuffer) else into.nbytes
        if into.nbytes != size or into.readonly:
            kind = "read-only" if into.readonly else "writable"
            raise LocalProtocolError(f"a read of {size} bytes does not go to {into.nbytes} {kind} ones")
        pending = PendingRead(self._inbox, into.cast("B") if into.nbytes else into)
        with self._sending:
            number = self._append(message)
            self._inbox.answers[number] = pending
            self._transmit()
        return pending

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries, one per device of its context."""
        pending = PendingAnswer()
        self._call(m.GetProgramBinaries(program), pending)
        reply = pending.result()
        assert isinstance(reply, m.Binaries)
        ends = list(itertools.accumulate(reply.sizes))
        return [bytes(pending.content[end - size : end]) for end, size in zip(ends, reply.sizes, strict=True)]

    # ---- events ------------------------------------------------------------------------------------------

    def watch(self, events: Iterable[int]) -> None:
        """Ask to be told when events are complete, without waiting."""
        self._watch(events)

    def _watch(self, events: Iterable[int]) -> dict[int, WatchedEvent]:
        known = self._inbox.events
        with self._sending:
            watched = {event: known.get(event) or WatchedEvent() for event in events}
            fresh = [event for event in watched if event not in known]
            if fresh:
                self._append(m.WatchEvents(fresh))
                known.update((event, watched[event]) for event in fresh)
                self._flusher.arm()
        return watched

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended.

        Raises:
            SessionLost: The session ended.
            Timeout: Not all within `timeout_s` seconds.
        """
        handles = list(events)
        watched = self._watch(handles)
        self.flush()
        self._inbox.wait_until(lambda: all(event.done for event in watched.values()), timeout_s, "WaitEvents")
        return [done for handle in handles if (done := watched[handle].done) is not None]

    def tell(self, event: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Have a function called once an event is complete or failed, or the session over: `Inbox.tell`."""
        watched = self._watch([event])[event]
        self.flush()
        return self._inbox.tell(watched, callback, "WaitEvents")

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended if that is known here, without asking."""
        watched = self._inbox.events.get(event)
        return None if watched is None else watched.done

    def hear(self) -> None:
        """Take in what the worker has told unasked, without waiting for more."""
        self._inbox.hear()

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call `callback` from a thread of its own once the event is complete or failed."""
        self._watch([event])  # now: the event may be released before the thread runs

        def wait_and_call() -> None:
            try:
                done = self.wait_events([event])[0]
            except AccelpoolError:
                done = m.EventDone(event, -2, None, ["clWaitForEvents", "the session was lost"])
            callback(done)

        threading.Thread(target=wait_and_call, name=f"event-{event}", daemon=True).start()

    # ---- the end -----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is gathered."""
        with self._sending:
            if self._inbox.end is None:
                self._transmit()

    def close(self) -> None:
        """End the session and everything in it, whatever the worker does. Closing twice is closing once."""
        end = SessionLost(f"session {self.session} was closed by this client")
        if self._sending.acquire(timeout=CLOSE_PATIENCE_S):  # else another thread's sending is stuck
            try:
                if self._inbox.end is None and self._conversation.state is State.OPEN:
                    self._channel.try_send(self._unsent + self._conversation.send(m.Goodbye()))
                self._inbox.settle(end)
            finally:
                self._sending.release()
        self._inbox.settle(end)
        self._flusher.stop()
        with self._sending:
            self._inbox.close()

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: leave the session to the other process, which knows nothing of this one.

        Nothing is sent, only this process's copy of the socket is closed, every later use raises `reason`.
        The other process's threads are not here, so what locks they held would never be free: all are new.
        """
        self._sending = threading.Lock()
        self._flusher = Flusher(self.flush, self._has_unsent)
        self._inbox.abandon(reason)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- sending: all with the sending lock held ---------------------------------------------------------

    def _append(self, message: m.Message, payload: bytes = b"") -> int:
        """Put a message, with a small payload if any, behind what is gathered; return its number."""
        conversation = self._conversation
        if self._inbox.end is not None or conversation.command != self._appended:
            self._check()
        if self._released and type(message) in TAKES_MEMORY:
            self._append_releases()
        try:
            self._unsent += conversation.send(message, len(payload)) + payload
        except LocalProtocolError:
            self._check()
            raise
        self._appended = number = conversation.command
        return number

    def _check(self) -> None:
        """Mend the numbering if an interrupt came between counting a message and appending it.

        Raises:
            SessionLost: The session ended.
        """
        if self._inbox.end is not None or self._conversation.state is State.CLOSED:
            self._inbox.raise_end()
        self._conversation.retract(self._appended)

    def _has_unsent(self) -> bool:
        return bool(self._unsent or self._released)

    def _transmit(self, head: bytes = b"", payload: memoryview | None = None) -> None:
        """Send what is gathered, then a bulk message if there is one."""
        if payload is None:
            if self._released:
                self._append_releases()
            if not self._unsent:
                return
        try:
            parts: list[Bulk] = [self._unsent] if payload is None else [self._unsent + head, payload]
            self._unsent = bytearray()
            self._channel.send(parts, self._inbox.receive_while_full)
        except WriteError as error:
            self._inbox.drain(error)
        except BaseException:
            self._inbox.cut()
            raise
        self._sent_at = time.perf_counter()

    def _append_releases(self) -> None:
        while self._released:
            count = min(len(self._released), RELEASE_HANDLES)
            handles = [self._released.popleft() for _ in range(count)]
            self._inbox.forget_events(handles)
            self._append(m.Release(handles))
