"""Keeps child processes running: one that ends is started again, at once at first, later with longer pauses.

ran for                 next start after
60 s or longer          0.5 s
less                    twice the pause before, at most 30 s
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelpool.cli.children import Child
from accelpool.cli.failures import StartFailed

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
GOOD_RUN_S = 60.0


def next_pause_s(pause_s: float, ran_s: float) -> float:
    """Return how long to wait before a child is started again.

    Args:
        pause_s: The pause before its last start, 0 for its first.
        ran_s: How long it ran.
    """
    if ran_s >= GOOD_RUN_S or pause_s == 0.0:
        return FIRST_PAUSE_S
    return min(LONGEST_PAUSE_S, 2 * pause_s)


@dataclass(kw_only=True)
class _Watched:
    child: Child
    started_at: float
    pause_s: float = 0.0
    due_at: float | None = None


class Supervisor:
    """Keeps children running that were started already.

    Args:
        children: The children.
        tell: Called with what happened to them, a line each.
        clock: Seconds from any start, never going back.
    """

    def __init__(
        self,
        children: Sequence[Child],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._watched = [_Watched(child=child, started_at=clock()) for child in children]

    def run(self) -> None:
        """Keep them running until an exception, such as the one of a signal, ends it."""
        while True:
            self.step()

    def step(self) -> None:
        """Wait until something happens, and do what it calls for."""
        self._wait()
        for watched in self._watched:
            if watched.due_at is not None:
                self._start_if_due(watched)
            else:
                self._look_after(watched)

    def _wait(self) -> None:
        poller = select.poll()
        for watched in self._watched:
            if watched.child.is_running:
                for descriptor in watched.child.descriptors():
                    poller.register(descriptor, select.POLLIN)
        due = [watched.due_at for watched in self._watched if watched.due_at is not None]
        poller.poll(max(0.0, min(due) - self._clock()) * 1000 if due else None)

    def _look_after(self, watched: _Watched) -> None:
        child = watched.child
        child.drain()
        status = child.reap()
        if status is None:
            return
        now = self._clock()
        self._schedule(watched, now - watched.started_at, _ending(child, status))

    def _start_if_due(self, watched: _Watched) -> None:
        now = self._clock()
        if watched.due_at is None or watched.due_at > now:
            return
        watched.due_at, watched.started_at = None, now
        try:
            watched.child.start()
        except StartFailed as error:
            self._schedule(watched, 0.0, str(error))

    def _schedule(self, watched: _Watched, ran_s: float, why: str) -> None:
        watched.pause_s = next_pause_s(watched.pause_s, ran_s)
        watched.due_at = self._clock() + watched.pause_s
        self._tell(f"{why}; starting it again in {watched.pause_s:g} s (log: {watched.child.log_path})")


def _ending(child: Child, status: int) -> str:
    how = f"was killed by signal {-status}" if status < 0 else f"ended with exit code {status}"
    words = child.last_words() if status > 0 else ""
    return f"the {child.name} {how}" + (f": {words}" if words else "")
