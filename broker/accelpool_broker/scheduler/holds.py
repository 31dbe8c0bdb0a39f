"""What is had of a device, or of a quota, from one instant to another: leases and reservations alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accelpool_broker.scheduler.views import FOREVER, Share


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Memory and compute that somebody has for a time; the end does not belong to it."""

    id: str
    starts_at: float
    ends_at: float
    memory_bytes: int
    compute_ppm: int


def hold_of(id: str, shares: Iterable[Share], *, starts_at: float = -FOREVER, ends_at: float) -> Hold:
    """Return the hold of shares: of one device, or of all of a tenant's."""
    shares = tuple(shares)
    return Hold(
        id=id,
        starts_at=starts_at,
        ends_at=ends_at,
        memory_bytes=sum(share.memory_bytes for share in shares),
        compute_ppm=sum(share.compute_ppm for share in shares),
    )


def peak(holds: Iterable[Hold], starts_at: float, ends_at: float) -> tuple[int, int]:
    """Return the most memory and the most compute that are had at once within a time, not before 0 and 0."""
    within = [hold for hold in holds if hold.starts_at < ends_at and hold.ends_at > starts_at]
    if all(hold.starts_at <= starts_at for hold in within):  # the most is had at once: the quick way
        return sum(hold.memory_bytes for hold in within), sum(hold.compute_ppm for hold in within)
    changes = []
    for hold in within:
        changes.append((max(hold.starts_at, starts_at), 1, hold.memory_bytes, hold.compute_ppm))
        changes.append((hold.ends_at, 0, -hold.memory_bytes, -hold.compute_ppm))
    memory_bytes = compute_ppm = most_bytes = most_ppm = 0
    for _, _, more_bytes, more_ppm in sorted(changes):  # of two at once the end comes first
        memory_bytes, compute_ppm = memory_bytes + more_bytes, compute_ppm + more_ppm
        most_bytes, most_ppm = max(most_bytes, memory_bytes), max(most_ppm, compute_ppm)
    return most_bytes, most_ppm


def first_gap(holds: Sequence[Hold], at: float, lasts_s: float, memory_bytes: int, compute_ppm: int) -> float:
    """Return when no more than so much is had for so long, from an instant on; FOREVER for never."""
    for begin in sorted({at, *(hold.ends_at for hold in holds if at < hold.ends_at < FOREVER)}):
        most_bytes, most_ppm = peak(holds, begin, begin + lasts_s)
        if most_bytes <= memory_bytes and most_ppm <= compute_ppm:
            return begin
    return FOREVER
