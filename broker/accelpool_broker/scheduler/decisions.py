"""What the scheduler says is to be done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from accelpool_broker.models import LeaseState
from accelpool_broker.scheduler.views import Notice, Share, Why


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The queued lease becomes active with these shares.

    Attributes:
        alternative: Which of its alternatives they serve, from 0.
        is_backfill: Whether some of the devices were kept for earlier requests.
    """

    lease: str
    shares: tuple[Share, ...]
    alternative: int = 0
    is_backfill: bool = False


class Ending(StrEnum):
    """Why a lease or a request has ended, in a word: few enough to count by."""

    GIVEN_BACK = "given-back"
    CLIENT_LEFT = "client-left"
    NOT_RENEWED = "not-renewed"
    OVER_ITS_TIME = "over-its-time"
    PREEMPTED = Why.PREEMPTED
    IDLE = Why.IDLE
    DRAINED = Why.DRAINED
    QUOTA = Why.QUOTA
    BY_OPERATOR = "by-operator"
    ACCOUNT_DISABLED = "account-disabled"
    NODE_SILENT = "node-silent"
    NODE_RESTARTED = "node-restarted"
    NODE_STOPPED = "node-stopped"
    WITHDRAWN = "withdrawn"
    NOT_GRANTED = "not-granted-in-time"
    UNREAD = "unread"


@dataclass(frozen=True, kw_only=True)
class End:
    """The lease ends, in this state and for this reason, in a word and in a sentence."""

    lease: str
    state: LeaseState
    ending: Ending
    reason: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The queued lease waits, at this position (from 1) and for this reason; before its time at none."""

    lease: str
    position: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Booking:
    """These shares are reserved for the queued lease from now on, instead of any others."""

    lease: str
    shares: tuple[Share, ...]
    alternative: int = 0


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What is to be done now.

    Attributes:
        lost_nodes: Nodes that no longer answer.
        ends: Leases and requests that end.
        grants: Requests that become active.
        waits: Requests that wait, in the order in which they will be served; then those whose time is to
            come.
        bookings: What is newly reserved.
        displaced: Ids of requests for a time to come that there is no room for as things are.
        notices: What active leases are told.
        withdrawn_notices: Ids of leases whose notice no longer holds.
        wake_at: When the next thing ends by itself, None if nothing does.
    """

    lost_nodes: tuple[str, ...]
    ends: tuple[End, ...]
    grants: tuple[Grant, ...]
    waits: tuple[Wait, ...]
    bookings: tuple[Booking, ...]
    displaced: tuple[str, ...]
    notices: tuple[Notice, ...]
    withdrawn_notices: tuple[str, ...]
    wake_at: float | None
