"""Deliveries from other nodes and the regions that await them: whichever comes first waits, for a while.

A delivery is told by its ticket, which only the client and those it told know. Tickets are compared in
constant time, a used one is forgotten, and a delivery that nobody awaits learns nothing but that.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from accelpool_node.control import NOBODY_AWAITS
from accelpool_node.worker.peer_line import PeerLine
from accelpool_node.worker.peer_regions import PeerRegion
from accelpool_wire.errors import NotFound

MAX_WAITING = 64  # deliveries that nobody awaits yet


@dataclass(frozen=True, kw_only=True, eq=False)
class Arrival:
    """A delivery that has been announced: its payload is held back."""

    ticket: bytes
    size: int
    line: PeerLine
    deadline: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Reception:
    """A region that awaits the delivery of a ticket."""

    ticket: bytes
    region: PeerRegion
    deadline: float


AnyOne = TypeVar("AnyOne", Arrival, Reception)


class Arrivals:
    """Brings deliveries and regions together.

    Args:
        patience_s: How long either waits for the other.
        start: Called with a region and the delivery for it; must not block.
        give_up: Called with a region whose delivery has not come.
    """

    def __init__(
        self,
        patience_s: float,
        start: Callable[[PeerRegion, Arrival], None],
        give_up: Callable[[PeerRegion], None],
    ) -> None:
        self._patience_s = patience_s
        self._start = start
        self._give_up = give_up
        self._changed = threading.Condition()
        self._receptions: deque[Reception] = deque()
        self._waiting: deque[Arrival] = deque()
        self._clock: threading.Thread | None = None

    def is_known(self, ticket: bytes) -> bool:
        """Whether a region awaits this ticket already."""
        with self._changed:
            return _find(self._receptions, ticket) is not None

    def expect(self, ticket: bytes, region: PeerRegion) -> None:
        """Have a region await the delivery of a ticket."""
        with self._changed:
            arrival = _find(self._waiting, ticket)
            if arrival is None:
                deadline = time.monotonic() + self._patience_s
                self._receptions.append(Reception(ticket=ticket, region=region, deadline=deadline))
                self._wind_up()
                return
            self._waiting.remove(arrival)
        self._start(region, arrival)

    def announce(self, ticket: bytes, size: int, line: PeerLine) -> None:
        """Have a delivery wait for the region of its ticket; of too many the oldest goes first."""
        deadline = time.monotonic() + self._patience_s
        arrival = Arrival(ticket=ticket, size=size, line=line, deadline=deadline)
        surplus = None
        with self._changed:
            reception = _find(self._receptions, ticket)
            if reception is None:
                if len(self._waiting) >= MAX_WAITING:
                    surplus = self._waiting.popleft()
                self._waiting.append(arrival)
                self._wind_up()
            else:
                self._receptions.remove(reception)
        if surplus is not None:
            _turn_away(surplus)
        if reception is not None:
            self._start(reception.region, arrival)

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
            for arrival in arrivals:
                _turn_away(arrival)
            for reception in receptions:
                self._give_up(reception.region)

    def _left_s(self) -> float | None:
        """Return when the clock has something to do; None if there is nothing."""
        firsts = [one[0].deadline for one in (self._receptions, self._waiting) if one]
        return min(firsts) - time.monotonic() if firsts else None


def _find(among: deque[AnyOne], ticket: bytes) -> AnyOne | None:
    return next((one for one in among if hmac.compare_digest(one.ticket, ticket)), None)


def _pop_late(among: deque[AnyOne]) -> list[AnyOne]:
    """Take out what is past its deadline; deadlines are in order."""
    now, late = time.monotonic(), []
    while among and among[0].deadline <= now:
        late.append(among.popleft())
    return late


def _turn_away(arrival: Arrival) -> None:
    with arrival.line:
        arrival.line.refuse(NotFound.type, NOBODY_AWAITS)
