"""The link to the broker: registered, reporting at every change, long-polling for news.

Two calls are under way at most: a long-poll, and a report when something has changed. The broker being away
changes nothing on the node: sessions go on, and all is told when it is back.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from accelpool_node.agent.background import call_in_thread
from accelpool_node.agent.contract import Registered, Registration, Report, Work
from accelpool_wire.errors import (
    AccelpoolError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
    Unavailable,
)
from accelpool_wire.logs import of_error

log = logging.getLogger(__name__)

POLL_S = 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0
QUICK_POLL_S = 0.05
FAREWELL_S = 5.0  # a broker that is there answers at once, unless it is busy
FINAL = (Unauthorized, Forbidden, Invalid)


class BrokerCalls(Protocol):
    """What the link needs of a broker; see `broker.Broker`."""

    def register(self, registration: Registration) -> Registered:
        """Register the node."""
        ...

    def reconcile(self, report: Report) -> Work:
        """Report, and return what should run."""
        ...


class Freshness:
    """Tells the broker's newest word from one that a newer one has overtaken.

    Attributes:
        revision: Of the newest word; None before the first.
    """

    def __init__(self) -> None:
        self.revision: int | None = None
        self._answered_at = 0.0

    def take(self, revision: int, *, asked_at: float, answered_at: float) -> bool:
        """Whether an answer is to be used: not if it was under way together with one of a higher revision."""
        if self.revision is not None and revision < self.revision and asked_at < self._answered_at:
            return False
        self.revision, self._answered_at = revision, answered_at
        return True


class BrokerLink:
    """Keeps broker and node of one mind.

    Args:
        connect: Returns a new connection to the broker.
        registration: What the node is now.
        report: Returns what runs now; called with the seen revision and the time to wait.
        on_registered: Called with the broker's answer to a registration.
        on_heard: Called with a report that the broker has heard.
        on_work: Called with what should run, and when (monotonic) that was asked.

    Attributes:
        heard_at: When the broker answered a report last, in seconds since the Unix epoch; until then, when
            this was made.
    """

    def __init__(
        self,
        connect: Callable[[], BrokerCalls],
        *,
        registration: Callable[[], Registration],
        report: Callable[[int | None, float], Report],
        on_registered: Callable[[Registered], None],
        on_heard: Callable[[Report], None],
        on_work: Callable[[Work, float], None],
    ) -> None:
        self.heard_at = time.time()
        self._polling = connect()
        self._reporting = connect()
        self._registration = registration
        self._report = report
        self._on_registered = on_registered
        self._on_heard = on_heard
        self._on_work = on_work
        self._changed = asyncio.Event()
        self._heard = asyncio.Condition()
        self._heard_of = -math.inf
        self._freshness = Freshness()
        self._registering = asyncio.Lock()
        self._registrations = 0
        self._poll_s = POLL_S

    async def start(self) -> None:
        """Register and hear the first word, however long the broker is away.

        Raises:
            Unauthorized, Forbidden, Invalid: The broker refuses the node for good.
        """
        await self._persist(lambda: self._register(self._reporting, 0))
        await self._persist(lambda: self._exchange(self._reporting, 0.0))

    async def run(self) -> None:
        """Report and listen, until cancelled."""
        await asyncio.gather(self._report_changes(), self._listen())

    async def ask(self, limit_s: float) -> None:
        """Have the broker's word on all that was so before this call: a whole question and answer.

        Raises:
            Unavailable: It does not answer in time.
        """
        since = time.monotonic()
        self._changed.set()
        try:
            async with asyncio.timeout(limit_s), self._heard:
                await self._heard.wait_for(lambda: self._heard_of >= since)
        except TimeoutError:
            raise Unavailable(f"the broker, which has to be asked, did not answer in {limit_s:g} s") from None

    def changed(self) -> None:
        """Have the broker told at once that something is different."""
        self._changed.set()

    async def say_farewell(self, report: Report) -> None:
        """Tell the broker the last word, if it answers soon."""
        try:
            async with asyncio.timeout(FAREWELL_S):
                await call_in_thread(lambda: self._reporting.reconcile(report))
        except (AccelpoolError, TimeoutError) as error:
            log.warning("the broker was not told of the shutdown: %s", error, extra=of_error(error))

    async def _report_changes(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._persist(lambda: self._exchange(self._reporting, 0.0))

    async def _listen(self) -> None:
        while True:
            began_at = time.monotonic()
            await self._persist(lambda: self._exchange(self._polling, self._poll_s))
            if time.monotonic() - began_at < QUICK_POLL_S:
                await asyncio.sleep(QUICK_POLL_S)  # a broker that does not wait must not make this loop spin

    async def _exchange(self, broker: BrokerCalls, wait_s: float) -> None:
        """Report once and take the answer; register again if the broker has forgotten the node."""
        asked_at, registrations = time.monotonic(), self._registrations
        report = self._report(self._freshness.revision, wait_s)
        try:
            work = await call_in_thread(lambda: broker.reconcile(report))
        except (Conflict, NotFound) as error:
            log.warning("registering again: %s", error, extra=of_error(error))
            await self._register(broker, registrations)
            raise
        self.heard_at = time.time()
        self._on_heard(report)
        if self._freshness.take(work.revision, asked_at=asked_at, answered_at=time.monotonic()):
            self._on_work(work, asked_at)
        async with self._heard:
            self._heard_of = max(self._heard_of, asked_at)
            self._heard.notify_all()

    async def _register(self, broker: BrokerCalls, seen: int) -> None:
        """Register, unless that has been done since `seen` registrations."""
        async with self._registering:
            if self._registrations > seen:
                return
            registration = self._registration()
            registered = await call_in_thread(lambda: broker.register(registration))
            self._registrations += 1
            self._freshness = Freshness()
            self._poll_s = min(POLL_S, registered.heartbeat_s)
            self._on_registered(registered)

    async def _persist(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Try until it works, with growing pauses; the first registration may be refused for good."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await attempt()
                break
            except AccelpoolError as error:
                if not self._registrations and isinstance(error, FINAL):
                    raise
                level = logging.WARNING if pause_s == FIRST_PAUSE_S else logging.DEBUG
                log.log(level, "%s", error, extra=of_error(error))
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        if pause_s > FIRST_PAUSE_S:
            log.info("the broker answers again")
