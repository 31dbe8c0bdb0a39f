"""What has ended, or has to end: silent nodes, leases past their time, requests that nobody wants any more.

a lease on a node that does not answer                 lost
not renewed in time, or past its longest duration      expired
told to end, and the grace time is over                revoked
on a node whose drain is over                          revoked
on a node that is drained, idle for too long, of a
tenant without device-hours left, or preempted         told to end; the word is taken back if that changes

Of several reasons that one holds that ends the lease first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler.decisions import End, Ending
from accelpool_broker.scheduler.fairness import path
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.reasons import said
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


def end_leases(
    leases: Iterable[LeaseView], lost: frozenset[str], drained: frozenset[str], now: float
) -> Endings:
    """Return which leases end now, and which are active still."""
    result = Endings()
    for lease in sorted(leases, key=lambda lease: lease.id):
        end = _end(lease, lost, drained, now)
        if end is None:
            result.active.append(lease)
            result.deadlines.append(lease.expires_at)
            if lease.ends_at is not None:
                result.deadlines.append(lease.ends_at)
            if lease.notice is not None:
                result.deadlines.append(lease.notice.revoke_at)
        else:
            result.ends.append(end)
    return result


def _end(lease: LeaseView, lost: frozenset[str], drained: frozenset[str], now: float) -> End | None:
    gone = sorted(lost.intersection(lease.nodes)) if lost else []
    if gone:
        reason = loss(gone[0], "stopped answering", lease.nodes)
        return _ended(lease, LeaseState.LOST, Ending.NODE_SILENT, reason)
    if lease.expires_at <= now:
        return _ended(lease, LeaseState.EXPIRED, Ending.NOT_RENEWED, "it was not renewed in time")
    if lease.ends_at is not None and lease.ends_at <= now:
        return _ended(lease, LeaseState.EXPIRED, Ending.OVER_ITS_TIME, "it has lasted as long as it may")
    if lease.notice is not None and lease.notice.revoke_at <= now:
        return _ended(lease, LeaseState.REVOKED, Ending(lease.notice.why), lease.notice.reason)
    left = sorted(drained.intersection(lease.nodes))
    return _ended(lease, LeaseState.REVOKED, Ending.DRAINED, _drain(left[0])) if left else None


def _ended(lease: LeaseView, state: LeaseState, ending: Ending, reason: str) -> End:
    return End(lease=lease.id, state=state, ending=ending, reason=reason)


def _drain(node: str) -> str:
    return f"node {node} is drained"


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
        ending = Ending.UNREAD if is_unread else Ending.NOT_GRANTED
        ends.append(End(lease=request.id, state=state, ending=ending, reason=reason))
    return waiting, ends


def deadline(request: Request) -> float:
    """Return when a request is withdrawn if nothing happens."""
    times = (request.withdraw_at, request.ends_at, request.unread_at)
    return min(at for at in times if at is not None)


class Words:
    """Tells active leases that they have to end.

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

    def tell(self, endings: Endings, victims: Mapping[str, Request]) -> None:
        """Add notices to what ends, and take back those that no longer hold.

        Args:
            endings: What ends.
            victims: The leases that have to yield, by id, and to which request.
        """
        has_rules = bool(self._drained or self._quotas)
        for lease in endings.active:
            is_told = lease.notice is not None or lease.idle_since is not None
            if not (has_rules or is_told or lease.id in victims):
                continue
            holding = self._holding(lease, victims.get(lease.id), endings.deadlines)
            wanted = min(holding, key=lambda notice: notice.revoke_at, default=None)
            if wanted is None:
                endings.withdrawn_notices += [] if lease.notice is None else [lease.id]
            elif wanted != lease.notice:
                endings.notices.append(wanted)
                endings.deadlines.append(wanted.revoke_at)

    def _holding(self, lease: LeaseView, claim: Request | None, deadlines: list[float]) -> list[Notice]:
        """Return the words of all reasons that there are for a lease to end."""
        return [
            *(self._of_drain(lease) if self._drained else ()),
            *(self._of_quota(lease, self._quotas) if self._quotas else ()),
            *(self._of_idleness(lease, deadlines) if lease.idle_since is not None else ()),
            *(self._of_preemption(lease, claim) if claim is not None else ()),
        ]

    def _of_drain(self, lease: LeaseView) -> Iterator[Notice]:
        times = [(self._drained[name], name) for name in lease.nodes if name in self._drained]
        if times:
            at, name = min(times)
            yield Notice(lease=lease.id, why=Why.DRAINED, reason=_drain(name), revoke_at=at)

    def _of_quota(self, lease: LeaseView, quotas: Quotas) -> Iterator[Notice]:
        reason = quotas.is_spent(lease.tenant)
        if reason:
            yield self._after_grace(lease, Why.QUOTA, reason)

    def _of_idleness(self, lease: LeaseView, deadlines: list[float]) -> Iterator[Notice]:
        limits = [self._idle_after_s.get(name) for name in reversed(path(lease.tenant))]
        limit_s = next((limit for limit in limits if limit is not None), None)
        if limit_s is None or lease.idle_since is None:
            return
        if self._now < lease.idle_since + limit_s:
            deadlines.append(lease.idle_since + limit_s)
        else:
            yield self._after_grace(lease, Why.IDLE, f"it was idle for more than {limit_s:g} s")

    def _of_preemption(self, lease: LeaseView, claim: Request) -> Iterator[Notice]:
        if claim.starts_at is not None:
            reason = f"it was preempted: {claim.id} has its devices from {said(claim.starts_at)} on"
            yield self._after_grace(lease, Why.PREEMPTED, reason, not_before=claim.starts_at)
            return
        claimant = f"request {claim.id} of priority {claim.priority}"
        yield self._after_grace(lease, Why.PREEMPTED, f"it was preempted: {claimant} comes before it")

    def _after_grace(self, lease: LeaseView, why: Why, reason: str, *, not_before: float = 0.0) -> Notice:
        if lease.notice is not None and lease.notice.why is why:
            return lease.notice  # whoever was told once has no more time because it is still so
        revoke_at = max(self._now + self._policy.grace_s, not_before)
        return Notice(lease=lease.id, why=why, reason=reason, revoke_at=revoke_at)
