"""Whose turn on a device it is: start-time fair queuing over device time, as pure functions.

Each lease has a virtual time: the device time that it used while others waited, over its compute share.
Of those who wait the one with the least is next. A lease that begins to wait has at least the virtual time of
the turn given last, so that no idle time is saved up. While nobody waits nothing is charged.

    others wait  commands in flight  the turn has lasted    least virtual time  then
    no           any                 any                    any                 KEEP
    yes          some                less than QUANTUM_NS   any                 KEEP
    yes          some                longer                 this lease          RENEW: another quantum
    yes          some                longer                 another             DRAIN: end it, then PASS
    yes          none for LINGER_NS  any                    any                 PASS
    yes          none, for less      less than QUANTUM_NS   any                 LINGER: more may come at once
    yes          none, for less      longer                 this lease          LINGER
    yes          none, for less      longer                 another             PASS

Source: Goyal, Vin, Cheng: Start-time Fair Queueing, SIGCOMM 1996; lingering: Iyer, Druschel: Anticipatory
scheduling, SOSP 2001.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

WHOLE = 1_000_000  # the weight of a whole device
LEAST_WEIGHT = 1_000
LAST_NS = (1 << 63) - 1  # no virtual time is later, whatever a process has written

QUANTUM_NS = 10_000_000
LINGER_NS = 1_000_000
BACKLOG_NS = 50_000_000  # in flight at once, as estimated, while nobody else waits
MAX_BACKLOG, MAX_CONTENDED_BACKLOG = 256, 32


class Verdict(Enum):
    """What whoever has the turn does next."""

    KEEP = "keep"
    RENEW = "renew"
    DRAIN = "drain"
    LINGER = "linger"
    PASS = "pass"  # noqa: S105 - no password


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A session that waits for its turn.

    Attributes:
        slot: Its place.
        virtual_ns: Its lease's virtual time.
        since_ns: Since when it waits.
    """

    slot: int
    virtual_ns: int
    since_ns: int


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The session that has the turn.

    Attributes:
        virtual_ns: Its lease's virtual time, all charged.
        held_ns: How long this quantum has lasted.
        idle_ns: How long it has had no command in flight; None if it has.
    """

    virtual_ns: int
    held_ns: int
    idle_ns: int | None


def weight_of(compute: float) -> int:
    """Return the weight of a compute share."""
    return max(LEAST_WEIGHT, round(min(1.0, max(0.0, compute)) * WHOLE))


def first(contenders: Sequence[Contender]) -> Contender | None:
    """Return who is next: the least virtual time; of one lease's sessions the one that waits longest."""
    return min(contenders, key=lambda one: (one.virtual_ns, one.since_ns, one.slot), default=None)


def joined(virtual_ns: int, clock_ns: int) -> int:
    """Return the virtual time of a lease that begins to wait."""
    return min(LAST_NS, max(virtual_ns, clock_ns))


def charged(virtual_ns: int, used_ns: int, weight: int) -> int:
    """Return the virtual time of a lease that has used device time."""
    return min(LAST_NS, virtual_ns + max(0, used_ns) * WHOLE // max(LEAST_WEIGHT, weight))


def chargeable_ns(charged_at_ns: int, now_ns: int, others: Sequence[Contender]) -> int:
    """Return the time to charge since the last charge: as much of it as somebody has waited."""
    if not others:
        return 0
    return max(0, now_ns - max(charged_at_ns, min(one.since_ns for one in others)))


def decide(holder: Holder, others: Sequence[Contender]) -> Verdict:
    """Return what whoever has the turn does next; the table of this module."""
    rival = first(others)
    if rival is None:
        return Verdict.KEEP
    is_over = holder.held_ns >= QUANTUM_NS
    is_first = holder.virtual_ns < rival.virtual_ns
    if holder.idle_ns is None:
        if not is_over:
            return Verdict.KEEP
        return Verdict.RENEW if is_first else Verdict.DRAIN
    if holder.idle_ns >= LINGER_NS or (is_over and not is_first):
        return Verdict.PASS
    return Verdict.LINGER


def room(mean_ns: int, *, is_contended: bool) -> int:
    """Return how many commands may be in flight at once, given how long they take; 0 ns: not yet known.

    As many as keep the device busy, and no more: what is in flight cannot be taken back when the turn ends.
    """
    if is_contended:
        return min(MAX_CONTENDED_BACKLOG, -(-QUANTUM_NS // mean_ns)) if mean_ns else 1
    return min(MAX_BACKLOG, max(2, BACKLOG_NS // mean_ns)) if mean_ns else 2
