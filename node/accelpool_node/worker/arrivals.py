"""Deliveries from other nodes and the regions that await them: whichever comes first waits, for a while.

A delivery is told by its ticket, which only the client and those it told know. Tickets are looked up by keyed
hashes, so that how long it takes tells nothing of them; a used one is forgotten, and a delivery that nobody
awaits learns nothing but that. The region of one that was turned away does not wait for another.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from accelpool_node.control import NOBODY_AWAITS
from accelpool_node.worker.peer_line import PeerLine
from accelpool_node.worker.peer_regions import PeerRegion
from accelpool_wire.errors import NotFound

MAX_WAITING = 2048  # deliveries that nobody awaits yet: nodes take their messages at different speeds
MAX_TURNED_AWAY = 4096  # deliveries of which is kept that they were
KEY_BYTES = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrival:
    """A delivery that has been announced: its payload is held back."""

    size: int
    line: PeerLine
    deadline: float

    def turn_away(self) -> None:
        """Tell the other node that nobody awaits it; may block for a moment."""
        with self.line:
            self.line.refuse(NotFound.type, NOBODY_AWAITS)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reception:
    """A region that awaits the delivery of a ticket."""

    region: PeerRegion
    deadline: float


AnyOne = TypeVar("AnyOne", Arrival, Reception)


class Arrivals:
    """Brings deliveries and regions together.

    Args:
        patience_s: How long either waits for the other.
        start: Called with a region and the delivery for it; must not block.
        give_up: Called with a region whose delivery has not come, and why not.
        turn_away: Called with a delivery that nobody awaits; must not block.
    """

    def __init__(
        self,
        patience_s: float,
        start: Callable[[PeerRegion, Arrival], None],
        give_up: Callable[[PeerRegion, str], None],
        turn_away: Callable[[Arrival], None] = Arrival.turn_away,
    ) -> None:
        self._patience_s = patience_s
        self._start = start
        self._give_up = give_up
        self._turn_away = turn_away
        self._key = secrets.token_bytes(KEY_BYTES)
        self._changed = threading.Condition()
        self._receptions: dict[bytes, Reception] = {}  # these by their tickets' hashes, oldest first
        self._waiting: dict[bytes, Arrival] = {}
        self._turned_away: dict[bytes, None] = {}
        self._clock: threading.Thread | None = None

    def is_known(self, ticket: bytes) -> bool:
        """Whether a region awaits this ticket already."""
        with self._changed:
            return self._hash(ticket) in self._receptions

    def expect(self, ticket: bytes, region: PeerRegion) -> None:
        """Have a region await the delivery of a ticket."""
        name = self._hash(ticket)
        with self._changed:
            arrival = self._waiting.pop(name, None)
            is_turned_away = name in self._turned_away
            self._turned_away.pop(name, None)
            if arrival is None and not is_turned_away:
                deadline = time.monotonic() + self._patience_s
                self._receptions[name] = Reception(region=region, deadline=deadline)
                self._wind_up()
                return
        if arrival is None:
            self._give_up(region, "its delivery was turned away: too many waited, or it for too long")
        else:
            self._start(region, arrival)

    def announce(self, ticket: bytes, size: int, line: PeerLine) -> None:
        """Have a delivery wait for the region of its ticket; of too many the oldest goes first."""
        name = self._hash(ticket)
        arrival = Arrival(size=size, line=line, deadline=time.monotonic() + self._patience_s)
        surplus = None
        with self._changed:
            reception = self._receptions.pop(name, None)
            if reception is None:
                surplus = self._waiting.pop(name, None)
                if len(self._waiting) >= MAX_WAITING:
                    oldest = next(iter(self._waiting))
                    surplus = self._waiting.pop(oldest)
                    self._note_turned_away(oldest)
                self._waiting[name] = arrival
                self._wind_up()
        if surplus is not None:
            self._turn_away(surplus)
        if reception is not None:
            self._start(reception.region, arrival)

    def _hash(self, ticket: bytes) -> bytes:
        return hashlib.blake2b(ticket, key=self._key).digest()

    def _note_turned_away(self, name: bytes) -> None:
        if len(self._turned_away) >= MAX_TURNED_AWAY:
            del self._turned_away[next(iter(self._turned_away))]
        self._turned_away[name] = None

    def _wind_up(self) -> None:
        """Have the clock run, and look at what is new."""
        if self._clock is None:
            self._clock = threading.Thread(target=self._run_clock, name="arrivals", daemon=True)
            self._clock.start()
        self._changed.notify()

    def _run_clock(self) -> None:
        """Give up what has waited for too long, for the session's whole life."""
        while True:
            with self._changed:
                left_s = self._left_s()
                while left_s is None or left_s > 0:
                    self._changed.wait(left_s)
                    left_s = self._left_s()
                receptions, arrivals = _pop_late(self._receptions), _pop_late(self._waiting)
                for name in arrivals:
                    self._note_turned_away(name)
            for arrival in arrivals.values():
                self._turn_away(arrival)
            for reception in receptions.values():
                self._give_up(
                    reception.region, f"no delivery of its ticket came within {self._patience_s:g} s"
                )

    def _left_s(self) -> float | None:
        """Return when the clock has something to do; None if there is nothing."""
        firsts = [*_first_deadline(self._receptions), *_first_deadline(self._waiting)]
        return min(firsts) - time.monotonic() if firsts else None


def _first_deadline(among: Mapping[bytes, Arrival | Reception]) -> list[float]:
    """Return the first deadline, if there is one."""
    return [one.deadline for one in itertools.islice(among.values(), 1)]


def _pop_late(among: dict[bytes, AnyOne]) -> dict[bytes, AnyOne]:
    """Take out what is past its deadline; deadlines are in order."""
    now, late = time.monotonic(), {}
    while among and (name := next(iter(among))) and among[name].deadline <= now:
        late[name] = among.pop(name)
    return late
