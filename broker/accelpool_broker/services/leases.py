"""Leases: asked for, read, waited for, renewed and given back."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from accelpool_broker import scheduler
from accelpool_broker.models import Lease, LeaseState, Session
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import Demand, Ending, Explanation, explain
from accelpool_broker.services import charges
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.changes import Change
from accelpool_broker.services.picture import Picture
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.reservations import check_kept, check_period, reserve
from accelpool_broker.services.resizing import resize
from accelpool_broker.services.tenants import check_priority
from accelpool_broker.services.views import request_view, write_demand
from accelpool_wire import traces
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

OPEN_STATES = (LeaseState.QUEUED, LeaseState.ACTIVE)
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

    Without a `tenant` it is asked for in the name of the account's first one. `starts_at` and `ends_at` are
    the time of a reservation: both or neither.
    """

    alternatives: tuple[Demand, ...] = (Demand(),)
    tenant: str | None = None
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

    def create(self, request: LeaseRequest, caller: Caller, *, key: str | None, wait_s: float) -> SeenLease:
        """Return a new lease, active or queued, or the one made before with the same idempotency key.

        Raises:
            Forbidden: The caller may not ask for this tenant.
            Conflict: The key was used before, for another request; or there is no room at the time to come.
            Unsatisfiable: No device of the pool could ever serve the request.
        """
        tenant = caller.tenant_for(request.tenant, DEFAULT_TENANT)
        request = replace(request, tenant=tenant)
        kept_key = None if key is None else scoped_key(caller.account, key)
        with traces.part("accelpool.change"), self._pool.change() as change:
            lease = self._repeated(change.tx, request, key, kept_key)
            if lease is None:
                lease = self._queue(change, request, tenant, caller, kept_key, wait_s)
        if lease.state != LeaseState.QUEUED:
            return self._see_one(lease)
        return self.get(lease.id, caller, wait_s=wait_s)

    def get(self, id: str, caller: Caller, *, wait_s: float = 0.0) -> SeenLease:
        """Return a lease; one that is queued only when it no longer is, or after `wait_s`."""
        with traces.part("accelpool.wait"):
            seen, is_early = self._pool.lease_waiters.poll(
                id,
                lambda: self._read(id, caller, wait_s),
                is_news=lambda lease: lease.state != LeaseState.QUEUED,
                wait_s=wait_s,
            )
        return self._see_one(seen, is_early=is_early)

    def _read(self, id: str, caller: Caller, wait_s: float) -> Lease:
        """Return a lease; while it is queued, it lives by being read by the account that asked for it."""
        lease = self._load(id, caller)
        if lease.state == LeaseState.QUEUED and caller.owns(lease):
            self._note_read(lease, wait_s)
        return lease

    def page(self, caller: Caller, *, state: str | None, before: int | None, limit: int) -> list[SeenLease]:
        """Return those leases that the caller may see, newest first."""
        states = None if state is None else [state]
        with self._pool.store.read() as tx:
            leases = tx.leases(states=states, within=caller.sees_only, before=before, limit=limit)
            return self._see(tx, leases)

    def explain(self, id: str, caller: Caller) -> tuple[SeenLease, Explanation | None]:
        """Return a lease, with why it waits device by device if it does.

        Of the leases that have devices only those are named that the caller may see.
        """
        with self._pool.store.read() as tx:
            lease = _found(tx, id, caller)
            if lease.state != LeaseState.QUEUED:
                return SeenLease(lease=lease, reason=lease.reason), None
            now = self._pool.clock.now()
            picture = self._pool.picture(tx)
            outcome = self._pool.look(picture, now, explain=[id])
        wait = next((wait for wait in outcome.decisions.waits if wait.lease == id), None)
        if wait is None:  # it is just about to be granted, or to end
            return SeenLease(lease=lease, reason=lease.reason), None
        seen = SeenLease(lease=lease, position=wait.position, reason=wait.reason)
        return seen, _seen_by(caller, explain(request_view(lease), outcome.room, now), picture)

    def sessions(self, id: str, caller: Caller) -> Sequence[Session]:
        """Return the live sessions under a lease, as their nodes last reported them, by node and id."""
        with self._pool.store.read() as tx:
            lease = _found(tx, id, caller)
            return sorted(tx.sessions_of(lease.id), key=lambda one: (one.node_name, one.id))

    def change(
        self,
        id: str,
        caller: Caller,
        *,
        ttl_s: float | None = None,
        memory_bytes: int | None = None,
        compute_ppm: int | None = None,
    ) -> SeenLease:
        """Let an active lease last `ttl_s` from now, or have another part of each of its devices, or both.

        Raises:
            Forbidden: It is another account's.
            Conflict: It is still queued, or others have what it lacks, or its tenant's quota is exceeded.
            LeaseExpired, LeaseRevoked, LeaseLost: It has ended.
            Unsatisfiable: A device of its has less.
        """
        with self._pool.change() as change:
            lease = _found(change.tx, id, caller)
            caller.check_change(lease)
            if lease.state == LeaseState.QUEUED:
                lease.read_until = max(lease.read_until, change.now)
            elif lease.state == LeaseState.ACTIVE:
                change.nodes.update(share.device.node_name for share in lease.shares)
                if ttl_s is not None:
                    lease.ttl_s = ttl_s
                    lease.expires_at = change.wake_at = change.now + ttl_s
                if memory_bytes is not None or compute_ppm is not None:
                    self._resize(change, lease, memory_bytes, compute_ppm)
                    change.note(caller, f"/leases/{id}")
        if lease.state == LeaseState.QUEUED:
            raise Conflict(f"lease {id} is still queued: reading it keeps it alive", instance=f"/leases/{id}")
        require_active(lease)
        return SeenLease(lease=lease, reason=lease.reason)

    def _resize(
        self, change: Change, lease: Lease, memory_bytes: int | None, compute_ppm: int | None
    ) -> None:
        before = change.picture()
        charges.settle(change.tx, lease, change.now, self._pool.settings.policy.half_life_s)
        change.tx.refresh_use(share.device for share in lease.shares)
        grows = [resize(share, memory_bytes, compute_ppm) for share in lease.shares]
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

    def end(self, id: str, caller: Caller) -> SeenLease:
        """Give a lease back, or withdraw a request; one that has ended stays as it is.

        One of another account is revoked.

        Raises:
            Forbidden: It is another account's, and the caller is no operator.
        """
        with self._pool.change() as change:
            lease = _found(change.tx, id, caller)
            caller.check_change(lease)
            is_own = caller.owns(lease)
            if lease.state in OPEN_STATES:
                change.note(caller, f"/leases/{id}")
            who = "its client" if is_own else f"account {caller.account}"
            if lease.state == LeaseState.ACTIVE and is_own:
                self._pool.end(change, lease, LeaseState.RELEASED, Ending.GIVEN_BACK, f"{who} gave it back")
            elif lease.state == LeaseState.ACTIVE:
                self._pool.end(change, lease, LeaseState.REVOKED, Ending.BY_OPERATOR, f"{who} revoked it")
            elif lease.state == LeaseState.QUEUED:
                ending = Ending.WITHDRAWN if is_own else Ending.BY_OPERATOR
                self._pool.end(change, lease, LeaseState.WITHDRAWN, ending, f"{who} withdrew it")
        return SeenLease(lease=lease, reason=lease.reason)

    def active(self, id: str, caller: Caller) -> Lease:
        """Return an active lease under which the caller may compute.

        Raises:
            LeaseNotFound: There is none that it may see.
            Forbidden: It is another account's.
            Conflict: It is still queued.
            LeaseExpired, LeaseRevoked, LeaseLost: It has ended.
        """
        lease = self._load(id, caller)
        caller.check_use(lease)
        if lease.state == LeaseState.QUEUED:
            raise Conflict(f"lease {id} is still queued: it has no devices yet", instance=f"/leases/{id}")
        require_active(lease)
        return lease

    def _load(self, id: str, caller: Caller) -> Lease:
        with self._pool.store.read() as tx:
            return _found(tx, id, caller)

    def _repeated(
        self, tx: Transaction, request: LeaseRequest, key: str | None, kept_key: str | None
    ) -> Lease | None:
        lease = None if kept_key is None else tx.lease_by_key(kept_key)
        if lease is not None and lease.request_sha256 != request.sha256():
            raise Conflict(
                f"Idempotency-Key {key} was used before, for another request: lease {lease.id}",
                instance=f"/leases/{lease.id}",
            )
        return lease

    def _queue(
        self,
        change: Change,
        request: LeaseRequest,
        tenant: str,
        caller: Caller,
        kept_key: str | None,
        wait_s: float,
    ) -> Lease:
        now = change.now
        check_priority(change.before.tenants, tenant, request.priority)
        check_period(request.starts_at, now, self._pool.settings.policy)
        timeout_s = request.queue_timeout_s
        lease = Lease(
            id=f"lse_{secrets.token_urlsafe(12)}",
            state=LeaseState.QUEUED,
            reason="",
            tenant=tenant,
            account=caller.account,
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
            idempotency_key=kept_key,
            request_sha256=request.sha256(),
            shares=[],
        )
        change.tx.add(lease)
        _check_satisfiable(change.picture(), lease)
        reserve(self._pool, change, lease)
        change.note(caller, f"/leases/{lease.id}")
        change.needs_scheduling = True
        return lease

    def _note_read(self, lease: Lease, wait_s: float) -> None:
        """Keep a queued request alive, without a write for every single read."""
        until = self._pool.clock.now() + wait_s
        if until < lease.read_until + READ_SLACK * lease.ttl_s:
            return
        with self._pool.change() as change:
            fresh = change.tx.lease(lease.id)
            if fresh is not None:
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


