"""How many requests a token may send: a budget that fills up again, for each of many, in bounded memory."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_broker.models import Role
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.rates import Rates, RequestRates
from accelpool_broker.settings import Settings
from accelpool_broker.testing import FakeClock
from accelpool_wire.errors import TooManyRequests


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def rates(per_s: float = 2.0, **options: Any) -> tuple[Rates, Clock]:
    clock = Clock()
    return Rates(per_s, clock=clock, **options), clock


def spend(budget: Rates, whose: str = "a") -> int:
    """Take all that is left of a budget and return how much that was."""
    count = 0
    while not budget.take(whose):
        count += 1
    return count


def test_ten_seconds_worth_may_come_at_once_and_then_one_after_the_other() -> None:
    budget, clock = rates(per_s=2.0)
    assert spend(budget) == 20
    assert budget.take("a") == pytest.approx(0.5)
    clock.now += 0.5
    assert budget.take("a") == 0.0
    assert budget.take("a") == pytest.approx(0.5)


def test_who_waits_as_long_as_was_said_is_served() -> None:
    budget, clock = rates(per_s=3.0)
    spend(budget)
    for _ in range(100):
        clock.now += budget.take("a")
        assert budget.take("a") == 0.0


def test_a_budget_is_whole_again_after_ten_seconds_and_no_more_than_that() -> None:
    budget, clock = rates(per_s=2.0)
    for idle_s, expected in [(0, 20), (5, 10), (10, 20), (1e6, 20)]:
        clock.now += idle_s
        assert spend(budget) == expected


def test_nobody_spends_what_is_anothers() -> None:
    budget, _ = rates()
    spend(budget, "a")
    assert spend(budget, "b") == 20


def test_zero_is_no_limit() -> None:
    budget, _ = rates(per_s=0.0)
    assert not any(budget.take("a") for _ in range(10_000))


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 30)), max_size=50))
def test_over_no_time_more_comes_through_than_the_budget_and_what_came_back(
    bursts: list[tuple[float, int]],
) -> None:
    budget, clock = rates(per_s=2.0, burst_s=5.0)
    served: list[float] = []
    for pause_s, wanted in bursts:
        clock.now += pause_s
        served += [clock.now for _ in range(wanted) if not budget.take("a")]
    for first, begun in enumerate(served):
        for last in range(first, len(served)):
            assert last - first + 1 <= 2.0 * (5.0 + served[last] - begun) + 1e-3


def test_of_many_only_so_many_are_remembered_and_who_spends_most_lately_is() -> None:
    budget, clock = rates(per_s=2.0, most_kept=100)
    spend(budget, "busy")
    for number in range(10_000):
        clock.now += 0.001
        budget.take(f"t{number}")
        budget.take("busy")
        assert len(budget._whole_at) <= 100
    assert budget.take("busy") > 0


def test_who_has_a_whole_budget_takes_no_place() -> None:
    budget, clock = rates(per_s=2.0, most_kept=10)
    for number in range(10):
        budget.take(f"t{number}")
    clock.now += 60
    budget.take("one more")
    assert list(budget._whole_at) == ["one more"]


@pytest.mark.parametrize(
    ("one", "another", "is_same"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:0:ffff::", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "192.0.2.1", False),
    ],
)
def test_strangers_are_counted_by_what_one_of_them_has(one: str, another: str, is_same: bool) -> None:
    limits = RequestRates(Settings(), FakeClock())

    def send(address: str, count: int) -> None:
        for _ in range(count):
            limits.check_stranger(address)

    with pytest.raises(TooManyRequests, match=r"address .* sends more than"):
        send(one, 1000)
    with pytest.raises(TooManyRequests) if is_same else nullcontext():
        send(another, 50)


def caller(role: Role, token: str) -> Caller:
    return Caller(account="x", token=token, role=role, tenants=(), scopes=frozenset())


def test_nodes_have_a_rate_of_their_own() -> None:
    limits = RequestRates(Settings(requests_per_s=0.1, node_requests_per_s=100.0), FakeClock())
    limits.check(caller(Role.MEMBER, "tok_a"))
    with pytest.raises(
        TooManyRequests, match=r"token tok_a of account x sends more than 0\.1 requests per sec"
    ):
        limits.check(caller(Role.ADMIN, "tok_a"))
    for _ in range(100):
        limits.check(caller(Role.NODE, "tok_n"))
