"""Where the broker gets its time from: instants, in seconds since the Unix epoch, and durations."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return the present instant, in seconds since the Unix epoch."""
        ...

    def elapsed(self) -> float:
        """Return the seconds since some start; they never go back."""
        ...


class SystemClock:
    """The machine's wall clock: leases end at instants that nodes and other brokers must agree on."""

    def now(self) -> float:
        """Return the present instant, in seconds since the Unix epoch."""
        return time.time()

    def elapsed(self) -> float:
        """Return the seconds since some start; they never go back."""
        return time.monotonic()
