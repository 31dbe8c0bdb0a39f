"""Whether claims say what a rule asks for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_broker.services.claims import is_meant_for, matches, mismatch


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("acme/solver", "acme/solver", True),
        ("acme/solver", "acme/solver2", False),
        ("acme/solver", "Acme/solver", False),
        ("acme/*", "acme/solver", True),
        ("acme/*", "acme/", True),
        ("acme/*", "acme-evil/solver", False),
        ("acme/*", "evil/acme/solver", False),
        ("refs/heads/release-*", "refs/heads/release-1/2", True),
        ("*/solver", "acme/solver", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("a*b*c", "a--b--c", True),
        ("a*b*c", "a--c--b", False),
        ("*", "", True),
        ("a?c", "abc", False),
        ("[ab]", "a", False),
    ],
)
def test_a_star_stands_for_anything_and_all_else_for_itself(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


@given(st.text("ab*", max_size=8), st.text("ab\n", max_size=12))
def test_it_is_what_a_regular_expression_would_say(pattern: str, text: str) -> None:
    meant = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert matches(pattern, text) is (re.fullmatch(meant, text, re.DOTALL) is not None)


def test_no_pattern_takes_long() -> None:
    assert not matches("*a" * 120 + "b", "a" * 16_000)


@pytest.mark.parametrize(
    ("claims", "wrong"),
    [
        ({"repository": "acme/solver", "ref": "refs/heads/main"}, None),
        ({"repository": "acme/solver", "ref": "refs/heads/x", "extra": {"a": 1}}, "ref"),
        ({"ref": "refs/heads/main"}, "repository"),
        ({"repository": None, "ref": "refs/heads/main"}, "repository"),
        ({"repository": {"acme/solver": 1}, "ref": "refs/heads/main"}, "repository"),
    ],
)
def test_every_claim_has_to_say_it(claims: dict[str, Any], wrong: str | None) -> None:
    assert mismatch({"repository": "acme/solver", "ref": "refs/heads/main"}, claims) == wrong


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("ml", ["ops", "ml"], True),
        ("ml", [["ml"]], False),
        ("ml", [], False),
        ("true", True, True),
        ("True", True, False),
        ("1", True, False),
        ("42", 42, True),
        ("1.5", 1.5, False),
    ],
)
def test_lists_truths_and_numbers_are_told_by_their_json(pattern: str, value: Any, expected: bool) -> None:
    assert (mismatch({"c": pattern}, {"c": value}) is None) is expected


@pytest.mark.parametrize(
    ("verified", "expected"), [(True, True), (False, False), ("true", False), (None, False)]
)
def test_an_address_counts_where_the_issuer_has_verified_it(verified: Any, expected: bool) -> None:
    claims = {"email": "mira@acme.example", "email_verified": verified}
    assert (mismatch({"email": "*@acme.example"}, claims) is None) is expected


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"aud": "a"}, True),
        ({"aud": ["b", "a"]}, True),
        ({"aud": "b"}, False),
        ({"aud": ["ab"]}, False),
        ({}, False),
        ({"aud": ["a"], "azp": "me"}, True),
        ({"aud": ["a"], "azp": "another"}, False),
    ],
)
def test_a_token_is_for_its_audience_and_for_the_client_that_it_was_given_to(
    claims: dict[str, Any], expected: bool
) -> None:
    assert is_meant_for("a", "me", claims) is expected
