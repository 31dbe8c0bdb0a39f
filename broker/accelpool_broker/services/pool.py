"""The pool: every change of its state goes through `Pool.change`.

open a transaction ─▶ the caller's changes ─▶ the scheduler decides ─▶ decisions are applied ─▶ commit
─▶ wake who waits for a lease or for a node's work, and set the timer for the next deadline
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from accelpool_broker import scheduler
from accelpool_broker.clock import Clock
from accelpool_broker.models import TRANSITIONS, Device, Lease, LeaseState, Node, NodeState, Share
from accelpool_broker.news import News
from accelpool_broker.settings import Settings
from accelpool_broker.store import Store
from accelpool_broker.store_queries import Transaction
from accelpool_broker.waiters import Waiters
from accelpool_wire.errors import Unavailable


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

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Give a change to make; scheduling, commit and waking follow at the end of the block."""
        try:
            with self.store.write() as tx:
                change = Change(tx=tx, now=self.clock.now())
                if self._was_away:
                    self._forgive(change)
                yield change
                if change.needs_scheduling:
                    self._schedule(change)
                tx.flush()
                tx.bump_revisions(change.nodes)
                news = change.news()
                tx.publish(news)
        except Unavailable:
            self._was_away = True
            raise
        self._was_away = False
        self.tell(news)

    def tell(self, news: News) -> None:
        """Wake who waits for what changed, here or at another broker, and set the timer."""
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
        _move(lease, state)
        lease.reason = reason
        lease.ended_at = change.now
        for share in lease.shares:
            share.is_active = False
            change.nodes.add(share.device.node_name)
        change.leases.add(lease.id)
        change.ended.add(lease.id)
        change.needs_scheduling = True

    def decide(self, tx: Transaction, now: float) -> scheduler.Decisions:
        """Return what the scheduler would do now; nothing is changed."""
        held = tx.active_shares()
        leases = tx.open_leases()
        return scheduler.decide(
            nodes=[self._node_view(node) for node in tx.nodes()],
            devices=[device_view(device) for device in tx.devices()],
            leases=[
                lease_view(lease.id, lease.expires_at, held.get(lease.id, ()))
                for lease in leases
                if lease.expires_at is not None
            ],
            queue=[request_view(lease) for lease in leases if lease.state == LeaseState.QUEUED],
            now=now,
        )

    def _forgive(self, change: Change) -> None:
        """Blame nobody for the time in which broker or database did not answer."""
        grace = change.now + self.settings.lost_after_s
        for lease in change.tx.open_leases():
            lease.read_until = max(lease.read_until, grace)
            if lease.expires_at is not None:
                lease.expires_at = max(lease.expires_at, grace)
            if lease.withdraw_at is not None:
                lease.withdraw_at = max(lease.withdraw_at, grace)
        for node in change.tx.nodes():
            if node.state == NodeState.READY:
                node.last_seen_at = max(node.last_seen_at, change.now)

    def _node_view(self, node: Node) -> scheduler.NodeView:
        is_ready = node.state == NodeState.READY
        lost_at = node.last_seen_at + self.settings.lost_after_s if is_ready else None
        return scheduler.NodeView(name=node.name, lost_at=lost_at)

    def _schedule(self, change: Change) -> None:
        change.tx.flush()
        decisions = self.decide(change.tx, change.now)
        change.wake_at = decisions.wake_at
        for name in decisions.lost_nodes:
            node = change.tx.node(name)
            assert node is not None
            node.state = NodeState.LOST
            change.nodes.add(name)
        for end in decisions.ends:
            lease = change.tx.lease(end.lease)
            assert lease is not None
            self.end(change, lease, end.state, end.reason)
        change.tx.flush()  # devices are free in the database before they are granted again
        if decisions.grants:
            devices = {device.id: device for device in change.tx.devices()}
            for grant in decisions.grants:
                self._grant(change, grant, devices)

    def _grant(self, change: Change, grant: scheduler.Grant, devices: dict[str, Device]) -> None:
        lease = change.tx.lease(grant.lease)
        assert lease is not None
        _move(lease, LeaseState.ACTIVE)
        lease.reason = ""
        lease.granted_at = change.now
        lease.expires_at = expires_at = change.now + lease.ttl_s
        change.wake_at = expires_at if change.wake_at is None else min(change.wake_at, expires_at)
        for share in grant.shares:
            device = devices[share.device]
            device.epoch += 1
            change.nodes.add(device.node_name)
            lease.shares.append(
                Share(
                    device=device,
                    memory_bytes=share.memory_bytes,
                    compute=share.compute,
                    epoch=device.epoch,
                    is_active=True,
                )
            )
        change.leases.add(lease.id)


def device_view(device: Device) -> scheduler.DeviceView:
    """Return the scheduler's view of a device."""
    return scheduler.DeviceView(
        id=device.id,
        name=device.name,
        node=device.node_name,
        environment=device.environment,
        kind=device.kind,
        memory_bytes=device.memory_bytes,
        fault=device.fault,
    )


def lease_view(id: str, expires_at: float, held: Iterable[tuple[str, str]]) -> scheduler.LeaseView:
    """Return the scheduler's view of an active lease that has these devices, as (id, node)."""
    held = tuple(held)
    return scheduler.LeaseView(
        id=id,
        expires_at=expires_at,
        devices=tuple(device for device, _ in held),
        nodes=tuple(node for _, node in held),
    )


def request_view(lease: Lease) -> scheduler.Request:
    """Return the scheduler's view of a queued lease."""
    return scheduler.Request(
        id=lease.id,
        order=lease.number,
        kind=lease.kind,
        count=lease.count,
        memory_bytes=lease.memory_bytes,
        device=lease.device,
        devices=tuple(lease.devices),
        withdraw_at=lease.withdraw_at,
        unread_at=lease.read_until + lease.ttl_s,
    )


def _move(lease: Lease, state: LeaseState) -> None:
    assert state in TRANSITIONS[LeaseState(lease.state)], f"{lease.id}: {lease.state} to {state}"
    lease.state = state
