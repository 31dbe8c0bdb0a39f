"""Leases: asked for, read, waited for, renewed and given back."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from accelpool_broker import scheduler
from accelpool_broker.models import Lease, LeaseState, Share
from accelpool_broker.scheduler import WHOLE, Demand, Explanation, explain
from accelpool_broker.services import accounts
from accelpool_broker.services.changes import Change
from accelpool_broker.services.picture import Picture
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.reservations import check_kept, check_period, reserve
from accelpool_broker.services.tenants import check_priority
from accelpool_broker.services.views import request_view, write_demand
from accelpool_broker.store_queries import Transaction
from accelpool_wire.errors import (
    Conflict,
    LeaseExpired,
    LeaseLost,
    LeaseNotFound,
    LeaseRevoked,
    ProblemError,
    Unsatisfiable,
)

DEFAULT_TENANT = "default"
READ_SLACK = 0.25  # a read is noted once it prolongs the request by this part of its ttl_s

ENDED: dict[str, type[ProblemError]] = {
    LeaseState.RELEASED: LeaseRevoked,
    LeaseState.REVOKED: LeaseRevoked,
    LeaseState.WITHDRAWN: LeaseRevoked,
    LeaseState.REJECTED: LeaseRevoked,
    LeaseState.EXPIRED: LeaseExpired,
    LeaseState.LOST: LeaseLost,
}


@dataclass(frozen=True, kw_only=True)
class LeaseRequest:
    """What a client asks for; `alternatives` are what would serve it, the best first.

    `starts_at` and `ends_at` are the time of a reservation: both or neither.
    """

    alternatives: tuple[Demand, ...] = (Demand(),)
    tenant: str = DEFAULT_TENANT
    priority: int = 0
    is_preemptible: bool = False
    ttl_s: float = 60.0
    max_duration_s: float | None = None
    queue_timeout_s: float | None = None
    starts_at: float | None = None
    ends_at: float | None = None
    ends_with_session: bool = False
    client: str = ""

    def sha256(self) -> str:
        """Return a fingerprint: the same for the same request."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class SeenLease:
    """A lease as a reader sees it: while it is queued, with its position and why it waits."""

    lease: Lease
    position: int | None = None
    reason: str = ""
    is_early: bool = False


