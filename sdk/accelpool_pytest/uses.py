"""Which test has which leases: its own, and those of the fixtures of wider scope that it uses.

A plugin of pytest's, which the fixture `accelerators` registers: sessions that use none do without it. Leases
are told as properties of the test's reports, which processes of pytest-xdist send by themselves.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field, replace

import pytest

DEVICES, LEASE, WAITED = "accelerator", "accelerator_lease", "accelerator_waited_s"


@dataclass(frozen=True, kw_only=True)
class Use:
    """A lease that a test or a fixture was given.

    Attributes:
        devices: Which devices on which nodes.
        lease: Its id.
        waited_s: How long it took this user to get it.
    """

    devices: str
    lease: str
    waited_s: float

    def properties(self) -> list[tuple[str, str]]:
        """Return what a test's report says of it."""
        return [(DEVICES, self.devices), (LEASE, self.lease), (WAITED, f"{self.waited_s:.1f}")]


@dataclass(kw_only=True)
class Uses:
    """Tells in the reports of tests which leases they have.

    Args:
        given: The uses of the session so far; whoever has the leases appends to it.
    """

    given: list[Use]
    _told: int = 0
    _of_fixture: dict[str, list[Use]] = field(default_factory=dict)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
        """Note which leases a fixture was given; tests that use it later did not wait for them."""
        before = len(self.given)
        value = yield
        self._of_fixture[fixturedef.argname] = [replace(use, waited_s=0.0) for use in self.given[before:]]
        return value

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[object]) -> None:
        """Forget a fixture that is over: the next one of that name may have other leases."""
        self._of_fixture.pop(fixturedef.argname, None)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> None:
        """Tell the leases of a test, before each of its reports is made."""
        new, self._told = self.given[self._told :], len(self.given)
        names = getattr(item, "fixturenames", ())
        shared = [use for name in names for use in self._of_fixture.get(name, ())]
        _tell(item, [*new, *shared])


def used(reports: Iterable[pytest.TestReport]) -> tuple[int, int, float]:
    """Return how many tests had how many leases, and for how many seconds these were waited for."""
    ended = [report.user_properties for report in reports if report.when == "teardown"]
    of_tests = [properties for properties in ended if LEASE in dict(properties)]
    told = [one for properties in of_tests for one in properties]
    leases = {value for name, value in told if name == LEASE}
    return len(of_tests), len(leases), sum(float(str(value)) for name, value in told if name == WAITED)


def _tell(item: pytest.Item, uses: Iterable[Use]) -> None:
    for use in uses:
        if (LEASE, use.lease) not in item.user_properties:
            item.user_properties += use.properties()
