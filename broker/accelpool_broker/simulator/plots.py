"""The picture of a simulation: how busy the devices were, how many jobs waited, and for how long.

Matplotlib is imported when a picture is drawn, not before: a simulation without one does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from accelpool_broker.simulator.errors import PlottingMissing, SimulatorError
from accelpool_broker.simulator.measures import Measures
from accelpool_broker.simulator.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
SUFFIXES = (".png", ".svg")
BINS = 72
HOUR_S = 3600.0
COLOURS = ("#b0502f", "#2f6fb0", "#4d8f4d", "#7d5ba6", "#8a8a8a")
TICKS_S = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36000: "10 h", 864000: "10 d"}


def require_plotting(file: Path) -> None:
    """Make sure that a picture can be drawn, before anything is simulated.

    Raises:
        SimulatorError: The file's name does not end with .png or .svg, or its folder is missing.
        PlottingMissing: Matplotlib is not installed.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise SimulatorError(f"--plot takes a file that ends with {' or '.join(SUFFIXES)}, not {file}")
    if not file.absolute().parent.is_dir():
        raise SimulatorError(f"--plot: there is no folder {file.parent}")
    if find_spec("matplotlib") is None:
        raise PlottingMissing


def draw(runs: Sequence[Run], measures: Sequence[Measures], file: Path) -> None:
    """Write a picture of some runs of one trace."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 7), layout="constrained", dpi=144)
    axes = figure.subplot_mosaic([["use", "queue"], ["wait", "wait"]])
    use, queue, wait = axes["use"], axes["queue"], axes["wait"]
    for run, found, colour in zip(runs, measures, cycle(COLOURS), strict=False):
        name = f"{found.policy}, {found.devices} devices"
        _draw_use(use, run, colour)
        _draw_queue(queue, run, colour)
        _draw_waits(wait, run, name, colour)
    _finish(use, "Utilisation", "device time that is used, %")
    _finish(queue, "Queue", "jobs that wait")
    _finish_waits(wait)
    figure.legend(*wait.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    figure.savefig(file, metadata=_no_date(file))


def _draw_use(axes: Axes, run: Run, colour: str) -> None:
    at, busy = binned(run, [sample.busy for sample in run.samples])
    axes.plot(at, 100 * busy / run.devices, color=colour, linewidth=1.6)


def _draw_queue(axes: Axes, run: Run, colour: str) -> None:
    at, waiting = binned(run, [float(sample.waiting) for sample in run.samples])
    axes.plot(at, waiting, color=colour, linewidth=1.6)


def _draw_waits(axes: Axes, run: Run, name: str, colour: str) -> None:
    waits = np.sort([max(outcome.waited_s, 1e-3) for outcome in run.outcomes])
    part = 100 * np.arange(1, len(waits) + 1) / len(waits)
    axes.step(waits, part, where="post", color=colour, linewidth=1.8, label=name)
    p95 = float(np.percentile(waits, 95))
    axes.plot([max(p95, 1.0)], [95], marker="o", markersize=6, color=colour, clip_on=False, zorder=3)


def _finish(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_ylabel(unit)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("hours since the first submission")
    _lighten(axes)


def _finish_waits(axes: Axes) -> None:
    axes.set_title("Jobs that waited no longer than …", loc="left", fontsize=11, fontweight="bold")
    axes.set_ylabel("of all jobs, %")
    axes.set_xscale("log")
    longest = max(axes.dataLim.x1, 60.0)
    axes.set_xlim(1, longest * 1.3)
    shown = {at: name for at, name in TICKS_S.items() if at <= longest * 1.3}
    axes.set_xticks(list(shown), labels=list(shown.values()))
    axes.minorticks_off()
    axes.set_ylim(0, 101)
    axes.axhline(95, color="#999999", linewidth=0.8, linestyle=(0, (4, 4)), zorder=0)
    axes.annotate("95 %", (1.05, 95), va="bottom", fontsize=8, color="#777777")
    _lighten(axes)


def _lighten(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)


def binned(run: Run, values: Sequence[float]) -> tuple[Array, Array]:
    """Return the middles of equal spans of time, in hours, and the mean of a step function over each."""
    at_s = np.array([sample.at_s for sample in run.samples]) - run.samples[0].at_s
    edges = np.linspace(0.0, max(at_s[-1], 1e-9), BINS + 1)
    integral = np.concatenate(([0.0], np.cumsum(np.diff(at_s) * np.array(values[:-1]))))
    means = np.diff(np.interp(edges, at_s, integral)) / np.diff(edges)
    return (edges[:-1] + edges[1:]) / 2 / HOUR_S, means


def _no_date(file: Path) -> dict[str, Any]:
    """Return what keeps the date out of a file, so that the same runs give the same picture."""
    return {"Date": None} if file.suffix.lower() == ".svg" else {}
