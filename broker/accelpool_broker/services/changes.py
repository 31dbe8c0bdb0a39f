"""Changes of the pool's state: many at once are committed together.

    change ─┐
    change ─┼─▶ one transaction: each change, then what the scheduler makes of them all ─▶ commit ─▶ answers
    change ─┘

A transaction costs as much as several changes, and so does a look of the scheduler: a change that comes while
another is about to commit joins it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass, field
from typing import Any

from accelpool_broker.models import Lease, LeaseState
from accelpool_broker.news import News
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import Ending
from accelpool_broker.services.audit_entry import entry
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.happenings import events_of
from accelpool_broker.services.picture import Picture
from accelpool_broker.turns import Turns
from accelpool_wire.errors import Unavailable

MOST_TOGETHER = 32
TURN_S = 30.0
HANDOVER_S = 0.5


@dataclass(kw_only=True)
class Change:
    """A change under way: its transaction, its instant, and what it touched.

    Attributes:
        before: The pool as it was before what was changed since it was last looked at.
        leases: Ids of leases that changed state: those who wait for them are woken.
        ended: Ids of leases that ended.
        granted: Leases that were granted.
        endings: In which state leases and requests ended, and why.
        nodes: Names of nodes that should run something else now.
        accounts: Whether accounts or tokens changed.
        notes: What the audit log is told of it.
        events: What it made happen, as far as the pool was looked at.
        needs_scheduling: Whether devices or requests came or went.
        wake_at: When the timer should look next.
    """

    tx: Transaction
    before: Picture
    now: float
    leases: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    granted: list[Lease] = field(default_factory=list)
    endings: list[tuple[LeaseState, Ending]] = field(default_factory=list)
    nodes: set[str] = field(default_factory=set)
    accounts: bool = False
    notes: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    needs_scheduling: bool = False
    wake_at: float | None = None

    def picture(self) -> Picture:
        """Return the pool as it is with all that was changed so far."""
        written, removed = self.tx.take_sent()
        after = self.before.after(written, removed)
        self.events += events_of(self.before, after, written, self.now)
        self.before = after
        return after

    def note(self, caller: Caller, object: str) -> None:
        """Have the audit log say that a caller has done this to something, given by its path."""
        self.notes.append(entry(caller, object, self.now))

    def take(self, other: Change) -> None:
        """Add another change to this one."""
        self.before = other.picture()
        self.leases |= other.leases
        self.ended |= other.ended
        self.granted += other.granted
        self.endings += other.endings
        self.nodes |= other.nodes
        self.accounts |= other.accounts
        self.notes += other.notes
        self.events += other.events
        self.needs_scheduling |= other.needs_scheduling
        self.wake_at = min((at for at in (self.wake_at, other.wake_at) if at is not None), default=None)

    def news(self) -> News:
        """Return what those who wait are told of it."""
        return News(
            leases=frozenset(self.leases),
            ended=frozenset(self.ended),
            nodes=frozenset(self.nodes),
            accounts=self.accounts,
            events=bool(self.events),
            wake_at=self.wake_at,
        )


class _Batch:
    """Changes that commit together, or fail together."""

    def __init__(self, opened: AbstractContextManager[Change]) -> None:
        self._open = ExitStack()
        self.whole = self._open.enter_context(opened)
        self.size = 0
        self.error: BaseException | None = None
        self._is_over = threading.Event()

    @contextmanager
    def part(self, now: float) -> Iterator[Change]:
        """Give one more change to make: if it fails, those before it stay."""
        change = Change(tx=self.whole.tx, before=self.whole.before, now=now)
        with nullcontext() if self.size == 0 else self.whole.tx.part():
            yield change
            self.whole.take(change)
        self.size += 1

    def commit(self) -> None:
        """Commit all changes, with their consequences."""
        try:
            self._open.close()
        except BaseException as error:
            self.error = error

    def give_up(self, error: BaseException) -> None:
        """Undo all changes, because of an error; the database's are translated."""
        self.error = error
        try:
            self._open.__exit__(type(error), error, error.__traceback__)
        except BaseException as translated:
            self.error = translated

    def answer(self) -> None:
        """Let those go on who made its changes."""
        self._is_over.set()

    def is_over(self, wait_s: float) -> bool:
        """Return whether it was committed or given up, after a wait."""
        return self._is_over.wait(wait_s)


class Changes:
    """The line of those who want to change something.

    Args:
        begin: Gives the change of a whole transaction; at its end it is committed, with its consequences.
        now: The clock.
        tell: Called with each change that was committed, before those who made it go on.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], AbstractContextManager[Change]],
        now: Callable[[], float],
        tell: Callable[[Change], None],
    ) -> None:
        self._begin, self._now, self._tell = begin, now, tell
        self._turns = Turns()
        self._batch: _Batch | None = None
        self._outages = 0
        self._outage: Unavailable | None = None

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Give a change to make, which is committed after the block, perhaps with those of others.

        Raises:
            Unavailable: The database does not answer: nothing was changed.
        """
        finished: list[_Batch] = []
        try:
            with self._my_turn():
                self._batch = batch = self._batch or self._new_batch()
                has_failed = True
                try:
                    with batch.part(self._now()) as change:
                        yield change
                    has_failed = False
                except BaseException as error:
                    if batch.size == 0 or isinstance(error, Unavailable):
                        batch.give_up(error)
                    raise batch.error or error from None
                finally:
                    is_full = batch.size >= MOST_TOGETHER
                    if has_failed or is_full or not self._turns.is_wanted:
                        finished.append(self._finish())
        finally:
            self._answer(finished)
        while not batch.is_over(HANDOVER_S):  # who was to go on with it has given up
            last: list[_Batch] = []
            with suppress(Unavailable), self._my_turn():
                last += [self._finish()] if self._batch is batch else []
            self._answer(last)
        if batch.error is not None:
            raise copy(batch.error) from batch.error
        change.wake_at = batch.whole.wake_at

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        outages = self._outages
        if not self._turns.take(TURN_S):
            raise Unavailable("the broker's database is slow: others wait to write")
        try:
            if outages != self._outages and self._outage is not None:  # each would wait as long for it
                raise copy(self._outage)
            yield
        finally:
            self._turns.give()

    def _new_batch(self) -> _Batch:
        try:
            return _Batch(self._begin())
        except Unavailable as error:
            self._outages, self._outage = self._outages + 1, error
            raise

    def _finish(self) -> _Batch:
        """Commit the batch, if it was not given up: the next change begins another."""
        batch, self._batch = self._batch, None
        assert batch is not None
        if batch.error is None:
            batch.commit()
        return batch

    def _answer(self, batches: Iterable[_Batch]) -> None:
        for batch in batches:
            try:
                if batch.error is None:
                    self._tell(batch.whole)
            finally:
                batch.answer()
