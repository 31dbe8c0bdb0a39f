"""What a lease is asked for with: `acquire`'s arguments, checked before anything is sent."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accelpool.demand import KINDS, Demand, check_flag, check_text, invalid, number, whole

MIN_TTL_S, MAX_TTL_S = 5, 86400
MAX_ALTERNATIVES = 8
MAX_PRIORITY = 1000
# A living client withdraws in time itself, and knows why it waited; the broker sees to dead ones.
MARGIN_S = 5.0
LONGEST_S = 7 * 86400.0
LATEST_S = 253_370_764_800.0  # the year 9999, the last that a datetime can say


@dataclass(frozen=True, kw_only=True)
class LeaseRequest:
    """What to ask for, and how long to wait for it.

    Attributes:
        demands: What would do, the best first.
        ttl_s: How long the lease lasts from its last renewal.
        max_duration_s: How long it lasts at most; None for as long as it is renewed.
        tenant: Who is charged; "" for the pool's default.
        priority: Higher ones are served first.
        preemptible: Whether it may be ended for requests that come before it.
        wait_s: How long to wait while it is queued, of a reservation from its start on; None for as long as
            it takes.
        starts_at: When it begins, in seconds since the Unix epoch; None for as soon as possible.
        ends_at: When it ends then.
        client: Who asks, for the pool's lists.
        ends_with_session: Whether it ends when the last session under it is gone.
    """

    demands: tuple[Demand, ...] = (Demand(),)
    ttl_s: float = 60.0
    max_duration_s: float | None = None
    tenant: str = ""
    priority: int = 0
    preemptible: bool = False
    wait_s: float | None = None
    starts_at: float | None = None
    ends_at: float | None = None
    client: str = ""
    ends_with_session: bool = True

    @classmethod
    def of(
        cls,
        demands: Sequence[Demand],
        *,
        wait: bool | float | None = True,
        ttl: float = 60.0,
        max_duration: float | None = None,
        starts_at: datetime | float | None = None,
        ends_at: datetime | float | None = None,
        tenant: str = "",
        priority: int = 0,
        preemptible: bool = False,
    ) -> LeaseRequest:
        """Return the request for `acquire`'s arguments.

        Raises:
            Invalid: Which argument is not possible, and what was expected.
        """
        if not 1 <= len(demands) <= MAX_ALTERNATIVES:
            raise invalid("kind", f"1 to {MAX_ALTERNATIVES} alternatives", demands)
        if not all(isinstance(demand, Demand) for demand in demands):
            raise invalid("kind", f"one of {', '.join(map(repr, KINDS))}, or a list of Demand", demands)
        check_text("tenant", tenant, "a name, a string")
        check_flag("preemptible", preemptible)
        times = _period(starts_at, ends_at)
        if times and max_duration is not None:
            raise invalid("max_duration", "None with starts_at and ends_at, which say it", max_duration)
        return cls(
            demands=tuple(demands),
            ttl_s=_ttl_seconds(ttl),
            max_duration_s=None if max_duration is None else _duration_seconds(max_duration),
            tenant=tenant,
            priority=_priority(priority),
            preemptible=bool(preemptible),
            wait_s=wait_seconds(wait),
            starts_at=times[0] if times else None,
            ends_at=times[1] if times else None,
            client=client_name(),
        )

    @classmethod
    def over(cls, devices: Sequence[str]) -> LeaseRequest:
        """Return the request for certain devices, whole and for as long as it takes to get them."""
        demand = Demand(device=devices[0]) if len(devices) == 1 else Demand(devices=tuple(devices))
        return cls(demands=(demand,), client=client_name())

    def body(self) -> dict[str, Any]:
        """Return the JSON to post."""
        demands = [demand.body() for demand in self.demands]
        given = {
            "tenant": self.tenant,
            "priority": self.priority,
            "preemptible": self.preemptible,
            "max_duration_s": self.max_duration_s,
            "starts_at": _instant(self.starts_at),
            "ends_at": _instant(self.ends_at),
        }
        timeout_s = None if self.wait_s is None else min(self.wait_s + MARGIN_S, LONGEST_S)
        return {
            **(demands[0] if len(demands) == 1 else {"alternatives": demands}),
            **{name: value for name, value in given.items() if value},
            "ttl_s": self.ttl_s,
            "queue_timeout_s": None if self.starts_at is not None else timeout_s,
            "ends_with_session": self.ends_with_session,
            "client": self.client,
        }


def wait_seconds(wait: bool | float | None) -> float | None:
    """Return how long to wait in seconds: True or None is for ever, False not at all.

    Raises:
        Invalid: It is negative, or no number.
    """
    if wait is None or wait is True:
        return None
    seconds = number(wait)
    if not seconds >= 0:
        raise invalid("wait", "True (as long as it takes), False (not at all) or seconds from 0 on", wait)
    return seconds


def client_name() -> str:
    """Return who asks, for the pool's lists: program, process and host."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return f"{program}[{os.getpid()}]@{socket.gethostname()}"[:200]


def _ttl_seconds(ttl: object) -> float:
    seconds = number(ttl)
    if not MIN_TTL_S <= seconds <= MAX_TTL_S:
        raise invalid("ttl", f"seconds from {MIN_TTL_S} to {MAX_TTL_S}", ttl)
    return seconds


def _duration_seconds(duration: object) -> float:
    seconds = number(duration)
    if not 1 <= seconds <= 366 * 86400:
        raise invalid("max_duration", "seconds from 1 to a year, or None", duration)
    return seconds


def _period(starts_at: object, ends_at: object) -> tuple[float, float] | None:
    """Return when a reservation begins and ends, None if none is asked for."""
    if starts_at is None and ends_at is None:
        return None
    begin, end = _seconds("starts_at", starts_at), _seconds("ends_at", ends_at)
    if not begin < end:
        raise invalid("ends_at", "after starts_at", ends_at)
    return begin, end


def _seconds(name: str, instant: object) -> float:
    """Return an instant in seconds since the Unix epoch; a datetime without a zone is one of here."""
    seconds = instant.timestamp() if isinstance(instant, datetime) else number(instant)
    if not 0 <= seconds < LATEST_S:
        expected = "a datetime or seconds since the Unix epoch; starts_at and ends_at go together"
        raise invalid(name, expected, instant)
    return seconds


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _priority(priority: object) -> int:
    found = whole(priority)
    if found is None or not -MAX_PRIORITY <= found <= MAX_PRIORITY:
        raise invalid("priority", f"a whole number from -{MAX_PRIORITY} to {MAX_PRIORITY}", priority)
    return found
