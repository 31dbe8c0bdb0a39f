"""Requests for a time to come: accepted with room, or refused with what is in the way."""

from __future__ import annotations

from accelpool_broker import scheduler
from accelpool_broker.models import Lease
from accelpool_broker.services.changes import Change
from accelpool_broker.services.picture import Picture
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.views import request_view, write_booking
from accelpool_wire.errors import Conflict, Invalid

MAX_TOLD = 32  # leases in the way
MAX_RESERVATIONS = 256  # that have not begun
MAX_OF_TENANT = 64


def check_period(starts_at: float | None, now: float, policy: scheduler.Policy) -> None:
    """Raise Invalid unless a time begins in the future, and not too far ahead."""
    if starts_at is None:
        return
    if starts_at <= now:
        raise Invalid("starts_at is over: leave it out for devices from now on")
    if starts_at > now + policy.reserve_ahead_s:
        raise Invalid(f"starts_at is more than {policy.reserve_ahead_s / 86400:g} days ahead")


def reserve(pool: Pool, change: Change, lease: Lease) -> None:
    """Reserve devices for a new request, if it has a time.

    Raises:
        Conflict: There is no room at that time as things are; its members say who has the devices.
    """
    if lease.starts_at is None:
        return
    _check_number(change.picture(), lease)
    outcome = pool.look(change.picture(), change.now)
    decisions = outcome.decisions
    booking = next((booking for booking in decisions.bookings if booking.lease == lease.id), None)
    if booking is None:
        reason = next(wait.reason for wait in decisions.waits if wait.lease == lease.id)
        leases = scheduler.in_the_way(request_view(lease), outcome.room)[:MAX_TOLD]
        in_the_way = f"; in the way: {', '.join(leases)}" if leases else ""
        raise Conflict(f"{reason}{in_the_way}", leases=list(leases))
    write_booking(lease, booking)


def _check_number(picture: Picture, lease: Lease) -> None:
    """Raise Conflict if there are as many reservations as there may be: each look has to compare them."""
    others = [wanted for wanted in picture.queue.values() if wanted.starts_at is not None]
    own = [wanted for wanted in others if wanted.tenant == lease.tenant]
    if len(own) > MAX_OF_TENANT:
        raise Conflict(f"tenant {lease.tenant} has {MAX_OF_TENANT} reservations, and cannot have more")
    if len(others) > MAX_RESERVATIONS:
        raise Conflict(f"the pool has {MAX_RESERVATIONS} reservations, and cannot have more")


def check_kept(pool: Pool, change: Change, before: Picture, lease: Lease) -> None:
    """See that a lease that is to have more leaves what is reserved: on its devices, or in a quota.

    Args:
        pool: The pool.
        change: What changes, with the lease as it is to be.
        before: The pool without that.
        lease: The lease.

    Raises:
        Conflict: There would be no room for a reservation any more.
    """
    displaced = set(pool.look(change.picture(), change.now).decisions.displaced)
    if displaced:
        displaced -= set(pool.look(before, change.now).decisions.displaced)
    if displaced:
        told = ", ".join(sorted(displaced)[:MAX_TOLD])
        raise Conflict(
            f"lease {lease.id} cannot grow: what it lacks is reserved for {told}",
            instance=f"/leases/{lease.id}",
            leases=sorted(displaced),
        )
