"""How jobs become requests: as they ask (ours), or as a queue for whole devices has it (exclusive).

Both go through the same scheduler. The exclusive one turns each demand into whole devices and takes away all
by which the scheduler tells requests apart (tenant, priority, preemption, known duration), so that what is
left is the order of arrival: the first one keeps what is free until it has enough, and nobody passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from accelpool_broker.scheduler import Policy, Request
from accelpool_broker.simulator.job import Job


@dataclass(frozen=True, kw_only=True)
class Discipline:
    """A way to serve jobs.

    Attributes:
        name: What it is called.
        request: Makes a job's request, given its place in the order of arrival.
        policy: The scheduler's rules.
        weights: Weights of tenants; 1 for those that have none.
    """

    name: str
    request: Callable[[Job, int], Request]
    policy: Policy = field(default_factory=Policy)
    weights: Mapping[str, float] = field(default_factory=dict)


def ours(policy: Policy | None = None, weights: Mapping[str, float] | None = None) -> Discipline:
    """Return the discipline of the pool: demands as they are."""
    return Discipline(name="ours", request=_as_asked, policy=policy or Policy(), weights=weights or {})


def exclusive(weights: Mapping[str, float] | None = None) -> Discipline:
    """Return the discipline of a queue for whole devices, in order of arrival; weights are for measures."""
    return Discipline(name="exclusive", request=_whole, policy=Policy(keep_depth=1), weights=weights or {})


def _as_asked(job: Job, order: int) -> Request:
    return Request(
        id=job.id,
        order=order,
        alternatives=(job.demand,),
        tenant=job.tenant,
        priority=job.priority,
        is_preemptible=job.preemptible,
        duration_s=job.max_duration_s,
    )


def _whole(job: Job, order: int) -> Request:
    demand = replace(job.demand, is_exclusive=True, memory_ppm=None, compute_ppm=None)
    return Request(id=job.id, order=order, alternatives=(demand,))
