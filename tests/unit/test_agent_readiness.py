"""When a node can serve sessions."""

from __future__ import annotations

import pytest

from accelpool_node.agent.readiness import why_not_ready

WORKS = {"null/a": "", "null/b": "its driver crashes"}


@pytest.mark.parametrize(
    ("faults", "lost_after_s", "silent_s", "why"),
    [
        (WORKS, 15.0, 14.0, ""),
        (WORKS, None, 0.0, "the broker has not let the node in yet"),
        (WORKS, 15.0, 16.0, "the broker has not answered for 16 s"),
        ({}, 15.0, 0.0, "the node has no device"),
        ({"null/b": "its driver crashes"}, 15.0, 0.0, "no device of the node works"),
    ],
)
def test_a_node_is_ready_once_it_is_let_in_and_while_a_device_works(
    faults: dict[str, str], lost_after_s: float | None, silent_s: float, why: str
) -> None:
    told = why_not_ready(faults, lost_after_s=lost_after_s, silent_s=silent_s)
    assert told.startswith(why)
    assert bool(told) is bool(why)
    assert "crashes" not in told
