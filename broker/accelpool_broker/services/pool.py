"""The pool: every change of its state goes through `Pool.change`.

A change and what the scheduler makes of it are committed together. Each commit wakes who waits for a lease or
for a node's work, and sets the timer for the next deadline.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from accelpool_broker import scheduler
from accelpool_broker.clock import Clock
from accelpool_broker.followers import Followers
from accelpool_broker.meter import Meter
from accelpool_broker.models import TRANSITIONS, Lease, LeaseState, NodeState, Share
from accelpool_broker.news import News
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.services import charges
from accelpool_broker.services.changes import Change, Changes
from accelpool_broker.services.faces import Faces
from accelpool_broker.services.picture import Picture
from accelpool_broker.services.recent import Recent
from accelpool_broker.services.views import write_booking
from accelpool_broker.settings import Settings
from accelpool_broker.store import Store
from accelpool_broker.waiters import Waiters
from accelpool_wire import traces
from accelpool_wire.errors import Unavailable

LOSSES = (scheduler.Ending.NODE_SILENT, scheduler.Ending.NODE_RESTARTED, scheduler.Ending.NODE_STOPPED)

log = logging.getLogger(__name__)


class Pool:
    """The pool's state, who waits for it, and the rules of its changes."""

    def __init__(self, *, settings: Settings, store: Store, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.clock = clock
        self.meter = Meter()
        for ending in LOSSES:  # 0 from the start on: who looks for more than before has a before
            self.meter.endings.labels(LeaseState.LOST, ending)
        self.lease_waiters = Waiters(settings.max_waiters)
        self.node_waiters = Waiters(settings.max_node_waiters)
        self.meter.waiting.labels("clients").set_function(self.lease_waiters.count)
        self.meter.waiting.labels("nodes").set_function(self.node_waiters.count)
        self.followers = Followers(settings.max_followers)
        self.meter.waiting.labels("followers").set_function(self.followers.count)
        self.on_deadline: Callable[[float], None] = lambda _: None
        self.on_end: list[Callable[[str], None]] = []
        self.on_accounts: Callable[[], None] = lambda: None
        self.on_events: Callable[[], None] = lambda: None
        self.on_tick: Callable[[Change], None] = lambda _: None
        self._was_away = False
        self._known: tuple[int, Picture] | None = None  # by how many writes there were
        self._recent = Recent()
        self._changes = Changes(
            begin=self._begin, now=clock.now, tell=lambda change: self.tell(change.news())
        )

    def change(self) -> AbstractContextManager[Change]:
        """Give a change to make; it is committed at the end of the block, with its consequences."""
        return self._changes.change()

    @contextmanager
    def _begin(self) -> Iterator[Change]:
        """Give the change of a whole transaction, which the scheduler has its say in before it commits."""
        began_at = time.monotonic()
        try:
            with self.store.write() as tx:
                change = Change(tx=tx, now=self.clock.now(), before=self._picture_before(tx))
                if self._was_away:
                    self._forgive(change)
                yield change
                if change.needs_scheduling:
                    change.wake_at = None
                    self._schedule(change)
                after = change.picture()
                tx.bump_revisions(change.nodes)
                tx.add_audit(change.notes)
                tx.add_events(change.events)
                tx.publish(change.news())
        except Unavailable:
            self._was_away = True
            raise
        self._was_away = False
        self._known = (tx.writes(), after)
        self._count(change, time.monotonic() - began_at)
        if change.needs_scheduling:
            self._recent.forget()

    def _count(self, change: Change, took_s: float) -> None:
        """Count what a change has brought that was committed."""
        for lease in change.granted:
            assert lease.granted_at is not None
            since = lease.created_at if lease.starts_at is None else lease.starts_at
            self.meter.grant(lease.shares[0].device.kind, lease.granted_at - since, took_s)
        for state, ending in change.endings:
            self.meter.endings.labels(state, ending).inc()

    def _picture_before(self, tx: Transaction) -> Picture:
        """Return the pool as it was before a transaction that writes."""
        if self._known is not None and self._known[0] == tx.writes() - 1:
            return self._known[1]
        return Picture.load(tx, self.settings.lost_after_s)

    def picture(self, tx: Transaction) -> Picture:
        """Return the pool as a transaction sees it that only reads, or as it was changed since that began."""
        known = self._known
        if known is None or known[0] < tx.writes():
            known = self._known = (tx.writes(), Picture.load(tx, self.settings.lost_after_s))
        return known[1]

    def tell(self, news: News) -> None:
        """Wake who waits for what changed, here or at another broker, and set the timer."""
        if news.accounts or news.is_everything:
            self.on_accounts()
        if news.events or news.accounts or news.is_everything:
            self.followers.wake()
        if news.events or news.is_everything:
            self.on_events()
        if news.leases or news.is_everything:
            self._recent.forget()
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
                try:
                    callback(lease)
                except Exception:  # it has ended, whatever comes of that
                    log.exception("the end of lease %s is not dealt with", lease)

    def tick(self) -> float | None:
        """Carry out what time alone has brought about; return when to look again."""
        with self.change() as change:
            change.needs_scheduling = True
            change.tx.prune(ended_before=change.now - self.settings.keep_ended_s)
            self.on_tick(change)
        return change.wake_at

    def resume(self) -> None:
        """After a start: nobody is blamed for the time in which there was no broker."""
        self._was_away = True
        with self.change() as change:
            change.needs_scheduling = True

    def end(
        self, change: Change, lease: Lease, state: LeaseState, ending: scheduler.Ending, reason: str
    ) -> None:
        """End a lease, or withdraw a request, for a reason in a word and in a sentence."""
        charges.settle(change.tx, lease, change.now, self.settings.policy.half_life_s)
        _move(lease, state)
        lease.reason = reason
        lease.ended_at = change.now
        for share in lease.shares:
            share.is_active = False
            change.nodes.add(share.device.node_name)
        change.leases.add(lease.id)
        change.ended.add(lease.id)
        change.endings.append((state, ending))
        change.needs_scheduling = True

    def look(
        self, picture: Picture, now: float, *, explain: Collection[str] | None = ()
    ) -> scheduler.Outcome:
        """Return what the scheduler would do with the pool now; nothing is changed."""
        return scheduler.decide(
            inventory=picture.inventory,
            leases=picture.leases.values(),
            queue=picture.queue.values(),
            tenants=picture.tenants.values(),
            policy=self.settings.policy,
            now=now,
            explain=explain,
        )

    def recent(self, tx: Transaction, now: float, queued: Collection[str]) -> scheduler.Outcome:
        """Return what the scheduler would do, as of now or of a moment ago, with reasons left out.

        Args:
            tx: A transaction that reads.
            now: The instant.
            queued: Ids of requests that it has to know of.
        """
        return self._recent.get(
            lambda: self.look(self.picture(tx), now),
            now,
            knows=lambda outcome: {wait.lease for wait in outcome.decisions.waits}.issuperset(queued),
        )

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
        change.now = self.clock.now()
        with self.meter.looks.time(), traces.part("accelpool.look"):
            decisions = self.look(change.picture(), change.now).decisions
        change.wake_at = decisions.wake_at
        for name in decisions.lost_nodes:
            node = change.tx.node(name)
            assert node is not None
            node.state = NodeState.LOST
            change.nodes.add(name)
        for end in decisions.ends:
            self.end(change, _lease(change, end.lease), end.state, end.ending, end.reason)
        for booking in decisions.bookings:
            write_booking(_lease(change, booking.lease), booking)
        self._tell(change, decisions)
        change.tx.flush()  # devices are free in the database before they are granted again
        if decisions.grants:
            wanted = [share.device for grant in decisions.grants for share in grant.shares]
            faces = Faces(change.tx.with_faces(wanted))
            for grant in decisions.grants:
                self._grant(change, grant, faces)

    def _tell(self, change: Change, decisions: scheduler.Decisions) -> None:
        for notice in decisions.notices:
            lease = _lease(change, notice.lease)
            lease.notice_why, lease.notice_reason = notice.why, notice.reason
            lease.revoke_at = notice.revoke_at
            change.leases.add(lease.id)
            change.nodes.update(share.device.node_name for share in lease.shares)
        for id in decisions.withdrawn_notices:
            lease = _lease(change, id)
            lease.notice_why, lease.notice_reason, lease.revoke_at = "", "", None
            change.leases.add(lease.id)

    def _grant(self, change: Change, grant: scheduler.Grant, faces: Faces) -> None:
        lease = _lease(change, grant.lease)
        _move(lease, LeaseState.ACTIVE)
        lease.reason = ""
        lease.alternative, lease.is_backfill = grant.alternative, grant.is_backfill
        lease.granted_at = lease.charged_at = change.now
        lease.expires_at = change.now + lease.ttl_s
        if lease.max_duration_s is not None:
            lease.ends_at = change.now + lease.max_duration_s
        change.wake_at = min(at for at in (change.wake_at, lease.expires_at, lease.ends_at) if at is not None)
        for share in grant.shares:
            device = faces.next_epoch(share.device)
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
        change.granted.append(lease)


def _lease(change: Change, id: str) -> Lease:
    """Return the record of an open lease."""
    view = change.before.queue.get(id) or change.before.leases[id]
    lease = change.tx.known_lease(view.order) or change.tx.lease(id)
    assert lease is not None
    return lease


def _move(lease: Lease, state: LeaseState) -> None:
    assert state in TRANSITIONS[LeaseState(lease.state)], f"{lease.id}: {lease.state} to {state}"
    lease.state = state
