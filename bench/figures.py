"""From samples in seconds to figures in a metric's unit."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

UNITS: dict[str, Callable[[float], float]] = {
    "us": lambda seconds: seconds * 1e6,
    "ms": lambda seconds: seconds * 1e3,
    "per_s": lambda seconds: 1 / seconds,
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a series of samples comes to."""

    median: float
    p10: float
    p90: float
    max: float
    n: int


def figure(samples: Iterable[float]) -> Figure:
    """Return the figure of samples, of which there is at least one."""
    ordered = sorted(samples)
    return Figure(
        median=statistics.median(ordered),
        p10=_quantile(ordered, 0.1),
        p90=_quantile(ordered, 0.9),
        max=ordered[-1],
        n=len(ordered),
    )


def _quantile(ordered: list[float], part: float) -> float:
    """Return the nearest sample at or above a part of all."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


class Samples:
    """All samples of a run, in seconds, by group, side and series."""

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)

    def add(self, group: str, side: str, series: dict[str, list[float]]) -> None:
        """Add what a block gave."""
        for name, seconds in series.items():
            self._seconds[group, side, name] += seconds

    def figure(self, group: str, side: str, series: str, unit: str, size: int = 0) -> Figure | None:
        """Return a series' figure in a unit, or None if there are no samples.

        Args:
            group: Which group.
            side: Which side.
            series: Which series.
            unit: "us", "ms", "per_s" or "GB/s".
            size: Bytes in a sample, for GB/s.
        """
        seconds = self._seconds.get((group, side, series))
        if not seconds:
            return None
        convert = UNITS.get(unit, lambda spent: size / spent / 1e9)
        return figure(convert(spent) for spent in seconds)
