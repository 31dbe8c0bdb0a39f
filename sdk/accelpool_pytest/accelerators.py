"""The leases of one test session: shared by tests that ask for the same, given back at its end.

a test asks for          then
what the session has     it gets the same context, if that can still be used
something else           the session asks the pool for it; if that would have to wait, the session first
                         gives back what nobody uses now, so that it never waits for itself
what can never be        it is refused again without asking
what was waited for      in vain: it is asked for again, and not waited for again
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeAlias, Unpack

import pytest

import accelpool
from accelpool import Context, Demand, acquire_options
from accelpool.acquire_options import AcquireOptions
from accelpool.errors import AccelpoolError, Invalid, LeaseTimeout, Unsatisfiable
from accelpool.lease_request import LeaseRequest, wait_seconds
from accelpool_pytest.policy import LeaseScope, Policy, Rules
from accelpool_pytest.uses import Use

Kind: TypeAlias = str | Demand | Sequence[Demand]


@dataclass(kw_only=True)
class Granted:
    """A lease that was granted.

    Attributes:
        request: What was asked for.
        context: The context on its devices.
        scope: How long it lasts.
        waited_s: How long it took its present user to get it.
        users: How many have it now.
    """

    request: LeaseRequest
    context: Context
    scope: LeaseScope
    waited_s: float
    users: int = 0

    def use(self) -> Use:
        """Return what is told of it."""
        lease = self.context.lease
        devices = ", ".join(f"{share.name} on {share.node}" for share in lease.shares)
        return Use(devices=devices, lease=lease.id, waited_s=self.waited_s)


@dataclass(kw_only=True)
class Accelerators:
    """The leases of a test session. A context manager that gives them back at its end.

    Args:
        rules: What pytest's options say.
        ask: Asks the pool, as `accelpool.acquire` does.
        clock: Seconds from any start, never going back.

    Attributes:
        uses: All that was granted, in order; a shared lease once for each that was given it.
    """

    rules: Rules
    ask: Callable[..., Context] = accelpool.acquire
    clock: Callable[[], float] = time.monotonic
    uses: list[Use] = field(default_factory=list)
    _granted: list[Granted] = field(default_factory=list)
    _refused: dict[str, Unsatisfiable | LeaseTimeout] = field(default_factory=dict)

    def acquire(self, kind: Kind = "any", **options: Unpack[AcquireOptions]) -> Context:
        """Return a context that stays until the end of the session: for fixtures of a wider scope.

        Args:
            kind: As `accelpool.acquire` has it.
            **options: Likewise; `wait` takes the place of `accelerator_wait`.

        Raises:
            pytest.skip.Exception: There is none, and the policy is "skip".
            pytest.fail.Exception: There is none, and the policy is another; or an option is not possible.
        """
        return self.grant(kind, options, LeaseScope.SESSION).context

    def grant(self, kind: Kind, options: AcquireOptions, scope: LeaseScope) -> Granted:
        """Return a lease, a new one or one that the session has; whoever has it says when he is `done`."""
        __tracebackhide__ = True
        request = _request(kind, options)
        granted = self._found(request) if scope is LeaseScope.SESSION else None
        if granted is None:
            granted = self._new(request, kind, options, scope)
            self._granted.append(granted)
        granted.users += 1
        self.uses.append(granted.use())
        return granted

    def done(self, granted: Granted) -> None:
        """Have one user less; what is not shared is given back."""
        granted.users -= 1
        if granted.scope is LeaseScope.TEST:
            self._give_back([granted])

    def _found(self, request: LeaseRequest) -> Granted | None:
        for granted in self._granted:
            if granted.scope is LeaseScope.SESSION and granted.request == request and granted.context.is_open:
                granted.waited_s = 0.0
                return granted
        return None

    def _new(self, request: LeaseRequest, kind: Kind, options: AcquireOptions, scope: LeaseScope) -> Granted:
        __tracebackhide__ = True
        since = self.clock()
        found = self._context_or_refusal(request, kind, options)
        if isinstance(found, Context):
            return Granted(request=request, context=found, scope=scope, waited_s=self.clock() - since)
        reason = f"no accelerator: {' '.join(str(found).split())}"
        if self.rules.policy is Policy.SKIP:
            pytest.skip(reason)
        pytest.fail(reason, pytrace=False)

    def _context_or_refusal(
        self, request: LeaseRequest, kind: Kind, options: AcquireOptions
    ) -> Context | AccelpoolError:
        try:
            return self._acquired(request, kind, options)
        except AccelpoolError as error:
            if isinstance(error, Unsatisfiable | LeaseTimeout):
                self._refused[repr(request)] = error
            return error

    def _acquired(self, request: LeaseRequest, kind: Kind, options: AcquireOptions) -> Context:
        wait_s = wait_seconds(options["wait"]) if "wait" in options else self.rules.wait_s
        before = self._refused.get(repr(request))
        if isinstance(before, LeaseTimeout):
            wait_s = 0.0
        elif before is not None:
            raise before
        idle = [granted for granted in self._granted if not granted.users]
        if idle:
            try:
                return self.ask(kind, **{**options, "wait": False})
            except LeaseTimeout:
                self._give_back(idle)
        return self.ask(kind, **{**options, "wait": wait_s})

    def _give_back(self, some: Sequence[Granted]) -> None:
        for granted in some:
            self._granted.remove(granted)
            granted.context.release()

    def __enter__(self) -> Accelerators:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back(list(self._granted))


def _request(kind: Any, options: AcquireOptions) -> LeaseRequest:
    """Return what is asked for, however long it may be waited for."""
    __tracebackhide__ = True
    try:
        wait_seconds(options.get("wait"))
        return acquire_options.read(kind, {**options, "wait": None})
    except (Invalid, TypeError) as error:
        reason = str(error)
    pytest.fail(f"accelerator: {reason}", pytrace=False)  # after the block: else it is told twice
