"""The leases of a test session, asked for by a function that a test controls."""

from __future__ import annotations

from typing import Any

import pytest

from accelpool.errors import LeaseTimeout, Unavailable, Unsatisfiable
from accelpool.testing import FakeConnection, fake_context
from accelpool_pytest.accelerators import Accelerators
from accelpool_pytest.policy import LeaseScope, Policy, Rules, scope_of

SHARED, OWN = LeaseScope.SESSION, LeaseScope.TEST


class Asked:
    """Stands for `accelpool.acquire`: notes how long was waited for what, and answers or raises."""

    def __init__(self, *errors: Exception | None) -> None:
        self.waits: list[tuple[str, Any]] = []
        self.errors = list(errors)

    def __call__(self, kind: str, **options: Any) -> Any:
        self.waits.append((kind, options["wait"]))
        if self.errors and (error := self.errors.pop(0)) is not None:
            raise error
        return fake_context(FakeConnection())


def accelerators(ask: Asked, **rules: Any) -> Accelerators:
    return Accelerators(rules=Rules(**rules), ask=ask, clock=lambda: 0.0)


def test_who_asks_for_the_same_gets_the_same() -> None:
    held = accelerators(Asked())
    first, second = (held.grant("any", {"compute": 0.5, "wait": wait}, SHARED) for wait in (1, 2))
    assert first.context is second.context
    assert held.grant("any", {"compute": 0.25}, SHARED).context is not first.context
    assert held.grant("any", {"compute": 0.5}, OWN).context is not first.context


def test_a_lease_of_a_tests_own_ends_with_it_and_a_shared_one_with_the_session() -> None:
    with accelerators(Asked()) as held:
        shared, own = held.grant("any", {}, SHARED), held.grant("any", {}, OWN)
        held.done(shared)
        held.done(own)
        assert (shared.context.is_open, own.context.is_open) == (True, False)
    assert not shared.context.is_open


def test_a_session_gives_back_what_it_does_not_use_before_it_waits() -> None:
    ask = Asked(None, LeaseTimeout("busy"))
    held = accelerators(ask, wait_s=9.0)
    first = held.grant("any", {}, SHARED)
    held.done(first)
    held.grant("gpu", {}, SHARED)
    assert ask.waits == [("any", 9.0), ("gpu", False), ("gpu", 9.0)]
    assert not first.context.is_open


def test_what_a_test_or_a_wider_fixture_has_is_not_given_back() -> None:
    ask = Asked()
    held = accelerators(ask, wait_s=9.0)
    used, wide = held.grant("any", {}, SHARED).context, held.acquire("cpu")
    held.grant("gpu", {}, SHARED)
    assert ask.waits == [("any", 9.0), ("cpu", 9.0), ("gpu", 9.0)]
    assert (used.is_open, wide.is_open) == (True, True)


def test_what_can_never_be_is_asked_for_once_and_a_wait_in_vain_is_not_repeated() -> None:
    ask = Asked(Unsatisfiable("no GPU"), LeaseTimeout("busy"), LeaseTimeout("still busy"), None)
    held = accelerators(ask, policy=Policy.SKIP, wait_s=9.0)
    for kind in ("gpu", "gpu", "cpu", "cpu"):
        with pytest.raises(pytest.skip.Exception, match="no accelerator: "):
            held.grant(kind, {}, SHARED)
    held.grant("cpu", {}, SHARED)
    assert ask.waits == [("gpu", 9.0), ("cpu", 9.0), ("cpu", 0.0), ("cpu", 0.0)]


def test_a_pool_that_did_not_answer_once_is_asked_again() -> None:
    ask = Asked(Unavailable("the broker restarts"), None)
    held = accelerators(ask, wait_s=9.0)
    with pytest.raises(pytest.fail.Exception, match="the broker restarts"):
        held.grant("any", {}, SHARED)
    assert held.grant("any", {}, SHARED).context.is_open
    assert ask.waits == [("any", 9.0), ("any", 9.0)]


@pytest.mark.parametrize("policy", [Policy.WAIT, Policy.FAIL])
def test_without_an_accelerator_a_test_fails(policy: Policy) -> None:
    held = accelerators(Asked(LeaseTimeout("lease l\nwaits")), policy=policy)
    with pytest.raises(pytest.fail.Exception, match="no accelerator: lease l waits"):
        held.grant("any", {}, SHARED)


@pytest.mark.parametrize("policy", Policy)
def test_the_reason_is_told_once(policy: Policy) -> None:
    held = accelerators(Asked(None, LeaseTimeout("busy"), Unsatisfiable("none has it")), policy=policy)
    held.done(held.grant("any", {}, SHARED))
    with pytest.raises((pytest.skip.Exception, pytest.fail.Exception)) as told:
        held.grant("gpu", {}, SHARED)
    assert (str(told.value), told.value.__context__) == ("no accelerator: none has it", None)


def test_options_that_are_wrong_are_told_once() -> None:
    with pytest.raises(pytest.fail.Exception, match="accelerator: kind is one of") as told:
        accelerators(Asked()).grant("tpu", {}, SHARED)
    assert told.value.__context__ is None


def test_a_marker_says_how_long_to_wait() -> None:
    ask = Asked()
    accelerators(ask, wait_s=9.0).grant("any", {"wait": 3}, SHARED)
    assert ask.waits == [("any", 3.0)]


@pytest.mark.parametrize("given", [("hope", "1", "test"), ("wait", "-1", "test"), ("wait", "x", "test"),
                                   ("wait", "inf", "test"), ("wait", "1", "module")])  # fmt: skip
def test_rules_that_are_none_are_refused(given: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="accelerator_"):
        Rules.read(*given)


def test_rules_are_read_from_texts() -> None:
    assert Rules.read("skip", "1.5", "test") == Rules(policy=Policy.SKIP, wait_s=1.5, scope=OWN)
    assert scope_of("session") is SHARED
    with pytest.raises(ValueError, match="lease is one of session, test"):
        scope_of("module")
