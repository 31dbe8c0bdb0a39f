"""How long a request stays: what decides whether it may have what others are promised."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.scheduler.views import ALWAYS, FOREVER, NEVER, Policy, Request


@dataclass(frozen=True)
class Stay:
    """When somebody leaves what he gets.

    Attributes:
        pass_by: As far as what is kept for waiting requests goes: those that cannot start before do not mind.
            NEVER if all do, ALWAYS if none does.
        leaves_at: As far as what is reserved goes: by then he has left, or can be told to in time.
    """

    pass_by: float = NEVER
    leaves_at: float = FOREVER


UNBOUND, WHATEVER = Stay(), Stay(ALWAYS, -FOREVER)


def ends_by(request: Request, now: float) -> float:
    """Return when a request that is granted now ends of itself, FOREVER for never."""
    if request.ends_at is not None:
        return request.ends_at
    return FOREVER if request.duration_s is None else now + request.duration_s


def stay_of(request: Request, policy: Policy, now: float) -> Stay:
    """Return how long a request stays that is granted now."""
    leaves_at = ends_by(request, now)
    if request.is_preemptible:
        return Stay(ALWAYS, min(leaves_at, now + policy.min_run_s + policy.lead_s))
    is_short = request.duration_s is not None and request.duration_s <= policy.backfill_s
    return Stay(leaves_at if is_short else NEVER, leaves_at)
