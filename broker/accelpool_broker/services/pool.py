"""The pool: every change of its state goes through `Pool.change`.

the caller's changes ─▶ commit ─▶ the scheduler decides of all that is committed ─▶ its decisions ─▶ commit

Each commit wakes who waits for a lease or for a node's work, and sets the timer for the next deadline. A
broker that dies between the two leaves a change without its consequences: the next look, at any broker, has
them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from accelpool_broker import scheduler
from accelpool_broker.clock import Clock
from accelpool_broker.models import TRANSITIONS, Device, Lease, LeaseState, NodeState, Share
from accelpool_broker.news import News
from accelpool_broker.services import accounts
from accelpool_broker.services.views import (
    device_view,
    lease_view,
    node_view,
    request_view,
    tenant_view,
    write_booking,
)
from accelpool_broker.settings import Settings
from accelpool_broker.store import Store
from accelpool_broker.store_queries import Transaction
from accelpool_broker.waiters import Waiters
from accelpool_wire.errors import Unavailable

RECENT_S = 1.0


@dataclass(kw_only=True)
class Change:
    """A change under way: its transaction, its instant, and what it touched.

    Attributes:
        leases: Ids of leases that changed state: those who wait for them are woken.
        ended: Ids of leases that ended.
        nodes: Names of nodes that should run something else now.
        needs_scheduling: Whether devices or requests came or went.
        wake_at: When the timer should look next.
    """

    tx: Transaction
    now: float
    leases: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    needs_scheduling: bool = False
    wake_at: float | None = None

    def news(self) -> News:
        """Return what those who wait are told of it."""
        return News(
            leases=frozenset(self.leases),
            ended=frozenset(self.ended),
            nodes=frozenset(self.nodes),
            wake_at=self.wake_at,
        )


class Pool:
    """The pool's state, who waits for it, and the rules of its changes."""

    def __init__(self, *, settings: Settings, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.lease_waiters = Waiters(settings.max_waiters)
        self.node_waiters = Waiters(settings.max_node_waiters)
        self.on_deadline: Callable[[float], None] = lambda _: None
        self.on_end: list[Callable[[str], None]] = []
        self._was_away = False
        self._known: tuple[int, scheduler.Inventory | None] = (-1, None)
        self._recent: tuple[float, scheduler.Outcome] | None = None
        self._changes = 0
        self._counting, self._looking = threading.Lock(), threading.Lock()
        self._committed = self._looked_at = 0  # changes with consequences, by number
        self._wake_at: float | None = None

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Give a change to make; it is committed at the end of the block, and then its consequences are.

        Those are the scheduler's decisions, in a transaction of their own: one look serves all changes that
        were committed before it began, so that many at once do not wait for one look each.
        """
        with self._transaction() as change:
            yield change
        if change.needs_scheduling:
            change.wake_at = self._look_after()

    @contextmanager
    def _transaction(self) -> Iterator[Change]:
        """Give a change whose commit and waking follow at the end of the block."""
        try:
            with self.store.write() as tx, self._forgetting():
                change = Change(tx=tx, now=self.clock.now())
                if self._was_away:
                    self._forgive(change)
                yield change
                tx.flush()
                tx.bump_revisions(change.nodes)
                news = change.news()
                tx.publish(news)
        except Unavailable:
            self._was_away = True
            raise
        self._was_away = False
        self.tell(news)

    @contextmanager
    def _forgetting(self) -> Iterator[None]:
        """Forget the devices if a change fails, before the next one: they may be of what is undone."""
        try:
            yield
        except BaseException:
            self._known = (-1, None)
            raise

    def _look_after(self) -> float | None:
        """Carry out what the scheduler decides of all that is committed by now; return when to look again."""
        with self._counting:
            self._committed += 1
            mine = self._committed
        with self._looking:
            if self._looked_at < mine:
                covered = self._committed
                with self._transaction() as change:
                    self._schedule(change)
                self._looked_at, self._wake_at = covered, change.wake_at
            return self._wake_at

    def tell(self, news: News) -> None:
        """Wake who waits for what changed, here or at another broker, and set the timer."""
        self._changes += 1
        self._recent = None
        if news.is_everything:
            self.lease_waiters.wake_all()
            self.node_waiters.wake_all()
            self.on_deadline(self.clock.now())
        self.lease_waiters.wake(news.leases)
        self.node_waiters.wake(news.nodes)
        if news.wake_at is not None:
            self.on_deadline(news.wake_at)
        for lease in news.ended:
            for callback in self.on_end:
                callback(lease)

    def tick(self) -> float | None:
        """Carry out what time alone has brought about; return when to look again."""
        with self.change() as change:
            change.needs_scheduling = True
            change.tx.prune(ended_before=change.now - self.settings.keep_ended_s)
        return change.wake_at

    def resume(self) -> None:
        """After a start: nobody is blamed for the time in which there was no broker."""
        self._was_away = True
        with self.change() as change:
            change.needs_scheduling = True

    def end(self, change: Change, lease: Lease, state: LeaseState, reason: str) -> None:
        """End a lease, or withdraw a request."""
        accounts.settle(change.tx, lease, change.now, self.settings.policy.half_life_s)
        _move(lease, state)
        lease.reason = reason
        lease.ended_at = change.now
        for share in lease.shares:
            share.is_active = False
            change.nodes.add(share.device.node_name)
        change.leases.add(lease.id)
        change.ended.add(lease.id)
        change.needs_scheduling = True

    def look(self, tx: Transaction, now: float, *, explain: Collection[str] | None = ()) -> scheduler.Outcome:
        """Return what the scheduler would do now; nothing is changed."""
        held = tx.active_shares()
        leases = tx.open_lease_rows()
        return scheduler.decide(
            inventory=self.inventory(tx),
            leases=[
                lease_view(lease, held.get(lease.id, ()))
                for lease in leases
                if lease.state == LeaseState.ACTIVE
            ],
            queue=[request_view(lease) for lease in leases if lease.state == LeaseState.QUEUED],
            tenants=[tenant_view(tenant) for tenant in tx.tenants()],
            policy=self.settings.policy,
            now=now,
            explain=explain,
        )

    def recent(self, tx: Transaction, now: float) -> scheduler.Outcome:
        """Return what the scheduler would do, as of now or of a moment ago, with reasons left out.

        A thousand clients that ask where they stand cost one look a second, and one after each change.
        """
        known, changes = self._recent, self._changes
        if known is not None and now - known[0] < RECENT_S:
            return known[1]
        outcome = self.look(tx, now)
        if changes == self._changes:
            self._recent = (now, outcome)
        return outcome

    def excess(self, tx: Transaction, tenant: str, tenants: Sequence[scheduler.TenantView]) -> str:
        """Return which quota a tenant exceeds with what it has, "" if none."""
        held = tx.active_shares()
        active = [lease for lease in tx.open_leases() if lease.state == LeaseState.ACTIVE]
        views = [lease_view(lease, held.get(lease.id, ())) for lease in active]
        return scheduler.Quotas(tenants, views, now=self.clock.now()).why_not(tenant, ())

    def inventory(self, tx: Transaction) -> scheduler.Inventory:
        """Return nodes and devices as the scheduler sees them."""
        nodes = [node_view(node, self.settings.lost_after_s) for node in tx.nodes()]
        changes = tx.device_changes()
        known_changes, known = self._known
        seen = known.seen_at(nodes) if known is not None and changes == known_changes else None
        if seen is None:
            seen = scheduler.Inventory(nodes, [device_view(device) for device in tx.device_rows()])
            self._known = (changes, seen)
        return seen

    def _forgive(self, change: Change) -> None:
        """Blame nobody for the time in which broker or database did not answer."""
        grace = change.now + self.settings.lost_after_s
        for lease in change.tx.open_leases():
            lease.read_until = max(lease.read_until, grace)
            for name in ("expires_at", "withdraw_at", "revoke_at"):  # `ends_at` is nobody's to miss
                at = getattr(lease, name)
                setattr(lease, name, None if at is None else max(at, grace))
        for node in change.tx.nodes():
            if node.state == NodeState.READY:
                node.last_seen_at = max(node.last_seen_at, change.now)

    def _schedule(self, change: Change) -> None:
        change.tx.flush()
        decisions = self.look(change.tx, change.now).decisions
        change.wake_at = decisions.wake_at
        for name in decisions.lost_nodes:
            node = change.tx.node(name)
            assert node is not None
            node.state = NodeState.LOST
            change.nodes.add(name)
        for end in decisions.ends:
            self.end(change, _known(change.tx, end.lease), end.state, end.reason)
        for booking in decisions.bookings:
            write_booking(_known(change.tx, booking.lease), booking)
        self._tell(change, decisions)
        change.tx.flush()  # devices are free in the database before they are granted again
        if decisions.grants:
            wanted = [share.device for grant in decisions.grants for share in grant.shares]
            devices = {device.id: device for device in change.tx.devices(wanted)}
            for grant in decisions.grants:
                self._grant(change, grant, devices)

    def _tell(self, change: Change, decisions: scheduler.Decisions) -> None:
        for notice in decisions.notices:
            lease = _known(change.tx, notice.lease)
            lease.notice_why, lease.notice_reason = notice.why, notice.reason
            lease.revoke_at = notice.revoke_at
            change.leases.add(lease.id)
            change.nodes.update(share.device.node_name for share in lease.shares)
        for id in decisions.withdrawn_notices:
            lease = _known(change.tx, id)
            lease.notice_why, lease.notice_reason, lease.revoke_at = "", "", None
            change.leases.add(lease.id)

    def _grant(self, change: Change, grant: scheduler.Grant, devices: dict[str, Device]) -> None:
        lease = _known(change.tx, grant.lease)
        _move(lease, LeaseState.ACTIVE)
        lease.reason = ""
        lease.alternative, lease.is_backfill = grant.alternative, grant.is_backfill
        lease.granted_at = lease.charged_at = change.now
        lease.expires_at = change.now + lease.ttl_s
        if lease.max_duration_s is not None:
            lease.ends_at = change.now + lease.max_duration_s
        change.wake_at = min(at for at in (change.wake_at, lease.expires_at, lease.ends_at) if at is not None)
        for share in grant.shares:
            device = devices[share.device]
            device.epoch += 1
            change.nodes.add(device.node_name)
            lease.shares.append(
                Share(
                    device=device,
                    memory_bytes=share.memory_bytes,
                    compute_ppm=share.compute_ppm,
                    epoch=device.epoch,
                    is_active=True,
                )
            )
        change.leases.add(lease.id)


def _known(tx: Transaction, id: str) -> Lease:
    lease = tx.lease(id)
    assert lease is not None
    return lease


def _move(lease: Lease, state: LeaseState) -> None:
    assert state in TRANSITIONS[LeaseState(lease.state)], f"{lease.id}: {lease.state} to {state}"
    lease.state = state
