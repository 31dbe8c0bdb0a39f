"""What has ended, or has to end: silent nodes, leases past their time, requests that nobody wants any more.

a lease on a node that does not answer                 lost
not renewed in time, or past its longest duration      expired
told to end, and the grace time is over                revoked
on a node that is drained, idle for too long, or of
a tenant without device-hours left                     told to end; the word is taken back if that changes
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler.decisions import End
from accelpool_broker.scheduler.fairness import path
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.views import (
    LeaseView,
    NodeView,
    Notice,
    Policy,
    Request,
    TenantView,
    Why,
)


@dataclass
class Endings:
    """What ends, what goes on, and what leases are told."""

    ends: list[End] = field(default_factory=list)
    active: list[LeaseView] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    withdrawn_notices: list[str] = field(default_factory=list)
    deadlines: list[float] = field(default_factory=list)


def loss(node: str, what: str, nodes: Iterable[str]) -> str:
    """Return why a lease is lost when the agent of one of its nodes did something, such as to restart."""
    others = sorted(set(nodes) - {node})
    beside = f"; with it went the lease's devices on {', '.join(others)}" if others else ""
    return f"the agent of node {node} {what}{beside}"


def end_leases(leases: Iterable[LeaseView], lost: frozenset[str], now: float) -> Endings:
    """Return which leases end now, and which are active still."""
    result = Endings()
    for lease in sorted(leases, key=lambda lease: lease.id):
        end = _end(lease, lost, now)
        if end is None:
            result.active.append(lease)
            result.deadlines += [lease.expires_at, *([] if lease.ends_at is None else [lease.ends_at])]
            result.deadlines += [] if lease.notice is None else [lease.notice.revoke_at]
        else:
            result.ends.append(end)
    return result


def _end(lease: LeaseView, lost: frozenset[str], now: float) -> End | None:
    gone = sorted(lost.intersection(lease.nodes))
    if gone:
        reason = loss(gone[0], "stopped answering", lease.nodes)
        return End(lease=lease.id, state=LeaseState.LOST, reason=reason)
    if lease.expires_at <= now:
        return End(lease=lease.id, state=LeaseState.EXPIRED, reason="it was not renewed in time")
    if lease.ends_at is not None and lease.ends_at <= now:
        return End(lease=lease.id, state=LeaseState.EXPIRED, reason="it has lasted as long as it may")
    if lease.notice is not None and lease.notice.revoke_at <= now:
        return End(lease=lease.id, state=LeaseState.REVOKED, reason=lease.notice.reason)
    return None


def withdraw(queue: Iterable[Request], now: float) -> tuple[list[Request], list[End]]:
    """Return the requests that still wait, in order of arrival, and those whose time is over."""
    waiting: list[Request] = []
    ends: list[End] = []
    for request in sorted(queue, key=lambda request: request.order):
        if deadline(request) > now:
            waiting.append(request)
            continue
        is_unread = request.unread_at <= now
        reason = (
            "its client stopped asking for it" if is_unread else "timeout: not granted in the time allowed"
        )
        state = LeaseState.EXPIRED if is_unread else LeaseState.WITHDRAWN
        ends.append(End(lease=request.id, state=state, reason=reason))
    return waiting, ends


def deadline(request: Request) -> float:
    """Return when a request is withdrawn if nothing happens."""
    if request.withdraw_at is None:
        return request.unread_at
    return min(request.withdraw_at, request.unread_at)


class Words:
    """Tells active leases that they have to end, for other reasons than preemption.

    Args:
        nodes: Of which some may be drained.
        tenants: Of which some may have rules.
        quotas: What tenants may use.
        policy: The operator's rules.
        now: The instant.
    """

    def __init__(
        self,
        nodes: Mapping[str, NodeView],
        tenants: Iterable[TenantView],
        quotas: Quotas,
        policy: Policy,
        now: float,
    ) -> None:
        self._drained = {name: at for name, node in nodes.items() if (at := node.drain_at) is not None}
        self._idle_after_s = {
            tenant.name: limit for tenant in tenants if (limit := tenant.idle_after_s) is not None
        }
        self._quotas = quotas if quotas.has_hours else None
        self._policy = policy
        self._now = now

    def tell(self, endings: Endings) -> None:
        """Add notices to what ends, and take back those that no longer hold."""
        for lease in endings.active:
            told = lease.notice
            wanted = self._wanted(lease, endings.deadlines)
            if wanted is None:
                if told is not None and told.why is not Why.PREEMPTED:
                    endings.withdrawn_notices.append(lease.id)
            elif told is None or told.why is not wanted.why or (
                wanted.why is Why.DRAINED and told.revoke_at != wanted.revoke_at
            ):  # fmt: skip
                endings.notices.append(wanted)
                endings.deadlines.append(wanted.revoke_at)

    def _wanted(self, lease: LeaseView, deadlines: list[float]) -> Notice | None:
        return (
            (self._of_drain(lease) if self._drained else None)
            or (self._of_quota(lease, self._quotas, deadlines) if self._quotas else None)
            or (self._of_idleness(lease, deadlines) if lease.idle_since is not None else None)
        )

    def _of_drain(self, lease: LeaseView) -> Notice | None:
        times = [(self._drained[name], name) for name in lease.nodes if name in self._drained]
        if not times:
            return None
        at, name = min(times)
        return Notice(lease=lease.id, why=Why.DRAINED, reason=f"node {name} is drained", revoke_at=at)

    def _of_quota(self, lease: LeaseView, quotas: Quotas, deadlines: list[float]) -> Notice | None:
        reason = quotas.is_spent(lease.tenant)
        if reason:
            return self._after_grace(lease, Why.QUOTA, reason)
        spent_at = quotas.spent_at(lease.tenant, self._now)
        if spent_at is not None:
            deadlines.append(spent_at)
        return None

    def _of_idleness(self, lease: LeaseView, deadlines: list[float]) -> Notice | None:
        limits = [self._idle_after_s.get(name) for name in reversed(path(lease.tenant))]
        limit_s = next((limit for limit in limits if limit is not None), None)
        if limit_s is None or lease.idle_since is None:
            return None
        if self._now < lease.idle_since + limit_s:
            deadlines.append(lease.idle_since + limit_s)
            return None
        return self._after_grace(lease, Why.IDLE, f"it was idle for more than {limit_s:g} s")

    def _after_grace(self, lease: LeaseView, why: Why, reason: str) -> Notice:
        return Notice(lease=lease.id, why=why, reason=reason, revoke_at=self._now + self._policy.grace_s)
