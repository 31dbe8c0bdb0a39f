"""A client's receiving side: whoever waits receives, for everybody, so that an answer costs no thread switch.

One thread at a time leads: it receives and hands each message to whom it belongs. The others that wait
follow: they sleep until there is news, or until the leader has what it wanted and its place is free. A thread
whose sending is stuck because both directions are full receives too.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

from accelpool_wire import messages as m
from accelpool_wire.channel import Channel
from accelpool_wire.conversation import WITH_PAYLOAD, Conversation
from accelpool_wire.errors import (
    AccelpoolError,
    ProblemError,
    ProtocolError,
    ReadError,
    RemoteProtocolError,
    SessionLost,
    Timeout,
    WriteError,
)
from accelpool_wire.frames import FrameReader
from accelpool_wire.handshake import refusal
from accelpool_wire.listener import Listener
from accelpool_wire.pending import Awaited, PendingAnswer, PendingRead, WatchedEvent

DRAIN_S = 3.0
TURN_S = 0.001
BINARIES_LIMIT_BYTES = 1 << 30


class Waits:
    """How often somebody waited for the worker, and for how many seconds."""

    __slots__ = ("round_trips", "waited_s")

    def __init__(self, round_trips: int = 0, waited_s: float = 0.0) -> None:
        self.round_trips: int = round_trips
        self.waited_s: float = waited_s

    def add(self, waited_s: float) -> None:
        """Count the seconds of a wait that is over."""
        self.waited_s += waited_s


class Stats:
    """What a connection has cost so far.

    Attributes:
        by_call: How often, and how long, for which call: a message's name, "Read" or "WaitEvents".
    """

    def __init__(self, channel: Channel) -> None:
        self.by_call: dict[str, Waits] = {}
        self._channel = channel

    @property
    def round_trips(self) -> int:
        """How often somebody waited for the worker."""
        return sum(waits.round_trips for waits in list(self.by_call.values()))

    @property
    def waited_s(self) -> float:
        """Seconds spent so."""
        return sum(waits.waited_s for waits in list(self.by_call.values()))

    @property
    def network_s(self) -> float:
        """Seconds of these that the network took, at least, as far as the system knows; else 0."""
        return min(self.waited_s, self.round_trips * self._channel.shortest_round_trip_s())

    def waits(self, call: str) -> Waits:
        """Return the numbers of a call."""
        return self.by_call.get(call) or self.by_call.setdefault(call, Waits())

    @property
    def bytes_sent(self) -> int:
        """Bytes sent to the worker."""
        return self._channel.bytes_sent

    @property
    def bytes_received(self) -> int:
        """Bytes received from the worker."""
        return self._channel.bytes_received


class Inbox:
    """Receives for everybody who waits, and notes why the session is over.

    Args:
        channel: Where from.
        conversation: Checks and decodes what comes.
        ask_why: Finds out why the connection broke; may take seconds.

    Attributes:
        answers: Who waits for the answer to which command.
        events: The watched events, by handle.
        end: Why the session is over; None while it is not.
        stats: What the connection has cost so far.
    """

    def __init__(
        self, channel: Channel, conversation: Conversation, ask_why: Callable[[AccelpoolError], ProblemError]
    ) -> None:
        self.answers: dict[int, PendingAnswer] = {}
        self.events: dict[int, WatchedEvent] = {}
        self.end: ProblemError | None = None
        self.stats: Stats = Stats(channel)
        self._channel = channel
        self._conversation = conversation
        self._ask_why = ask_why
        self._receiving = threading.Lock()
        self._ending = threading.Lock()
        self._news = threading.Condition()
        self._waiters = 0
        self._listener = Listener(self)
        self._unfinished: m.Message | None = None  # its payload has not arrived whole

    # ---- waiting -----------------------------------------------------------------------------------------

    def wait_until(
        self, is_ready: Callable[[], bool], timeout_s: float | None = None, call: str = "other"
    ) -> None:
        """Receive, or let another thread receive, until something is so: for a call, as statistics name it.

        Raises:
            ProblemError: The session ended before that: `SessionLost`, or how its lease ended.
            Timeout: It was not so within `timeout_s` seconds.
        """
        if is_ready():
            return
        started = time.perf_counter()
        waits = self.stats.waits(call)
        waits.round_trips += 1
        try:
            self.receive_until(is_ready, None if timeout_s is None else started + timeout_s)
        except Timeout:
            raise Timeout(f"no answer came from the session within {timeout_s:g} s") from None
        waits.waited_s += time.perf_counter() - started

    def tell(self, awaited: Awaited, callback: Callable[[], None], call: str) -> Callable[[], None]:
        """Have a function called once something has come, or the session is over.

        Args:
            awaited: What for.
            callback: The function; called once, from any thread, maybe this one at once. It must not block.
            call: How statistics name the wait.

        Returns:
            What takes that back; afterwards it is not called any more.
        """
        if awaited.is_done:
            callback()
            return lambda: None
        waits = self.stats.waits(call)
        waits.round_trips += 1
        return self._listener.tell(awaited, callback, waits.add)

    def receive_until(self, is_ready: Callable[[], bool], deadline: float | None = None) -> None:
        """As `wait_until`, and no statistics; `deadline` is of `time.perf_counter`."""
        while not is_ready():
            if self.end is not None:
                self.raise_end()
            if self._receiving.acquire(blocking=False):
                self._lead(is_ready, deadline)
            else:
                self._follow(is_ready, deadline)

    def _lead(self, is_ready: Callable[[], bool], deadline: float | None) -> None:
        """Receive for everybody; the receiving lock is held, and given up at the end."""
        try:
            while self.end is None and not is_ready():
                self._receive(None if deadline is None else deadline - time.perf_counter())
        finally:
            self._receiving.release()
            self._tell_waiters()

    def _follow(self, is_ready: Callable[[], bool], deadline: float | None) -> None:
        """Wait for news from the thread that receives, or for its place."""
        with self._news:
            self._waiters += 1
            try:
                if self._receiving.locked() and not is_ready() and self.end is None:
                    self._news.wait(None if deadline is None else max(0.0, deadline - time.perf_counter()))
            finally:
                self._waiters -= 1
        if deadline is not None and time.perf_counter() > deadline and not is_ready() and self.end is None:
            raise Timeout("no answer")

    def _tell_waiters(self) -> None:
        if self._waiters:
            with self._news:
                self._news.notify_all()

    def receive_while_full(self) -> None:
        """Both directions are full: read some, or let the thread that receives do so; brief in any case."""
        if self._receiving.acquire(timeout=TURN_S):
            try:
                with contextlib.suppress(Timeout):  # the thread that received before took all there was
                    if self.end is None:
                        self._receive(0.0)
            finally:
                self._receiving.release()
                self._tell_waiters()

    def hear(self) -> None:
        """Deal with what has come, without waiting, unless another thread receives."""
        if self._receiving.acquire(blocking=False):
            try:
                with contextlib.suppress(Timeout):  # what has come is no whole record yet
                    if self.end is None and self._channel.is_readable():
                        self._receive(0.0)
            finally:
                self._receiving.release()
                self._tell_waiters()

    def forget_events(self, handles: Iterable[int]) -> None:
        """Drop what is known of released events; of those not done yet, once they are."""
        for handle in handles:
            watched = self.events.get(handle)
            if watched is not None:
                watched.is_released = True
                if watched.done is not None:
                    self.events.pop(handle, None)

    # ---- receiving ---------------------------------------------------------------------------------------

    def _receive(self, timeout_s: float | None) -> None:
        """Receive once and deal with what is complete; the receiving lock is held."""
        try:
            self._channel.receive(timeout_s)
        except ReadError as error:
            self.lose(error)
            return
        try:
            self._deal_with_arrived(self._channel.reader)
        except ProtocolError as error:
            self.lose(error)
        except BaseException:
            self.cut()
            raise

    def _deal_with_arrived(self, reader: FrameReader) -> None:
        if reader.payload_missing:
            return
        if self._unfinished is not None:
            message, self._unfinished = self._unfinished, None
            self._deal(message)
        while (body := reader.next_body()) is not None:
            message = self._conversation.receive(body, reader.payload_bytes)
            if type(message) in WITH_PAYLOAD:
                self._place_payload(message, reader)
                if reader.payload_missing:
                    self._unfinished = message
                    return
            self._deal(message)

    def _place_payload(self, message: m.Message, reader: FrameReader) -> None:
        """Say where a message's payload goes: to whom it was promised, or nowhere."""
        size = reader.payload_bytes
        assert isinstance(message, (m.Data, m.Binaries))
        pending = self.answers.get(message.command)
        if isinstance(pending, PendingRead):
            if size != pending.into.nbytes:
                raise RemoteProtocolError(
                    f"a read of {pending.into.nbytes} bytes was answered with {size} bytes"
                )
            if size:
                reader.payload_into(pending.into)
        elif pending is not None and isinstance(message, m.Binaries):
            if size > BINARIES_LIMIT_BYTES or sum(message.sizes) != size or any(n < 0 for n in message.sizes):
                raise RemoteProtocolError(
                    f"{len(message.sizes)} binaries came with a payload of {size} bytes"
                )
            pending.content = memoryview(bytearray(size))
            if size:
                reader.payload_into(pending.content)
        elif size:
            reader.discard_payload()

    def _deal(self, message: m.Message) -> None:
        """Hand a whole message to whom it belongs."""
        if isinstance(message, m.EventDone):
            watched = self.events.get(message.event)
            if watched is not None:
                watched.done = message
                if watched.is_released:
                    self.events.pop(message.event, None)
                if watched.is_listened:
                    self._listener.came(watched)
        elif isinstance(message, (m.Refused, m.SessionEnding)):
            self.settle(refusal(message))
        else:
            pending = self.answers.pop(message.command, None)  # type: ignore[attr-defined]  # an answer
            if pending is not None:
                pending.answer = message  # type: ignore[assignment]  # likewise
                if pending.is_listened:
                    self._listener.came(pending)
        if self._waiters:
            self._tell_waiters()

    # ---- the end -----------------------------------------------------------------------------------------

    def raise_end(self) -> NoReturn:
        """Raise why the session is over; waits for the thread that has just received it.

        Raises:
            ProblemError: `SessionLost`, or how its lease ended.
        """
        if self.end is None:
            with self._receiving:
                assert self.end is not None, "a conversation was closed by neither side"
        raise self.end.with_traceback(None)  # else each raise adds to the traceback, and keeps its frames

    def settle(self, end: ProblemError, cause: AccelpoolError | None = None) -> None:
        """Note why the session is over, unless that is known, and wake all who wait."""
        with self._ending:
            if self.end is None:
                end.__cause__ = cause
                self.end = end
        self._channel.shut_down()
        self._tell_waiters()
        self._listener.end()

    def lose(self, error: AccelpoolError) -> None:
        """The connection is of no further use: find out why, unless the session is over anyway."""
        if self.end is None:
            self.settle(self._ask_why(error), error)

    def drain(self, error: WriteError) -> None:
        """The other side takes no more: read what it said before it went, perhaps why."""
        try:
            self.wait_until(lambda: self.end is not None, DRAIN_S)
        except (ProblemError, Timeout):
            self.lose(error)

    def cut(self) -> None:
        """The session cannot go on: this side was interrupted in the middle of a frame."""
        self.settle(SessionLost("the session ended: its client was interrupted in the middle of a message"))

    def close(self) -> None:
        """Close the channel once no thread receives from it; the session is over already."""
        with self._receiving:
            self._channel.close()
        self._tell_waiters()

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: close its copy of the channel, and let every wait end with `reason`."""
        self._receiving, self._ending = threading.Lock(), threading.Lock()
        self._news = threading.Condition()
        self._waiters = 0
        self._listener = Listener(self)
        self.end = self.end or reason
        self._channel.close()
