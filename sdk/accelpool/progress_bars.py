"""Bars for what takes its time, on stderr, by Rich; they are gone once it is over."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from accelpool.progress_reports import ProgressKind, ProgressStep, Report
from accelpool.settings import Settings

MIB = 1 << 20
CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")


class Bars:
    """A bar for each step that is under way; called with steps, from any thread.

    Args:
        shown: Draws them.
    """

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._tasks: dict[tuple[ProgressKind, str], TaskID] = {}
        self._lock = threading.Lock()

    def __call__(self, step: ProgressStep) -> None:
        """Show a step as it is now; take it away once it is over."""
        key = (step.kind, step.name)
        with self._lock:
            if step.is_over:
                if (task := self._tasks.pop(key, None)) is not None:
                    self._shown.remove_task(task)
                return
            if key not in self._tasks:
                self._tasks[key] = self._shown.add_task("")
            self._shown.update(
                self._tasks[key], description=words(step), completed=step.done, total=step.total or None
            )


@contextlib.contextmanager
def bars() -> Iterator[Report | None]:
    """Lend bars on stderr until the end of the block; None where nobody would see them."""
    wanted = Settings.from_environment().has_progress
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield None
        return
    paper = Console(file=sys.stderr, markup=False, highlight=False, force_terminal=wanted or None)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=paper, transient=True) as shown:
        yield Bars(shown)


def words(step: ProgressStep) -> str:
    """Return a step in a line."""
    if step.kind in (ProgressKind.UPLOAD, ProgressKind.DOWNLOAD):
        return f"{step.kind}ing {step.done / MIB:.0f} of {step.total / MIB:.0f} MiB"
    if step.kind is ProgressKind.BUILD:
        return f"building {step.name}"
    position = f" at position {step.position}" if step.position else ""
    reason = f": {step.reason}" if step.reason else ""
    earliest = f"; at the earliest at {_time(step.earliest_at)}" if step.earliest_at else ""
    return Text(f"waiting{position}{reason}{earliest}".translate(CONTROLS)).plain


def _time(instant: str) -> str:
    with contextlib.suppress(ValueError):
        return f"{datetime.fromisoformat(instant).astimezone():%H:%M:%S}"
    return instant
