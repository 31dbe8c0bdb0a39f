"""What a run was like, in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from accelpool_broker.simulator.run import Run


@dataclass(frozen=True, kw_only=True)
class Measures:
    """A run's numbers.

    Attributes:
        policy: The discipline's name.
        devices: How many devices there were.
        jobs: How many jobs there were.
        done: How many of them finished; the others were ended at their longest duration.
        span_s: From the first submission to the last end.
        utilisation: The part of all devices' time, over the span, in which they were busy.
        wasted: The part of it that was lost, to preemption or because a job did not finish; utilisation
            contains it.
        allocated: The part of all devices' time that was leased, parts as parts.
        wait_mean_s: How long jobs waited, all of a job's waits added up.
        wait_median_s: Its median.
        wait_p95_s: Its 95th percentile.
        wait_max_s: The longest one.
        slowdown_mean: From submission to end, for the job's duration alone; 1 is ideal.
        slowdown_p95: Its 95th percentile.
        fairness: See `fairness_of`.
        preemptions: How often jobs were preempted.
        decisions: How often the scheduler was asked.
    """

    policy: str
    devices: int
    jobs: int
    done: int
    span_s: float
    utilisation: float
    wasted: float
    allocated: float
    wait_mean_s: float
    wait_median_s: float
    wait_p95_s: float
    wait_max_s: float
    slowdown_mean: float
    slowdown_p95: float
    fairness: float
    preemptions: int
    decisions: int


def measure(run: Run) -> Measures:
    """Return a run's numbers; it has at least one job."""
    outcomes = run.outcomes
    span_s = run.samples[-1].at_s - run.samples[0].at_s
    device_s = span_s * run.devices
    waits = np.array([outcome.waited_s for outcome in outcomes])
    slowdowns = np.array(
        [(outcome.ended_s - outcome.job.submit_s) / outcome.job.duration_s for outcome in outcomes]
    )
    wasted_s = sum(outcome.wasted_s for outcome in outcomes)
    return Measures(
        policy=run.name,
        devices=run.devices,
        jobs=len(outcomes),
        done=sum(outcome.is_done for outcome in outcomes),
        span_s=span_s,
        utilisation=(sum(outcome.busy_s for outcome in outcomes) + wasted_s) / device_s,
        wasted=wasted_s / device_s,
        allocated=_allocated_s(run) / device_s,
        wait_mean_s=float(waits.mean()),
        wait_median_s=float(np.median(waits)),
        wait_p95_s=float(np.percentile(waits, 95)),
        wait_max_s=float(waits.max()),
        slowdown_mean=float(slowdowns.mean()),
        slowdown_p95=float(np.percentile(slowdowns, 95)),
        fairness=fairness_of(run.backlogs, run.weights),
        preemptions=sum(outcome.preemptions for outcome in outcomes),
        decisions=run.decisions,
    )


def fairness_of(backlogs: Mapping[str, tuple[float, float]], weights: Mapping[str, float]) -> float:
    """Return how equally tenants were served while they had something waiting, from 1 / tenants to 1.

    It is Jain's index of the devices that a tenant had on average in that time, for its weight. Tenants that
    never waited do not count; 1 if none did.

    Source: Jain, Chiu and Hawe, A Quantitative Measure of Fairness, DEC-TR-301, 1984.
    """
    return jain(
        [
            received / time_s / weights.get(tenant, 1.0)
            for tenant, (time_s, received) in backlogs.items()
            if time_s > 0
        ]
    )


def jain(values: Sequence[float]) -> float:
    """Return Jain's index of some amounts: (sum)² / (number · sum of squares); 1 if there is nothing."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0


def _allocated_s(run: Run) -> float:
    at_s = np.array([sample.at_s for sample in run.samples])
    allocated = np.array([sample.allocated for sample in run.samples])
    return float(np.sum(np.diff(at_s) * allocated[:-1]))
