"""What pytest loads: options, the marker, the fixtures and what reports say. Light until a test asks.

ini option            command line             default
accelerator_policy    --accelerator-policy     wait
accelerator_wait      --accelerator-wait       600, with the policy "wait"; 0 with others
accelerator_lease                              session
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from accelpool_pytest.policy import WAIT_S, LeaseScope, Policy, Rules, scope_of
from accelpool_pytest.uses import Uses, used

if TYPE_CHECKING:
    from accelpool.context import Context
    from accelpool_pytest.accelerators import Accelerators

MARKER = "accelerator"
MARKER_LINE = (
    "accelerator(kind='any', *, lease='session' or 'test', **options): "
    "what the fixture `accelerator` asks the pool for; options are those of accelpool.acquire"
)
FIXTURES = {"accelerator", "accelerators"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the options; those of the command line come before those of the ini file."""
    group = parser.getgroup("accelpool", "accelerators of the pool")
    policy = "what becomes of tests without an accelerator: wait (and fail then), skip, fail"
    wait = "for how many seconds one is waited for"
    group.addoption("--accelerator-policy", choices=[*Policy], help=policy)
    group.addoption("--accelerator-wait", metavar="SECONDS", help=f"{wait}, with any policy")
    parser.addini("accelerator_policy", policy, default=Policy.WAIT.value)
    parser.addini("accelerator_wait", f"{wait}, with the policy wait", default=str(WAIT_S))
    parser.addini(
        "accelerator_lease",
        "session: tests that ask for the same share a lease; test: each has its own",
        default=LeaseScope.SESSION.value,
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and refuse options that are not possible."""
    config.addinivalue_line("markers", MARKER_LINE)
    _rules(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test that asks for an accelerator, so that `-m accelerator` finds them all."""
    if FIXTURES.intersection(getattr(item, "fixturenames", ())) and item.get_closest_marker(MARKER) is None:
        item.add_marker(MARKER)


@pytest.fixture(scope="session")
def accelerators(pytestconfig: pytest.Config) -> Iterator[Accelerators]:
    """The session's leases: `accelerators.acquire("gpu")` for fixtures of a wider scope than a test's."""
    from accelpool_pytest.accelerators import Accelerators

    with Accelerators(rules=_rules(pytestconfig)) as held:
        plugin = Uses(given=held.uses)
        pytestconfig.pluginmanager.register(plugin)
        yield held
        pytestconfig.pluginmanager.unregister(plugin)


@pytest.fixture
def accelerator(request: pytest.FixtureRequest, accelerators: Accelerators) -> Iterator[Context]:
    """A context on an accelerator of the pool, as the marker `accelerator` asks for; else on any."""
    granted = accelerators.grant(*_asked(request.node, accelerators.rules))
    yield granted.context
    accelerators.done(granted)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say on how many leases tests ran, and how long these were waited for."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    tests, leases, waited_s = used(report for report in reports if isinstance(report, pytest.TestReport))
    if tests:
        terminalreporter.write_line(
            f"accelerators: tests: {tests}, leases: {leases}, waited for them: {waited_s:.1f} s"
        )


def _rules(config: pytest.Config) -> Rules:
    policy = config.getoption("accelerator_policy") or config.getini("accelerator_policy")
    wait = config.getoption("accelerator_wait")
    if wait is None and policy == Policy.WAIT:
        wait = config.getini("accelerator_wait")
    try:
        return Rules.read(policy, wait or "0", config.getini("accelerator_lease"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _asked(node: pytest.Item, rules: Rules) -> tuple[Any, Any, LeaseScope]:
    """Return what a test's marker asks for: the kind, the options of `acquire`, the lease's scope."""
    __tracebackhide__ = True
    marker = node.get_closest_marker(MARKER) or pytest.mark.accelerator.mark
    options = {"kind": "any", "lease": rules.scope, **marker.kwargs}
    if len(marker.args) > 1:
        pytest.fail(f"accelerator: a marker names one kind, not {marker.args!r}", pytrace=False)
    kind, lease = options.pop("kind"), options.pop("lease")
    try:
        return marker.args[0] if marker.args else kind, options, scope_of(lease)
    except ValueError as error:
        reason = str(error)
    pytest.fail(f"accelerator: {reason}", pytrace=False)
