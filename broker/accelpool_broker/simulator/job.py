"""A job of a trace: what it asks for, and what it really does.

A line of a trace is one JSON object with these fields; docs/simulator.md has them in a table.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from accelpool_broker.scheduler import WHOLE, Demand, Placement

MAX_S = 1e9  # about 30 years
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Seconds = Annotated[float, Meta(gt=0, le=MAX_S)]
Fraction = Annotated[float, Meta(gt=0, le=1)]


class Job(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):  # fmt: skip
    """A job.

    Attributes:
        id: Its name, once in a trace.
        submit_s: When it is submitted, after the trace's start.
        duration_s: How long it runs where nobody shares its devices.
        tenant: Who is charged.
        kind: What kind of device it asks for.
        api: What its programs are written for, where devices have a face for each API.
        count: How many devices.
        memory_bytes: Memory that it asks for on each.
        memory_fraction: The same as a part of the device's memory.
        compute: The part of each device's time that it asks for.
        exclusive: Whether it asks for whole devices.
        placement: How its devices are to lie.
        priority: Higher ones are served first.
        preemptible: Whether it may be ended for others.
        max_duration_s: The duration after which it is ended, told in advance; None if none is.
        busy: The part of `duration_s` for which it keeps each of its devices busy.
    """

    id: Name
    submit_s: Annotated[float, Meta(ge=0, le=MAX_S)]
    duration_s: Seconds
    tenant: Name = "default"
    kind: Literal["any", "gpu", "cpu", "accelerator", "custom"] = "any"
    api: Literal["", "opencl", "cuda"] = ""
    count: Annotated[int, Meta(ge=1, le=256)] = 1
    memory_bytes: Annotated[int, Meta(ge=1, le=(1 << 63) - 1)] | None = None
    memory_fraction: Fraction | None = None
    compute: Fraction | None = None
    exclusive: bool = False
    placement: Placement = Placement.NEAR
    priority: Annotated[int, Meta(ge=-1000, le=1000)] = 0
    preemptible: bool = False
    max_duration_s: Seconds | None = None
    busy: Annotated[float, Meta(ge=0, le=1)] = 1.0

    @property
    def demand(self) -> Demand:
        """What it asks for, in the scheduler's words."""
        return Demand(
            kind=self.kind,
            api=self.api,
            count=self.count,
            memory_bytes=self.memory_bytes,
            memory_ppm=None if self.memory_fraction is None else _ppm(self.memory_fraction),
            compute_ppm=None if self.compute is None else _ppm(self.compute),
            is_exclusive=self.exclusive,
            placement=self.placement,
        )

    @property
    def work_s(self) -> float:
        """Device-seconds of work."""
        return self.duration_s * self.busy * self.count


def _ppm(fraction: float) -> int:
    return max(1, round(fraction * WHOLE))
