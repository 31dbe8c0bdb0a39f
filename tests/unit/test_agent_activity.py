"""How long each lease was at work, on a fake clock."""

from __future__ import annotations

import pytest

from accelpool_node.agent.activity import Activity


@pytest.fixture
def activity():
    activity = Activity()
    activity.begin("L1", 100.0)
    return activity


def test_what_sessions_worked_adds_up(activity):
    activity.hear("L1", "S1", 0.5, 101.0)
    activity.hear("L1", "S1", 0.75, 102.0)
    activity.end("S1")
    activity.hear("L1", "S2", 0.25, 103.0)
    assert activity.busy_s() == {"L1": 1.0}


def test_sessions_that_work_at_once_count_no_faster_than_the_clock(activity):
    for second in range(1, 11):
        activity.hear("L1", "S1", second, 100.0 + second)
        activity.hear("L1", "S2", second, 100.0 + second)
    assert activity.busy_s() == {"L1": 10.0}


def test_it_never_goes_down(activity):
    activity.hear("L1", "S1", 0.5, 101.0)
    activity.hear("L1", "S1", 0.1, 102.0)
    activity.hear("L1", "S1", 0.5, 103.0)
    assert activity.busy_s() == {"L1": 0.5}


def test_a_lease_begins_once(activity):
    activity.hear("L1", "S1", 0.5, 101.0)
    activity.begin("L1", 102.0)
    assert activity.busy_s() == {"L1": 0.5}


def test_leases_that_are_over_are_forgotten(activity):
    activity.begin("L2", 100.0)
    activity.keep({"L2"})
    activity.hear("L1", "S1", 0.5, 101.0)
    assert activity.busy_s() == {"L2": 0.0}
