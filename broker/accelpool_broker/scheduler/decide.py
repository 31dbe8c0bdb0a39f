"""The scheduler's one entry."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from accelpool_broker.scheduler.decisions import Decisions
from accelpool_broker.scheduler.endings import Words, deadline, end_leases, withdraw
from accelpool_broker.scheduler.fairness import Fairness
from accelpool_broker.scheduler.inventory import Inventory
from accelpool_broker.scheduler.placement import Chooser
from accelpool_broker.scheduler.preemption import Preemption
from accelpool_broker.scheduler.quotas import Quotas
from accelpool_broker.scheduler.reservations import Reservations
from accelpool_broker.scheduler.room import Room
from accelpool_broker.scheduler.serving import Server
from accelpool_broker.scheduler.views import (
    FOREVER,
    LeaseView,
    NodeView,
    Policy,
    Request,
    TenantView,
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was decided, and what room there was left when it was."""

    decisions: Decisions
    room: Room


def decide(
    *,
    inventory: Inventory,
    leases: Iterable[LeaseView],
    queue: Iterable[Request],
    tenants: Iterable[TenantView] = (),
    policy: Policy | None = None,
    now: float,
    explain: Collection[str] | None = None,
) -> Outcome:
    """Return what is to be done with the pool at the instant `now`, and what room is left then.

    Args:
        inventory: Nodes and devices.
        leases: All active leases.
        queue: All queued requests.
        tenants: Those that have a weight, a use, a quota or rules of their own.
        policy: The operator's rules.
        now: Seconds since the Unix epoch.
        explain: The ids of the requests whose reason to wait is wanted in full; None for all.
    """
    policy = policy or Policy()
    tenants = tuple(tenants)
    alive = {node.name: node.lost_at for node in inventory.nodes.values() if node.lost_at is not None}
    lost = frozenset(name for name, at in alive.items() if at <= now)
    drained = frozenset(name for name, node in inventory.nodes.items() if _is_drained(node, now))
    endings = end_leases(leases, lost, drained, now)
    waiting, withdrawn = withdraw(queue, now)
    quotas = Quotas(tenants, endings.active, now=now)
    closed = _closed(inventory, frozenset(alive) - lost)
    room = Room(inventory, closed, endings.active, policy=policy, now=now)
    timed = [request for request in waiting if request.starts_at is not None]
    waiting = [request for request in waiting if request.starts_at is None or request.starts_at <= now]
    reservations = Reservations(room, quotas, timed)
    chooser = Chooser(room)
    fairness = Fairness(tenants, endings.active, inventory, now=now, half_life_s=policy.half_life_s)
    preemption = Preemption(room, chooser, fairness, policy, now)
    served = Server(
        room=room,
        chooser=chooser,
        fairness=fairness,
        quotas=quotas,
        preemption=preemption,
        reservations=reservations,
        policy=policy,
        now=now,
        explain=explain,
    ).serve(waiting)
    kept = reservations.settle()
    victims = reservations.victims() | served.victims
    Words(inventory.nodes, tenants, quotas, policy, now).tell(endings, victims)
    granted = {grant.lease for grant in served.grants}
    deadlines = [*endings.deadlines, *preemption.deadlines, *quotas.spent_times(now)]
    if served.waits and any(request.is_preemptible for request in waiting if request.id in granted):
        deadlines.append(now + policy.min_run_s)  # then what was granted may have to yield
    deadlines += [at for name, at in alive.items() if name not in lost]
    deadlines += reservations.deadlines()
    deadlines += [deadline(request) for request in (*waiting, *timed) if request.id not in granted]
    wake_at = min((at for at in deadlines if at > now), default=FOREVER)
    decisions = Decisions(
        lost_nodes=tuple(sorted(lost)),
        ends=(*endings.ends, *withdrawn),
        grants=tuple(served.grants),
        waits=(*served.waits, *kept.waits),
        bookings=tuple(kept.bookings),
        displaced=tuple(kept.displaced),
        notices=tuple(endings.notices),
        withdrawn_notices=tuple(endings.withdrawn_notices),
        wake_at=None if wake_at == FOREVER else wake_at,
    )
    return Outcome(decisions=decisions, room=room)


def _is_drained(node: NodeView, now: float) -> bool:
    """Whether the time that a drain leaves to leases is over."""
    return node.drain_at is not None and node.drain_at <= now


def _closed(inventory: Inventory, answering: frozenset[str]) -> set[str]:
    """Return the names of nodes whose devices cannot be granted now."""
    known = inventory.nodes
    return {
        name
        for name in inventory.on_node
        if name not in answering or name not in known or known[name].is_cordoned
    }
