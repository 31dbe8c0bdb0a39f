"""What a simulation leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accelpool_broker.simulator.job import Job


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job.

    Attributes:
        started_s: When it ran first.
        ended_s: When it ended.
        waited_s: How long it waited in all, after each preemption too.
        preemptions: How often it was preempted.
        is_done: Whether it finished; else it was ended at its longest duration.
        busy_s: Device-seconds of its work that were done and kept.
        wasted_s: Device-seconds of its work that were lost, to preemption or because it did not finish.
    """

    job: Job
    started_s: float
    ended_s: float
    waited_s: float
    preemptions: int
    is_done: bool
    busy_s: float
    wasted_s: float


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What the pool did from an instant until the next sample.

    Attributes:
        busy: How many devices' worth of time is used.
        allocated: How many devices are leased, parts as parts.
        waiting: How many jobs wait.
    """

    at_s: float
    busy: float
    allocated: float
    waiting: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """A simulation's result.

    Attributes:
        name: Of the discipline.
        devices: How many there were.
        outcomes: In the order in which jobs ended.
        samples: In order of time; the last one is the end.
        backlogs: By tenant, for how long it had something waiting, and the device-seconds that it was leased
            in that time.
        weights: Of tenants; 1 for those that have none.
        decisions: How often the scheduler was asked.
    """

    name: str
    devices: int
    outcomes: Sequence[Outcome]
    samples: Sequence[Sample]
    backlogs: Mapping[str, tuple[float, float]]
    weights: Mapping[str, float]
    decisions: int
