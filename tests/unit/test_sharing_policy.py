"""Whose turn it is, for how long, and what is charged."""

from __future__ import annotations

import pytest

from accelpool_node.sharing.policy import (
    BACKLOG_NS,
    LAST_NS,
    LEAST_WEIGHT,
    LINGER_NS,
    MAX_BACKLOG,
    MAX_CONTENDED_BACKLOG,
    QUANTUM_NS,
    WHOLE,
    Contender,
    Holder,
    Verdict,
    chargeable_ns,
    charged,
    decide,
    first,
    joined,
    room,
    weight_of,
)

MS = 1_000_000


def contender(slot=1, virtual_ns=0, since_ns=1):
    return Contender(slot=slot, virtual_ns=virtual_ns, since_ns=since_ns)


@pytest.mark.parametrize(
    ("waiting", "chosen"),
    [
        ([], None),
        ([contender(1, virtual_ns=5), contender(2, virtual_ns=4)], 2),
        ([contender(1, virtual_ns=4, since_ns=9), contender(2, virtual_ns=4, since_ns=8)], 2),
        ([contender(2, virtual_ns=4, since_ns=8), contender(1, virtual_ns=4, since_ns=8)], 1),
    ],
)
def test_the_least_virtual_time_is_next_and_then_who_waits_longest(waiting, chosen):
    found = first(waiting)
    assert (found.slot if found else None) == chosen


FIRST, LATER = 10, 99  # the holder's virtual times, before and after the rival's 50


@pytest.mark.parametrize(
    ("virtual_ns", "held_ns", "idle_ns", "verdict"),
    [
        (LATER, 0, None, Verdict.KEEP),
        (LATER, QUANTUM_NS - 1, None, Verdict.KEEP),
        (FIRST, QUANTUM_NS, None, Verdict.RENEW),
        (LATER, QUANTUM_NS, None, Verdict.DRAIN),
        (50, QUANTUM_NS, None, Verdict.DRAIN),  # a tie is the waiter's: they may be one lease's sessions
        (LATER, 0, LINGER_NS - 1, Verdict.LINGER),
        (FIRST, QUANTUM_NS, LINGER_NS - 1, Verdict.LINGER),
        (LATER, QUANTUM_NS, 0, Verdict.PASS),
        (FIRST, 0, LINGER_NS, Verdict.PASS),
    ],
)
def test_what_whoever_has_the_turn_does_next(virtual_ns, held_ns, idle_ns, verdict):
    holder = Holder(virtual_ns=virtual_ns, held_ns=held_ns, idle_ns=idle_ns)
    assert decide(holder, [contender(virtual_ns=50)]) is verdict
    assert decide(holder, []) is Verdict.KEEP


@pytest.mark.parametrize(
    ("charged_at_ns", "others", "due_ns"),
    [
        (70, [], 0),
        (70, [contender(since_ns=10)], 30),
        (70, [contender(since_ns=80)], 20),
        (70, [contender(since_ns=90), contender(since_ns=80)], 20),
        (70, [contender(since_ns=200)], 0),  # another process's clock is not to be trusted
    ],
)
def test_time_is_charged_as_far_as_somebody_waited(charged_at_ns, others, due_ns):
    assert chargeable_ns(charged_at_ns, 100, others) == due_ns


def test_half_a_device_is_charged_twice_as_fast():
    assert charged(7, 100, WHOLE) == 107
    assert charged(7, 100, weight_of(0.5)) == 207
    assert charged(7, 100, 0) == 7 + 100 * WHOLE // LEAST_WEIGHT
    assert charged(LAST_NS, 100, WHOLE) == LAST_NS


@pytest.mark.parametrize(
    ("compute", "weight"),
    [(1.0, WHOLE), (0.25, 250_000), (0.0, LEAST_WEIGHT), (-1.0, LEAST_WEIGHT), (1e308, WHOLE)],
)
def test_weights_are_bounded(compute, weight):
    assert weight_of(compute) == weight


def test_whoever_slept_has_saved_up_nothing():
    assert joined(5, 1000) == 1000
    assert joined(2000, 1000) == 2000


@pytest.mark.parametrize(
    ("mean_ns", "alone", "contended"),
    [
        (0, 2, 1),
        (10_000, MAX_BACKLOG, MAX_CONTENDED_BACKLOG),
        (4 * MS, BACKLOG_NS // (4 * MS), 3),
        (QUANTUM_NS, 5, 1),
        (1000 * MS, 2, 1),
    ],
)
def test_as_much_is_in_flight_as_keeps_the_device_busy(mean_ns, alone, contended):
    assert room(mean_ns, is_contended=False) == alone
    assert room(mean_ns, is_contended=True) == contended


def play(computes, lengths_ms, until_ms, asleep_ms=None):
    """Run sessions that always want the device on a fake clock; return the time that each used, in ms.

    `asleep_ms` is how long the first one wants nothing.
    """
    virtual, used = dict.fromkeys(range(len(computes)), 0), [0] * len(computes)
    now_ns = clock_ns = 0
    while now_ns < until_ms * MS:
        awake = [place for place in virtual if place or now_ns >= (asleep_ms or 0) * MS]
        if asleep_ms and 0 in awake:
            virtual[0], asleep_ms = joined(virtual[0], clock_ns), None
        chosen = first([contender(place, virtual[place], since_ns=1) for place in awake])
        clock_ns = max(clock_ns, chosen.virtual_ns)
        held_ns = 0
        while held_ns < QUANTUM_NS:
            held_ns += lengths_ms[chosen.slot] * MS
        now_ns += held_ns
        used[chosen.slot] += held_ns // MS
        if len(awake) > 1:
            virtual[chosen.slot] = charged(chosen.virtual_ns, held_ns, weight_of(computes[chosen.slot]))
    return used


@pytest.mark.parametrize(
    ("computes", "lengths_ms"),
    [
        ((0.75, 0.25), (4, 4)),
        ((0.75, 0.25), (1, 300)),
        ((0.75, 0.25), (300, 1)),
        ((0.5, 0.3, 0.2), (5, 7, 11)),
    ],
)
def test_device_time_is_divided_by_the_shares_whatever_kernels_take(computes, lengths_ms):
    used = play(computes, lengths_ms, 60_000)
    for compute, time_ms in zip(computes, used, strict=True):
        assert time_ms / sum(used) == pytest.approx(compute, abs=0.01)


def test_shares_that_are_not_the_whole_device_leave_nothing_unused():
    used = play((0.2, 0.1), (4, 4), 60_000)
    assert used[0] / sum(used) == pytest.approx(2 / 3, abs=0.01)


def test_one_that_slept_gets_its_share_from_then_on_and_no_more():
    asleep, awake = play((0.5, 0.5), (4, 4), 20_000, asleep_ms=10_000)
    assert asleep == pytest.approx(5_000, abs=50)
    assert awake == pytest.approx(15_000, abs=50)
