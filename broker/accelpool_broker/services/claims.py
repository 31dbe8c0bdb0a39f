"""Whether an ID token's claims say what a rule asks for. Pure.

the rule's pattern    the claim
acme/solver           is just that
refs/heads/*          begins so; `*` stands for anything, slashes and nothing included
true, 42              a truth or a whole number is told by its JSON
any                   of a list one element that matches is enough
of `email`            counts only where `email_verified` is true: others let anybody write there what he likes
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANYTHING = "*"
OF_JOBS = frozenset({"job_id", "pipeline_id", "project_path", "repository", "workflow_ref"})


def matches(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says; it takes no longer than to read both."""
    first, *others = pattern.split(ANYTHING)
    if not others:
        return pattern == text
    *between, last = others
    if not text.startswith(first):
        return False
    at = len(first)
    for part in between:
        found = text.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(text) - len(last) >= at and text.endswith(last)


def mismatch(patterns: Mapping[str, str], claims: Mapping[str, Any]) -> str | None:
    """Return the name of a claim that does not say what is asked for, None if all do."""
    for name, pattern in patterns.items():
        if name == "email" and claims.get("email_verified") is not True:
            return name
        if not any(matches(pattern, text) for text in _texts(claims.get(name))):
            return name
    return None


def audiences(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Return whom an ID token is meant for."""
    return tuple(_texts(claims.get("aud")))


def is_meant_for(audience: str, client_id: str | None, claims: Mapping[str, Any]) -> bool:
    """Whether an ID token is meant for an audience, and was given to a client if one is named.

    Source: OpenID Connect Core 1.0, section 3.1.3.7, steps 3 to 5.
    """
    given_to = claims.get("azp")
    is_ours = client_id is None or given_to is None or given_to == client_id
    return is_ours and audience in audiences(claims)


def is_of_job(claims: Mapping[str, Any]) -> bool:
    """Whether an ID token is a CI job's, of which the job's author says whom it is meant for (`aud`)."""
    return not OF_JOBS.isdisjoint(claims)


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        return [text for each in value if not isinstance(each, list) for text in _texts(each)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)] if isinstance(value, (str, int)) else []
