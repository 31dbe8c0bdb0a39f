"""How far what takes its time is: waits in the queue, transfers, builds. Off unless `progress` turns it on.

with accelpool.progress():                bars on stderr, if that is a terminal
    ...
with accelpool.progress(report):          report(step), from this thread and from others
    ...

It holds for what the block runs in its own thread, or in the tasks that it makes. What is over within a
moment is not reported. Where it is off, each transfer looks once whether it is on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from enum import StrEnum

FIRST_S = 0.3
EVERY_S = 0.1
LARGE_BYTES = 1 << 20


class ProgressKind(StrEnum):
    """What is under way."""

    QUEUE = "queue"
    UPLOAD = "upload"
    DOWNLOAD = "download"
    BUILD = "build"


@dataclass(frozen=True, kw_only=True)
class ProgressStep:
    """How far something is.

    Attributes:
        kind: What it is.
        name: Which, for people: a lease's id, "67108864 bytes", "a program".
        done: How many bytes of an upload have left this machine, or of a download have come.
        total: How many there are; 0 of what has no bytes.
        position: A waiting lease's place in the queue, from 1; None if it has none.
        reason: Why it waits.
        earliest_at: When it is granted at the earliest, in RFC 3339 form; None if nobody knows.
        is_over: Whether it has ended, well or not.
    """

    kind: ProgressKind
    name: str
    done: int = 0
    total: int = 0
    position: int | None = None
    reason: str = ""
    earliest_at: str | None = None
    is_over: bool = False


Report = Callable[[ProgressStep], object]

_report: ContextVar[Report | None] = ContextVar("accelpool.progress", default=None)


@contextlib.contextmanager
def progress(report: Report | None = None) -> Iterator[None]:
    """Tell how far waits in the queue, uploads, downloads and builds are, until the end of the `with` block.

    Args:
        report: Called with each `ProgressStep`, often from another thread; it must not take long. Without it
            there are bars on stderr if that is a terminal; `ACCELPOOL_PROGRESS=1` has them anywhere, `0`
            nowhere.
    """
    if report is None:
        from accelpool.progress_bars import bars  # Rich is slow to import, and few need it

        with bars() as shown, _reporting(shown):
            yield
    else:
        with _reporting(report):
            yield


@contextlib.contextmanager
def _reporting(report: Report | None) -> Iterator[None]:
    token = _report.set(report)
    try:
        yield
    finally:
        _report.reset(token)


def current_report() -> Report | None:
    """Return whom to tell, None if nobody wants to know."""
    return _report.get()


def transfer_report(size_bytes: int) -> Report | None:
    """Return whom to tell of an upload or a download, None if nobody wants to know or it is small."""
    report = _report.get()
    return report if size_bytes >= LARGE_BYTES else None


@contextlib.contextmanager
def build_progress() -> Iterator[None]:
    """Tell of a build until the end of the block, if anybody wants to know."""
    if (report := _report.get()) is None:
        yield
        return
    with ticking(report, lambda: ProgressStep(kind=ProgressKind.BUILD, name="a program")):
        yield


@contextlib.contextmanager
def ticking(report: Report, step: Callable[[], ProgressStep]) -> Iterator[None]:
    """Report a step again and again until the end of the block, and then that it is over.

    Args:
        report: Whom to tell.
        step: Returns how far it is now; called from another thread.
    """
    is_over, has_told = threading.Event(), threading.Event()

    def tick() -> None:
        pause_s = FIRST_S
        while not is_over.wait(pause_s):
            has_told.set()
            report(step())
            pause_s = EVERY_S

    thread = threading.Thread(target=tick, name="accelpool-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        if has_told.is_set():
            report(replace(step(), is_over=True))