def require_active(lease: Lease) -> None:
    """Raise the problem that says how the lease ended, if it did."""
    problem = ENDED.get(lease.state)
    if problem is not None:
        told = lease.reason or lease.state
        raise problem(f"lease {lease.id} is {lease.state}: {told}", instance=f"/leases/{lease.id}")


def scoped_key(account: str, key: str) -> str:
    """Return the hash under which an account's idempotency key is kept: another account's is another one."""
    return hashlib.sha256(f"{account}\n{key}".encode("utf-8", "surrogateescape")).hexdigest()


def _seen_by(caller: Caller, explanation: Explanation, picture: Picture) -> Explanation:
    """Return an explanation that names no lease that its reader may not see."""
    if caller.sees_only is None:
        return explanation
    shown = {lease.id for lease in picture.leases.values() if caller.sees_tenant(lease.tenant)}
    verdicts = tuple(
        replace(verdict, leases=tuple(id for id in verdict.leases if id in shown))
        for verdict in explanation.verdicts
    )
    return replace(explanation, verdicts=verdicts)


def _found(tx: Transaction, id: str, caller: Caller) -> Lease:
    """Return a lease; one that the caller may not see is not there."""
    lease = tx.lease(id)
    if lease is None or not caller.sees_tenant(lease.tenant):
        raise LeaseNotFound(f"there is no lease {id}", instance=f"/leases/{id}")
    return lease
