"""Events: what happened in the pool, read page by page or followed as it happens.

Those who change the pool take turns, over all brokers of a database, and number their events within their
turn: when a number can be seen, all lower ones can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from accelpool_broker.followers import Follower
from accelpool_broker.models import EventKind, PoolEvent, Scope
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import EventsGone, Forbidden, ProblemError

KEEPALIVE_S = 15.0
PAUSE_S = 0.2  # between looks of one who follows: what happens meanwhile is read together
AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which events are wanted; None for whatever they are.

    Attributes:
        kinds: Of one of these kinds.
        lease: Of this lease.
        node: Of this node, or of its devices.
    """

    kinds: tuple[EventKind, ...] | None = None
    lease: str | None = None
    node: str | None = None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one who follows has seen.

    Attributes:
        events: The new ones, oldest first; none if there are none for him.
        newest: Up to which number he has seen all.
    """

    events: Sequence[PoolEvent]
    newest: int


class Events:
    """The events of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def page(
        self, caller: Caller, wanted: Wanted, *, before: int | None, after: int | None, limit: int
    ) -> Sequence[PoolEvent]:
        """Return those events that the caller may see: oldest first after a number, else newest first.

        Raises:
            EventsGone: Events after that number are no longer kept.
            Forbidden: The caller may see none at all.
        """
        with self._pool.store.read() as tx:
            if after is not None:
                _check_kept(tx, after)
            return _read(tx, caller, wanted, before=before, after=after, limit=limit)

    def follow(
        self, identify: Callable[[], Caller], wanted: Wanted, *, after: int | None
    ) -> tuple[Iterator[Seen], Callable[[], None]]:
        """Return what happens, as it happens, and what ends that.

        At once, after each change and every `KEEPALIVE_S` it is said what is new.

        Args:
            identify: Tells who follows; asked each time, since tokens are revoked and expire.
            wanted: Which events are wanted.
            after: The number of the last event that was seen; None begins with what happens from now on.

        Raises:
            EventsGone: Events after that number are no longer kept.
            Forbidden: The caller may see none at all.
            Unavailable: Too many follow already.
        """
        with ExitStack() as opening:
            caller = identify()
            follower = opening.enter_context(self._pool.followers.one(caller.account))
            with self._pool.store.read() as tx:
                _read(tx, caller, wanted, limit=0)
                if after is None:
                    _, after = tx.event_numbers()
                _check_kept(tx, after)
            end = opening.pop_all().close
        return self._seen(follower, identify, wanted, after), end

    def _seen(
        self, follower: Follower, identify: Callable[[], Caller], wanted: Wanted, after: int
    ) -> Iterator[Seen]:
        while True:
            try:
                seen = self._look(identify(), wanted, after)
            except ProblemError:  # he may not any more, or the database is away: he may ask again
                return
            yield seen
            after = seen.newest
            if seen.events and not follower.rest(PAUSE_S):
                return
            if len(seen.events) < AT_ONCE and not follower.wait(KEEPALIVE_S):
                return

    def _look(self, caller: Caller, wanted: Wanted, after: int) -> Seen:
        with self._pool.store.read() as tx:
            _, newest = tx.event_numbers()
            events = _read(tx, caller, wanted, after=after, limit=AT_ONCE)
        is_all = len(events) < AT_ONCE
        return Seen(events=events, newest=max(newest, after) if is_all else events[-1].number)


def _read(
    tx: Transaction,
    caller: Caller,
    wanted: Wanted,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> Sequence[PoolEvent]:
    of_leases, of_nodes = Scope.LEASES_READ in caller.scopes, Scope.NODES_READ in caller.scopes
    if not (of_leases or of_nodes):
        raise Forbidden(f"events need the scope {Scope.LEASES_READ} or {Scope.NODES_READ}")
    return tx.events(
        of_leases=of_leases,
        of_nodes=of_nodes,
        within=caller.sees_only,
        before=before,
        after=after,
        limit=limit,
        **asdict(wanted),
    )


def _check_kept(tx: Transaction, after: int) -> None:
    """Refuse to go on after a number if events after it are no longer kept, or it is of another time.

    0 is the beginning. A number that is yet to come was seen before the database was restored.
    """
    oldest, newest = tx.event_numbers()
    if 0 < after < oldest - 1 or after > newest:
        raise EventsGone(
            f"what came after number {after} is not kept, but events {oldest} to {newest}: read what there "
            "is now, and go on from there",
            instance="/events",
        )
