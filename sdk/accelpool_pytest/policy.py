"""What is to happen when no accelerator can be had, and how long a lease lasts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

WAIT_S = 600.0


class Policy(StrEnum):
    """What becomes of a test for which there is no accelerator."""

    WAIT = "wait"
    SKIP = "skip"
    FAIL = "fail"


class LeaseScope(StrEnum):
    """How long a lease lasts: tests of one session that ask for the same share it, or each has its own."""

    SESSION = "session"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What pytest's options say.

    Attributes:
        policy: What becomes of tests without an accelerator.
        wait_s: For how many seconds one is waited for before that.
        scope: How long a lease lasts where the marker does not say it.
    """

    policy: Policy = Policy.WAIT
    wait_s: float = WAIT_S
    scope: LeaseScope = LeaseScope.SESSION

    @classmethod
    def read(cls, policy: str, wait: str, scope: str) -> Rules:
        """Return the rules for the options' texts.

        Raises:
            ValueError: Which option is not possible, and what was expected.
        """
        return cls(
            policy=Policy(_one_of("accelerator_policy", policy, Policy)),
            wait_s=_seconds(wait),
            scope=LeaseScope(_one_of("accelerator_lease", scope, LeaseScope)),
        )


def scope_of(text: str) -> LeaseScope:
    """Return the scope that a marker names.

    Raises:
        ValueError: It is none.
    """
    return LeaseScope(_one_of("lease", text, LeaseScope))


def _one_of(name: str, text: str, choices: type[StrEnum]) -> str:
    if text not in list(choices):
        raise ValueError(f"{name} is one of {', '.join(choices)}, not {text!r}")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"accelerator_wait is a number of seconds from 0 on, not {text!r}")
    return seconds
