"""What time it is here when a device's clock shows a time: known from the commands themselves.

A command is queued on its device after it was posted here, and it ends there before that is heard of here:

    posted here  ≤  queued + offset        end + offset  ≤  heard of here

So each command bounds the offset from both sides, about as tightly as its messages were fast, and the bounds
of several are narrower than those of any. The middle is taken: it is wrong by half their distance at most, as
long as the clocks go equally fast, and whatever it is, nothing seems to happen before its cause. Clocks that
drift apart contradict the bounds in time; the newest command then begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Offset:
    """Nanoseconds to add to a device's time: something from `low_ns` to `high_ns`."""

    low_ns: int
    high_ns: int

    @property
    def middle_ns(self) -> int:
        """The best guess."""
        return (self.low_ns + self.high_ns) // 2

    @property
    def error_ns(self) -> int:
        """By how much it may be wrong, either way."""
        return (self.high_ns - self.low_ns + 1) // 2

    def narrowed(self, other: Offset) -> Offset:
        """Return what is within both, or the other one if nothing is."""
        low_ns, high_ns = max(self.low_ns, other.low_ns), min(self.high_ns, other.high_ns)
        return Offset(low_ns=low_ns, high_ns=high_ns) if low_ns <= high_ns else other


class DeviceClock:
    """One device's clock, as seen from here."""

    def __init__(self) -> None:
        self._known: Offset | None = None

    def observe(self, posted_ns: int, heard_ns: int, times: Sequence[int]) -> Offset | None:
        """Return the offset as far as it is known with one more command; None if its times cannot be.

        Args:
            posted_ns: When the command was posted here.
            heard_ns: When its end was heard of here.
            times: [queued, submit, start, end] on the device.
        """
        if len(times) != 4 or list(times) != sorted(times):
            return None
        seen = Offset(low_ns=posted_ns - times[0], high_ns=heard_ns - times[3])
        if seen.low_ns > seen.high_ns:
            return None
        self._known = seen if self._known is None else self._known.narrowed(seen)
        return self._known
