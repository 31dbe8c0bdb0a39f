"""One connection to the eye, several behind it: what the router decides is performed here.

Decisions are made one at a time, under one lock. Before that is given up, the locks of the parts concerned
are taken: so each part gets its messages in the order of the decisions, and a large write to one part delays
nobody who talks to the others.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

from accelpool.errors import AccelpoolError, ProblemError
from accelpool.records import EndpointRecord
from accelpool.spanning.asks import Asks
from accelpool.spanning.parts import Part, SpanningRead, SpanningStats, least
from accelpool.spanning.programs import in_order
from accelpool.spanning.records import Action, Bridge, Bulk, Site, Watch
from accelpool.spanning.router import Router
from accelpool_wire import messages as m
from accelpool_wire.client import AnyRead, Connection
from accelpool_wire.pending import PendingRead

AnyReply = TypeVar("AnyReply", bound=m.Message)
Handles = list[tuple[int, int]]  # each with the part that has it

TICKET_BYTES = 32


class SpanningConnection:
    """The connections of one lease, to be used as one. Safe to use from several threads.

    Args:
        parts: The connections, one for each endpoint; the session's devices are theirs, one after the other.
        new_ticket: Makes secrets that authorise one migration each.

    Attributes:
        devices: The devices of all parts.
        features: None: what there is needs one node.
        limits: What every worker accepts at most.
        stats: What all of it has cost so far.
        session: The sessions' ids.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        new_ticket: Callable[[], bytes] = lambda: secrets.token_bytes(TICKET_BYTES),
    ) -> None:
        self._parts = list(parts)
        self._deciding = threading.Lock()
        self._handles = itertools.count(1)
        self._released: deque[int] = deque()
        self._bridged: deque[int] = deque()  # events whose end was passed on
        self._router = Router(
            [Site(part.host, part.port, part.connection.session) for part in parts],
            [len(part.connection.devices) for part in parts],
            self.new_handle,
            self._ending,
            new_ticket,
        )
        self._asks = Asks(self._router, len(self._parts))
        self.devices: list[m.Device] = [device for part in parts for device in part.connection.devices]
        self.session: str = "+".join(part.connection.session for part in parts)
        self.features: frozenset[str] = frozenset()
        self.limits: m.Limits = least([part.connection.limits for part in parts])
        self.stats: SpanningStats = SpanningStats(self._parts, self._router.commands)

    @property
    def is_open(self) -> bool:
        """Whether all sessions can still be used, as far as is known without asking."""
        return all(part.connection.is_open for part in self._parts)

    def new_handle(self) -> int:
        """Return a handle that none of the sessions has used."""
        return next(self._handles)

    def release(self, handle: int) -> None:
        """Give a handle back with one of the next messages. Never blocks; fit for `__del__`."""
        self._released.append(handle)

    # ---- commands ----------------------------------------------------------------------------------------

    def post(self, message: m.Message, payload: Bulk | None = None) -> int:
        """Send a command to whom it concerns, with all that it takes, and await nothing.

        Returns:
            0: the numbers of commands are each session's own.

        Raises:
            LogicError: INVALID_OPERATION: it is not possible over several nodes, and why.
            SessionLost: A session that it concerns ended: which node's.
        """
        self._perform(message, payload)
        return 0

    def ask(self, message: m.Message, answer: type[AnyReply], timeout_s: float | None = None) -> AnyReply:
        """Send a synchronous command to whom it concerns and return the answer.

        Raises:
            Error: OpenCL's error, of this command or of an earlier posted one that surfaces here.
            SessionLost: A session that it concerns ended: which node's.
        """
        self.flush()  # what is awaited in one part may wait for another
        with self._deciding:
            asked = self._asks.ask(message)
        answers: dict[int, m.Message] = {}
        for number, each in asked.messages.items():
            part = self._parts[number]
            with part.named():
                answers[number] = part.connection.ask(each, answer, timeout_s)
        with self._deciding:
            return cast(AnyReply, asked.together(answers))

    def read(self, message: AnyRead, into: memoryview) -> PendingRead:
        """Start a read whose bytes go straight to their place."""
        pending = self._perform(message, None, into)
        assert pending is not None
        return pending

    def fetch_binaries(self, program: int) -> list[bytes]:
        """Return a built program's binaries, one per device of it."""
        with self._deciding:
            record = self._router.program(program)
            local = self._router.local(record.devices)
            order = self._router.parts_of_places(record.devices)
        found: dict[int, list[bytes]] = {}
        for number in local:
            part = self._parts[number]
            with part.named():
                found[number] = part.connection.fetch_binaries(program)
        return in_order(found, order, b"")

    # ---- events ------------------------------------------------------------------------------------------

    def watch(self, events: Iterable[int]) -> None:
        """Ask to be told when events are complete, without waiting."""
        for number, watched in self._by_part(events).items():
            part = self._parts[number]
            with part.named():
                part.connection.watch(watched)

    def wait_events(self, events: Iterable[int], timeout_s: float | None = None) -> list[m.EventDone]:
        """Wait until all events are complete or failed, and return how each ended.

        Raises:
            SessionLost: A session that has one of them ended: which node's.
        """
        handles = list(events)
        by_part = self._by_part(handles)
        self.flush()
        done: dict[int, m.EventDone] = {}
        for number, awaited in by_part.items():
            part = self._parts[number]
            with part.named():
                ended = part.connection.wait_events(awaited, timeout_s)
            done.update(zip(awaited, ended, strict=True))
        return [done[event] for event in handles]

    def _by_part(self, events: Iterable[int]) -> dict[int, list[int]]:
        by_part: dict[int, list[int]] = {}
        with self._deciding:
            for event in events:
                by_part.setdefault(self._router.part_of_event(event), []).append(event)
        return by_part

    def event_state(self, event: int) -> m.EventDone | None:
        """Return how an event ended if that is known here, without asking."""
        return self._parts[self._router.part_of_event(event)].connection.event_state(event)

    def on_event_done(self, event: int, callback: Callable[[m.EventDone], None]) -> None:
        """Call `callback` from a thread of its own once the event is complete or failed."""
        self._parts[self._router.part_of_event(event)].connection.on_event_done(event, callback)

    @property
    def can_send(self) -> bool:
        """Whether a small message would leave at once: nobody decides or sends, and there is room."""
        return not self._deciding.locked() and all(part.connection.can_send for part in self._parts)

    def tell(self, event: int, callback: Callable[[], None]) -> Callable[[], None]:
        """Have a function called once the event is complete or failed, or its session is over."""
        with self._deciding:
            part = self._parts[self._router.part_of_event(event)]
        self.flush()
        with part.named():
            return part.connection.tell(event, callback)

    def _ending(self, part: int, event: int) -> int | None:
        connection = self._parts[part].connection
        if connection.event_state(event) is None:
            connection.hear()
        done = connection.event_state(event)
        return None if done is None else min(done.status, 0)

    # ---- the end -----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is gathered, to all: what is waited for in one part may wait for another."""
        for part in self._parts:
            part.connection.flush()

    def close(self) -> None:
        """End all sessions and everything in them. Closing twice is closing once."""
        for part in self._parts:
            part.connection.close()

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: leave the sessions to the other process."""
        self._deciding = threading.Lock()
        for part in self._parts:
            part.lock = threading.Lock()
            part.connection.abandon(reason)

    # ---- performing --------------------------------------------------------------------------------------

    def _perform(
        self, message: m.Message, payload: Bulk | None, into: memoryview | None = None
    ) -> SpanningRead | None:
        """Decide, then send; return the read, if the message is one."""
        actions: list[Action] = []
        held: list[threading.Lock] = []
        sent, read = 0, None
        try:
            with self._deciding:
                given, actions, freed = self._decide(message, payload)
                concerned = {action.part for action in actions} | {part for part, _ in given + freed}
                for number in sorted(concerned):
                    self._parts[number].lock.acquire()
                    held.append(self._parts[number].lock)
            for number, handle in given:  # with what others decided sent: it may have named them
                self._parts[number].connection.release(handle)
            for action in actions:
                read = self._act(action, into)
                sent += 1
            for number, handle in freed:
                self._parts[number].connection.release(handle)
        finally:
            for lock in held:
                lock.release()
            if sent < len(actions):
                self._undo(actions[sent:])
        return read

    def _decide(self, message: m.Message, payload: Bulk | None) -> tuple[Handles, list[Action], Handles]:
        """Return the handles that nobody needs any more, what to do, and those that nobody needs then."""
        self._let_go()
        given = len(self._router.events.freed)
        actions = self._router.route(message, payload)
        freed, self._router.events.freed = self._router.events.freed, []
        return freed[:given], actions, freed[given:]

    def _act(self, action: Action, into: memoryview | None) -> SpanningRead | None:
        part = self._parts[action.part]
        with part.named():
            if isinstance(action, Bridge):
                self._bridge(part, action)
            elif isinstance(action, Watch):
                part.connection.watch([action.event])
            elif into is not None and isinstance(action.message, AnyRead):
                return SpanningRead(part, part.connection.read(action.message, into), self.flush)
            else:
                part.connection.post(action.message, action.payload)
        return None

    def _bridge(self, source: Part, bridge: Bridge) -> None:
        """Have an event's end passed on to the part that waits for it."""
        target = self._parts[bridge.target].connection

        def pass_on(done: m.EventDone) -> None:
            with contextlib.suppress(AccelpoolError):  # that session is over: nobody waits there
                target.post(m.SetUserEventStatus(bridge.event, min(done.status, 0)))
                target.flush()
            self._bridged.append(bridge.event)

        source.connection.on_event_done(bridge.event, pass_on)

    def _undo(self, actions: Sequence[Action]) -> None:
        with self._deciding:
            for action in reversed(actions):
                if action.undo is not None:
                    action.undo()

    def _let_go(self) -> None:
        """Take into account what was released since the last decision."""
        while self._bridged:
            self._router.events.unpin(self._bridged.popleft())
        while self._released:
            self._router.let_go([self._released.popleft()])


def spanning(endpoints: Sequence[EndpointRecord], connections: Sequence[Connection]) -> SpanningConnection:
    """Return the connections to a lease's endpoints as one."""
    nodes = [endpoint.node for endpoint in endpoints]
    return SpanningConnection(
        [
            Part(
                node=f"{each.node} ({each.environment})" if nodes.count(each.node) > 1 else each.node,
                host=each.host,
                port=each.port,
                connection=connection,
            )
            for each, connection in zip(endpoints, connections, strict=True)
        ]
    )