class Leases:
    """The leases of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def create(self, request: LeaseRequest, *, key: str | None, wait_s: float) -> SeenLease:
        """Return a new lease, active or queued, or the one made before with the same idempotency key.

        Raises:
            Conflict: The key was used before, for another request; or there is no room at the time to come.
            Unsatisfiable: No device of the pool could ever serve the request.
        """
        with self._pool.change() as change:
            lease = self._repeated(change.tx, request, key)
            if lease is None:
                lease = self._queue(change, request, key, wait_s)
        if lease.state != LeaseState.QUEUED:
            return self._see_one(lease)
        return self.get(lease.id, wait_s=wait_s)

    def get(self, id: str, *, wait_s: float = 0.0) -> SeenLease:
        """Return a lease; one that is queued only when it no longer is, or after `wait_s`."""
        seen, is_early = self._pool.lease_waiters.poll(
            id,
            lambda: self._read(id, wait_s),
            is_news=lambda lease: lease.state != LeaseState.QUEUED,
            wait_s=wait_s,
        )
        return self._see_one(seen, is_early=is_early)

    def _read(self, id: str, wait_s: float) -> Lease:
        """Return a lease for somebody who waits for it: while it is queued, that keeps it alive."""
        lease = self._load(id)
        if lease.state == LeaseState.QUEUED:
            self._note_read(lease, wait_s)
        return lease

    def page(self, *, state: str | None, before: int | None, limit: int) -> list[SeenLease]:
        """Return leases, newest first."""
        with self._pool.store.read() as tx:
            leases = tx.leases(states=None if state is None else [state], before=before, limit=limit)
            return self._see(tx, leases)

    def explain(self, id: str) -> tuple[SeenLease, Explanation | None]:
        """Return a lease, with why it waits device by device if it does."""
        with self._pool.store.read() as tx:
            lease = _found(tx, id)
            if lease.state != LeaseState.QUEUED:
                return SeenLease(lease=lease, reason=lease.reason), None
            now = self._pool.clock.now()
            outcome = self._pool.look(self._pool.picture(tx), now, explain=[id])
        wait = next((wait for wait in outcome.decisions.waits if wait.lease == id), None)
        if wait is None:  # it is just about to be granted, or to end
            return SeenLease(lease=lease, reason=lease.reason), None
        seen = SeenLease(lease=lease, position=wait.position, reason=wait.reason)
        return seen, explain(request_view(lease), outcome.room, now)

    def change(
        self,
        id: str,
        *,
        ttl_s: float | None = None,
        memory_bytes: int | None = None,
        compute_ppm: int | None = None,
    ) -> SeenLease:
        """Let an active lease last `ttl_s` from now, or have another part of each of its devices, or both.

        Raises:
            Conflict: It is still queued, or others have what it lacks, or its tenant's quota is exceeded.
            LeaseExpired, LeaseRevoked, LeaseLost: It has ended.
            Unsatisfiable: A device of its has less.
        """
        with self._pool.change() as change:
            lease = _found(change.tx, id)
            if lease.state == LeaseState.QUEUED:
                lease.read_until = max(lease.read_until, change.now)
            elif lease.state == LeaseState.ACTIVE:
                change.nodes.update(share.device.node_name for share in lease.shares)
                if ttl_s is not None:
                    lease.ttl_s = ttl_s
                    lease.expires_at = change.wake_at = change.now + ttl_s
                if memory_bytes is not None or compute_ppm is not None:
                    self._resize(change, lease, memory_bytes, compute_ppm)
        if lease.state == LeaseState.QUEUED:
            raise Conflict(f"lease {id} is still queued: reading it keeps it alive", instance=f"/leases/{id}")
        require_active(lease)
        return SeenLease(lease=lease, reason=lease.reason)

    def _resize(
        self, change: Change, lease: Lease, memory_bytes: int | None, compute_ppm: int | None
    ) -> None:
        before = change.picture()
        accounts.settle(change.tx, lease, change.now, self._pool.settings.policy.half_life_s)
        change.tx.refresh_use(share.device for share in lease.shares)
        grows = [_resize(share, memory_bytes, compute_ppm) for share in lease.shares]
        if any(grows):  # a smaller part is always possible, even of a tenant that has too much
            self._check_quota(change, lease)
            check_kept(self._pool, change, before, lease)
        change.leases.add(lease.id)
        change.needs_scheduling = True

    def _check_quota(self, change: Change, lease: Lease) -> None:
        picture = change.picture()
        tenants = tuple(picture.tenants.values())
        excess = scheduler.Quotas(tenants, picture.leases.values(), now=change.now).why_not(lease.tenant, ())
        if excess:
            raise Conflict(f"lease {lease.id} cannot grow: {excess}", instance=f"/leases/{lease.id}")

    def end(self, id: str) -> SeenLease:
        """Give a lease back, or withdraw a request; one that has ended stays as it is."""
        with self._pool.change() as change:
            lease = _found(change.tx, id)
            if lease.state == LeaseState.ACTIVE:
                self._pool.end(change, lease, LeaseState.RELEASED, "its client gave it back")
            elif lease.state == LeaseState.QUEUED:
                self._pool.end(change, lease, LeaseState.WITHDRAWN, "its client withdrew it")
        return SeenLease(lease=lease, reason=lease.reason)

    def active(self, id: str) -> Lease:
        """Return an active lease.

        Raises:
            Conflict: It is still queued.
            LeaseExpired, LeaseRevoked, LeaseLost: It has ended.
        """
        lease = self._load(id)
        if lease.state == LeaseState.QUEUED:
            raise Conflict(f"lease {id} is still queued: it has no devices yet", instance=f"/leases/{id}")
        require_active(lease)
        return lease

    def _load(self, id: str) -> Lease:
        with self._pool.store.read() as tx:
            return _found(tx, id)

    def _repeated(self, tx: Transaction, request: LeaseRequest, key: str | None) -> Lease | None:
        lease = None if key is None else tx.lease_by_key(key)
        if lease is not None and lease.request_sha256 != request.sha256():
            raise Conflict(
                f"Idempotency-Key {key} was used before, for another request: lease {lease.id}",
                instance=f"/leases/{lease.id}",
            )
        return lease

    def _queue(self, change: Change, request: LeaseRequest, key: str | None, wait_s: float) -> Lease:
        now = change.now
        check_priority(change.before.tenants, request.tenant, request.priority)
        check_period(request.starts_at, now, self._pool.settings.policy)
        timeout_s = request.queue_timeout_s
        lease = Lease(
            id=f"lse_{secrets.token_urlsafe(12)}",
            state=LeaseState.QUEUED,
            reason="",
            tenant=request.tenant,
            priority=request.priority,
            is_preemptible=request.is_preemptible,
            alternatives=[write_demand(demand) for demand in request.alternatives],
            ttl_s=request.ttl_s,
            max_duration_s=request.max_duration_s,
            starts_at=request.starts_at,
            ends_at=request.ends_at,
            reserved=[],
            ends_with_session=request.ends_with_session,
            client=request.client,
            created_at=now,
            read_until=now + wait_s,
            withdraw_at=None if timeout_s is None else now + timeout_s,
            idempotency_key=key,
            request_sha256=request.sha256(),
            shares=[],
        )
        change.tx.add(lease)
        _check_satisfiable(change.picture(), lease)
        reserve(self._pool, change, lease)
        change.needs_scheduling = True
        return lease

    def _note_read(self, lease: Lease, wait_s: float) -> None:
        """Keep a queued request alive, without a write for every single read."""
        until = self._pool.clock.now() + wait_s
        if until < lease.read_until + READ_SLACK * lease.ttl_s:
            return
        with self._pool.change() as change:
            fresh = _found(change.tx, lease.id)
            fresh.read_until = max(fresh.read_until, until)

    def _see_one(self, lease: Lease, *, is_early: bool = False) -> SeenLease:
        if lease.state != LeaseState.QUEUED:
            return SeenLease(lease=lease, reason=lease.reason)
        with self._pool.store.read() as tx:
            seen = self._see(tx, [lease])[0]
        return SeenLease(lease=lease, position=seen.position, reason=seen.reason, is_early=is_early)

    def _see(self, tx: Transaction, leases: Sequence[Lease]) -> list[SeenLease]:
        outcome: scheduler.Outcome | None = None
        waits: dict[str, scheduler.Wait] = {}
        queued = {lease.id for lease in leases if lease.state == LeaseState.QUEUED}
        if queued:
            outcome = self._pool.recent(tx, self._pool.clock.now(), queued)
            waits = {wait.lease: wait for wait in outcome.decisions.waits}
        return [
            _see_waiting(lease, waits[lease.id], outcome)
            if outcome is not None and lease.id in waits
            else SeenLease(lease=lease, reason=lease.reason)
            for lease in leases
        ]


def _check_satisfiable(picture: Picture, lease: Lease) -> None:
    inventory = picture.inventory
    if not inventory.devices:
        raise Unsatisfiable("the pool has no devices: no node has registered any", devices={})
    wanted = request_view(lease)
    reasons = scheduler.unfit_in(wanted, inventory)
    if reasons:
        names = {device.id: f"{device.node}/{device.name}" for device in inventory.devices}
        told = "; ".join(f"{names[id]}: {why}" for id, why in sorted(reasons.items())[:8])
        raise Unsatisfiable(
            f"none of the pool's {len(names)} devices could ever serve this: {told}", devices=reasons
        )
    excess = scheduler.never_within_quota(wanted, inventory, tuple(picture.tenants.values()))
    if excess:
        raise Unsatisfiable(f"the quota does not allow this, ever: {excess}", devices={})


def _see_waiting(lease: Lease, wait: scheduler.Wait, outcome: scheduler.Outcome) -> SeenLease:
    reason = wait.reason or scheduler.why_waiting(request_view(lease), outcome.room)
    return SeenLease(lease=lease, position=wait.position, reason=reason)


def _resize(share: Share, memory_bytes: int | None, compute_ppm: int | None) -> bool:
    """Change a share, if its device has room for it; whether it has more of anything then.

    The database would refuse too much, but not as clearly.
    """
    device = share.device
    memory_bytes = share.memory_bytes if memory_bytes is None else memory_bytes
    compute_ppm = share.compute_ppm if compute_ppm is None else compute_ppm
    if memory_bytes > device.memory_bytes:
        what = f"{device.name} has {device.memory_bytes} bytes of memory, not {memory_bytes}"
        raise Unsatisfiable(what, devices={device.id: what})
    free_bytes = device.memory_bytes - device.used_memory_bytes + share.memory_bytes
    free_ppm = WHOLE - device.used_compute_ppm + share.compute_ppm
    if memory_bytes > free_bytes or compute_ppm > free_ppm:
        free = f"{free_bytes} bytes and {free_ppm / WHOLE:g} of its compute"
        raise Conflict(
            f"{device.name} has {free} that no other lease has: ask for less, or for another lease"
        )
    grows = memory_bytes > share.memory_bytes or compute_ppm > share.compute_ppm
    share.memory_bytes, share.compute_ppm = memory_bytes, compute_ppm
    return grows


def require_active(lease: Lease) -> None:
    """Raise the problem that says how the lease ended, if it did."""
    problem = ENDED.get(lease.state)
    if problem is not None:
        told = lease.reason or lease.state
        raise problem(f"lease {lease.id} is {lease.state}: {told}", instance=f"/leases/{lease.id}")


def _found(tx: Transaction, id: str) -> Lease:
    lease = tx.lease(id)
    if lease is None:
        raise LeaseNotFound(f"there is no lease {id}", instance=f"/leases/{id}")
    return lease
