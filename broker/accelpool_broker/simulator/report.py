"""What is printed: a table of the policies side by side, or one JSON document."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from accelpool_broker.simulator.job import Job
from accelpool_broker.simulator.measures import Measures
from accelpool_broker.simulator.pool import Pool

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
ROWS: tuple[tuple[str, Callable[[Measures], str]], ...] = (
    ("devices", lambda found: f"{found.devices}"),
    ("jobs done", lambda found: f"{found.done} of {found.jobs}"),
    ("time span", lambda found: duration(found.span_s)),
    ("utilisation", lambda found: percent(found.utilisation)),
    ("  of it wasted", lambda found: percent(found.wasted)),
    ("allocated", lambda found: percent(found.allocated)),
    ("wait, mean", lambda found: duration(found.wait_mean_s)),
    ("wait, median", lambda found: duration(found.wait_median_s)),
    ("wait, p95", lambda found: duration(found.wait_p95_s)),
    ("wait, max", lambda found: duration(found.wait_max_s)),
    ("slowdown, mean", lambda found: f"{found.slowdown_mean:.2f}"),
    ("slowdown, p95", lambda found: f"{found.slowdown_p95:.2f}"),
    ("fairness", lambda found: f"{found.fairness:.2f}"),
    ("preemptions", lambda found: f"{found.preemptions}"),
)


def duration(seconds: float) -> str:
    """Return a duration in the largest unit that leaves more than one of it."""
    for unit, name in ((DAY_S, "d"), (HOUR_S, "h"), (MINUTE_S, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"


def percent(part: float) -> str:
    """Return a part as a percentage."""
    return f"{100 * part:.1f} %"


def table(measures: Sequence[Measures]) -> str:
    """Return a table with one column for each policy."""
    lines = [("", *(found.policy for found in measures))]
    lines += [(name, *(tell(found) for found in measures)) for name, tell in ROWS]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        + "\n"
        for line in lines
    )


def heading(jobs: Sequence[Job], pool: Pool) -> str:
    """Return a line about the trace."""
    asked_s = sum(job.duration_s * job.count for job in jobs)
    busy_s = sum(job.work_s for job in jobs)
    span_s = max(job.submit_s for job in jobs) - min(job.submit_s for job in jobs)
    return (
        f"{len(jobs)} jobs submitted over {duration(span_s)}; alone they would have {asked_s / HOUR_S:.1f} "
        f"device-hours, and keep devices busy for {busy_s / HOUR_S:.1f} of them\n"
        f"nodes of {pool.per_node} {pool.kind} devices of {pool.memory_bytes / (1 << 30):g} GiB\n"
    )


def document(measures: Sequence[Measures], plot: str | None) -> str:
    """Return the JSON document."""
    return json.dumps({"policies": [asdict(found) for found in measures], "plot": plot}, indent=2) + "\n"
