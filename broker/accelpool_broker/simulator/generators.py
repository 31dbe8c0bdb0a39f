"""Made-up traces after published distributions; docs/simulator.md says which number is from where.

    ci          jobs of minutes, in bursts over a working day; most keep a device busy for a small part of it
    training    jobs of seconds to days on one to sixteen devices

Sources:
    Weng et al., MLaaS in the Wild, NSDI 2022 (PAI 2020): 5 % of users submit 77 % of the instances; of the
        instances in its trace, a device is busy 1.5 % of the time in the median, 10.5 % in the mean
    Weng et al., Beware of Fragmentation, ATC 2023 (PAI 2023): 37.8 % of the tasks ask for a part of a GPU,
        48.0 % for one
    Hu et al., Characterization and Prediction of Deep Learning Workloads, SC 2021 (Helios): GPU jobs last
        206 s in the median, 6,652 s in the mean
    Jeon et al., Analysis of Large-Scale Multi-Tenant GPU Clusters, ATC 2019 (Philly): GPUs in use are busy
        for 52 % of the time in the mean
    CircleCI, State of Software Delivery 2023 and The Data-Driven Case for CI 2019: workflows last 3.3 min in
        the median, 80 % of them less than 10 min
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import cos, log, pi
from random import Random
from typing import Any, TypeVar

from accelpool_broker.simulator.job import Job

T = TypeVar("T")
HOUR_S = 3600.0
TENANTS = 40
TENANT_SKEW = 2.0  # Zipf; the top two of 40 have 77 %
DAY_SWING = 0.85  # how far the rate of arrivals swings about its mean; least at 2:00, most at 14:00

CI_MEDIAN_S, CI_SIGMA, CI_RANGE_S = 198.0, 1.317, (5.0, 3600.0)
CI_BUSY_MEDIAN, CI_BUSY_SIGMA, CI_BUSY_LEAST = 0.015, 2.13, 0.001
CI_BATCH = 4.0  # jobs of one push, in the mean
CI_PARTS = {0.125: 0.45, 0.25: 0.35, 0.5: 0.1, 1.0: 0.1}
CI_LIMITS_S = (600.0, 1800.0, 3600.0, 7200.0)  # the first that is twice the duration
CI_LIMIT_KNOWN = 0.5

TRAINING_MEDIAN_S, TRAINING_SIGMA, TRAINING_RANGE_S = 206.0, 2.636, (10.0, 5 * 86400.0)
TRAINING_BUSY = (1.1, 1.0)  # Beta; 0.52 in the mean
TRAINING_COUNTS = {1: 0.75, 2: 0.09, 4: 0.06, 8: 0.08, 16: 0.02}
TRAINING_SHARED = 0.44  # of the jobs on one device
TRAINING_PARTS = {0.25: 0.4, 0.5: 0.6}
TRAINING_PREEMPTIBLE = 0.25
TRAINING_URGENT = 0.1


def generate(name: str, *, jobs: int, hours: float, seed: int) -> list[Job]:
    """Return a made-up trace, by submission; the same for the same arguments.

    Args:
        name: A key of `GENERATORS`.
        jobs: How many.
        hours: Over how long they are submitted, from midnight on.
        seed: The only source of chance.
    """
    return GENERATORS[name](jobs, hours * HOUR_S, Random(seed))  # noqa: S311 - no secret depends on it


def _ci(jobs: int, until_s: float, random: Random) -> list[Job]:
    starts = _arrivals(jobs, until_s, random, batch=CI_BATCH)
    return [_ci_job(number, tenant, at, random) for number, (at, tenant) in enumerate(starts)]


def _ci_job(number: int, tenant: str, at: float, random: Random) -> Job:
    part = _pick(CI_PARTS, random)
    duration_s = _bounded(random.lognormvariate(log(CI_MEDIAN_S), CI_SIGMA), CI_RANGE_S)
    busy = _bounded(random.lognormvariate(log(CI_BUSY_MEDIAN), CI_BUSY_SIGMA), (CI_BUSY_LEAST, 1.0))
    limit_s = next(limit_s for limit_s in CI_LIMITS_S if limit_s >= 2 * duration_s)
    is_known = random.random() < CI_LIMIT_KNOWN
    wants: Mapping[str, Any] = {"exclusive": True} if part == 1.0 else {"memory_fraction": part}
    return Job(
        id=f"ci{number:06}",
        submit_s=at,
        duration_s=duration_s,
        tenant=tenant,
        max_duration_s=limit_s if is_known else None,
        busy=busy,
        **wants,
    )


def _training(jobs: int, until_s: float, random: Random) -> list[Job]:
    starts = _arrivals(jobs, until_s, random, batch=1.0)
    return [_training_job(number, tenant, at, random) for number, (at, tenant) in enumerate(starts)]


def _training_job(number: int, tenant: str, at: float, random: Random) -> Job:
    count = _pick(TRAINING_COUNTS, random)
    duration_s = _bounded(random.lognormvariate(log(TRAINING_MEDIAN_S), TRAINING_SIGMA), TRAINING_RANGE_S)
    busy = random.betavariate(*TRAINING_BUSY)
    is_shared = random.random() < TRAINING_SHARED
    part = _pick(TRAINING_PARTS, random)
    wants: Mapping[str, Any] = {"memory_fraction": part} if count == 1 and is_shared else {}
    is_preemptible = random.random() < TRAINING_PREEMPTIBLE
    is_urgent = random.random() < TRAINING_URGENT
    return Job(
        id=f"training{number:06}",
        submit_s=at,
        duration_s=duration_s,
        tenant=tenant,
        count=count,
        priority=int(is_urgent and not is_preemptible),
        preemptible=is_preemptible,
        busy=_bounded(busy, (0.01, 1.0)),
        **wants,
    )


def _arrivals(jobs: int, until_s: float, random: Random, *, batch: float) -> Sequence[tuple[float, str]]:
    """Return so many instants, by time, with who submits then: batches of geometric size over the day."""
    names = {f"tenant{rank:02}": rank**-TENANT_SKEW for rank in range(1, TENANTS + 1)}
    found: list[tuple[float, str]] = []
    while len(found) < jobs:
        at, tenant = _instant(until_s, random), _pick(names, random)
        found.append((at, tenant))
        while len(found) < jobs and random.random() < 1 - 1 / batch:
            found.append((at, tenant))
    return sorted(found)


def _instant(until_s: float, random: Random) -> float:
    """Return an instant that is likelier by day (by rejection)."""
    while True:
        at = random.random() * until_s
        rate = 1 - DAY_SWING * cos(2 * pi * (at / HOUR_S - 2) / 24)
        if random.random() * (1 + DAY_SWING) < rate:
            return at


def _pick(weights: Mapping[T, float], random: Random) -> T:
    return random.choices(list(weights), list(weights.values()))[0]


def _bounded(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


GENERATORS: Mapping[str, Callable[[int, float, Random], list[Job]]] = {"ci": _ci, "training": _training}
