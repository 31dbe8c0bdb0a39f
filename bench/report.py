"""The result: one JSON line per metric for programs, one table for people."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from bench.figures import Figure, Samples
from bench.metrics import Metric, figures_of

Row = dict[str, Any]
WIDTHS = (34, 6, 10, 10, 7, 21, 10, 5)
BUSY = 0.5
HEADINGS = ("metric", "unit", "pool", "local", "ratio", "pool p10 .. p90", "pool max", "met")


def row(metric: Metric, samples: Samples, device: str) -> Row | None:
    """Return a metric's JSON object, or None if it was not measured."""
    pool, local = figures_of(metric, samples)
    if pool is None and local is None:
        return None
    aim = metric.aim(samples, pool, local) if metric.aim and pool else None
    made: Row = {
        "metric": metric.name,
        "unit": metric.unit,
        "pool": None if metric.is_floor else _median(pool),
        "local": _median(local),
        "ratio": _rounded(pool.median / local.median) if pool and local else None,
        "aim": aim.text if aim else None,
        "meets_aim": aim.is_met if aim else None,
        "device": device,
        "n": (pool or local or _nothing()).n,
    }
    if metric.is_floor:
        made["floor"] = _median(pool)
    if metric.size:
        made["bytes"] = metric.size
    if metric.size and metric.unit == "us":
        made["gb_per_s"] = {
            side: _rounded(metric.size / figure.median / 1e3)
            for side, figure in (("pool", pool), ("local", local))
            if figure
        }
    sides = (("floor" if metric.is_floor else "pool", pool), ("local", local))
    made["spread"] = {side: _spread(figure) for side, figure in sides if figure}
    return made


def lines(rows: Iterable[Row]) -> str:
    """Return one JSON line per metric."""
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def table(rows: Sequence[Row]) -> str:
    """Return the table for people."""
    text = [_line(HEADINGS) + "  aim", "-" * (sum(WIDTHS) + 2 * len(WIDTHS) + 30)]
    text += [_table_row(row) for row in rows]
    missed = [row["metric"] for row in rows if row["meets_aim"] is False]
    aims = sum(row["meets_aim"] is not None for row in rows)
    text.append("")
    text.append(f"{aims - len(missed)} of {aims} aims met{'; missed: ' if missed else ''}{', '.join(missed)}")
    return "\n".join(text)


def heading(device: str, runtime: str) -> str:
    """Return what figures are worth nothing without: machine, runtime, load."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    busy = "; other work is running: the figures are worse than the pool" if load > cores * BUSY else ""
    return (
        f"device {device} ({runtime}); {cores} cores, {platform.machine()}, loopback; "
        f"Python {platform.python_version()}; load average {load:.2f}{busy}"
    )


def _table_row(row: Row) -> str:
    spread = (
        row["spread"].get("pool") or row["spread"].get("floor") or {"p10": None, "p90": None, "max": None}
    )
    met = {True: "yes", False: "NO", None: ""}[row["meets_aim"]]
    cells = (
        row["metric"],
        row["unit"],
        _shown(row["pool"] if "floor" not in row else row["floor"]),
        _shown(row["local"]),
        _shown(row["ratio"]),
        f"{_shown(spread['p10'])} .. {_shown(spread['p90'])}",
        _shown(spread["max"]),
        met,
    )
    return f"{_line(cells)}  {row['aim'] or ''}".rstrip()


def _line(cells: Sequence[str]) -> str:
    first, *rest = zip(cells, WIDTHS, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)])


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"


def _spread(figure: Figure) -> dict[str, float]:
    return {name: _rounded(value) for name, value in asdict(figure).items() if name in ("p10", "p90", "max")}


def _median(figure: Figure | None) -> float | None:
    return None if figure is None else _rounded(figure.median)


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _nothing() -> Figure:
    return Figure(median=0.0, p10=0.0, p90=0.0, max=0.0, n=0)
