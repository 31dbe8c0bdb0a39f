"""What is told of two source trees that took turns."""

from __future__ import annotations

import pytest

from .bench_modules import module

compare, plan = module("compare"), module("plan")
GROUP = plan.Group(name="64KiB", rounds=3, parts=())
ROUNDS = [
    ({"write": 100e-6, "read": 10e-6}, {"write": 110e-6, "read": 10e-6}),
    ({"write": 300e-6, "read": 20e-6}, {"write": 270e-6, "read": 10e-6}),
    ({"write": 200e-6, "read": 30e-6}, {"write": 210e-6, "read": 60e-6}),
]


def test_each_round_is_a_pair_and_the_median_of_pairs_is_told() -> None:
    read, write = compare.compared(GROUP, ROUNDS)
    assert (write.name, write.before_us, write.now_us) == (
        "64KiB, write",
        pytest.approx(200),
        pytest.approx(210),
    )
    assert write.ratios == pytest.approx((0.9, 1.05, 1.1))
    assert read.ratios == pytest.approx((0.5, 1, 2))
    assert "1.050   0.900 .. 1.100" in str(write)


def test_one_round_has_no_quartiles_but_itself() -> None:
    (comparison,) = compare.compared(GROUP, [({"a": 1.0}, {"a": 2.0})])
    assert "2.000   2.000 .. 2.000" in str(comparison)


def test_what_only_one_tree_measures_is_left_out() -> None:
    assert compare.compared(GROUP, [({"a": 1.0}, {"b": 2.0})]) == []
