"""Asking for a lease and waiting until it is granted.

    POST /leases?wait_s=25            one request where the device is free
    GET /leases/{id}?wait_s=25        again and again while the lease is queued
    DELETE /leases/{id}               when the caller gives up, by time or by Ctrl-C

The POST carries an idempotency key, so it may be repeated when the connection breaks.

What to do next is decided by a generator of `Look`s, `steps`; who waits in this thread has `run` take them,
who must not block takes them as it likes (`accelpool.aio`).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import msgspec

from accelpool.endpoint_security import check_endpoints
from accelpool.errors import (
    AccelpoolError,
    LeaseExpired,
    LeaseLost,
    LeaseRevoked,
    LeaseTimeout,
    ProblemError,
    RemoteProtocolError,
    Unsatisfiable,
)
from accelpool.lease_request import LeaseRequest
from accelpool.progress_reports import FIRST_S, current_report
from accelpool.queue_progress import LOOK_S, QueueProgress
from accelpool.records import LeaseRecord, lease_path
from accelpool.rest import Answer, RestClient
from accelpool_wire import traces

POLL_S = 25.0
SAY_AFTER_S = 5.0
SHORTEST_S = 0.1  # answers come a little before their time
RETRY_S = 30.0
WITHDRAW_TIMEOUT_S = 3.0
ENDED: dict[str, type[ProblemError]] = {
    "released": LeaseRevoked,
    "revoked": LeaseRevoked,
    "expired": LeaseExpired,
    "lost": LeaseLost,
    "withdrawn": LeaseTimeout,
    "rejected": Unsatisfiable,
}

log: logging.Logger = logging.getLogger("accelpool")


@dataclass(frozen=True, kw_only=True)
class Look:
    """What to do next: leave the broker alone, then ask it for the lease.

    Attributes:
        pause_s: For how long.
        wait_s: How long it may hold its answer back.
    """

    pause_s: float = 0.0
    wait_s: float = 0.0


Steps = Generator[Look, Answer, LeaseRecord]


@dataclass(kw_only=True)
class Acquisition:
    """One lease being asked for; once it is granted, `waited_s` is how long that took.

    `say` is told why it waits, once it has for `say_after_s`. With `is_insecure` nodes need no TLS, though
    the broker has it.
    """

    rest: RestClient
    request: LeaseRequest
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    record: LeaseRecord | None = None
    now: Callable[[], float] = time.time
    say: Callable[[str], object] = log.warning
    say_after_s: float = SAY_AFTER_S
    is_insecure: bool = False
    waited_s: float = 0.0
    _said: str | None = None
    _since: float = 0.0
    _progress: QueueProgress | None = None

    def run(self) -> LeaseRecord:
        """Return the lease once it is active.

        Raises:
            Unsatisfiable: No device could ever satisfy the request.
            LeaseTimeout: Not granted within the time allowed; the request is withdrawn.
            InsecureEndpoint: It is on a node without TLS, of a broker with TLS; it is given back.
            ProblemError: The broker refused otherwise.
            TransportError: The broker cannot be reached.
        """
        try:
            return self._take_steps(self.steps())
        except BaseException:
            self.withdraw()
            raise

    def reserve(self) -> LeaseRecord:
        """Return the lease as it is at once: with what is reserved for it.

        Raises:
            Conflict: There is no room at that time; `members` says what is in the way.
            Unsatisfiable, ProblemError, TransportError: As `run` does.
        """
        return self._take(self._post(0.0))

    def join(self) -> LeaseRecord:
        """Return a lease that was asked for before once it is active; it stays if this fails.

        Raises:
            LeaseTimeout: Not granted within the time allowed.
            InsecureEndpoint, ProblemError, TransportError: As `run` does.
        """
        return self._take_steps(self.steps(first_wait_s=0.0))

    def look(self, step: Look) -> Answer:
        """Ask for the lease, or how it is, and return the broker's answer."""
        answer = self._post(step.wait_s) if self.record is None else self._get(step.wait_s)
        record = self._take(answer)
        if self._progress is not None and record.state == "queued":
            self._progress.tell(record)
        return answer

    def _take_steps(self, steps: Steps) -> LeaseRecord:
        with closing(steps):
            try:
                step = next(steps)
                while True:
                    if step.pause_s:
                        self.rest.sleep(step.pause_s)
                    step = steps.send(self.look(step))
            except StopIteration as end:
                record: LeaseRecord = end.value
                return record

    def _begin(self) -> float | None:
        """Return when the time allowed is over; that of a reservation begins with it."""
        request = self.request
        self._since = self.rest.clock()
        if (report := current_report()) is not None:
            self._progress = QueueProgress(self.rest, report)
        if request.wait_s is None:
            return None
        starts_in_s = 0.0 if request.starts_at is None else max(0.0, request.starts_at - self.now())
        return self._since + starts_in_s + request.wait_s

    def steps(self, first_wait_s: float | None = None) -> Steps:
        """Yield what to do next, given the answer to what was done; return the lease once it is active.

        Args:
            first_wait_s: How long the first answer may be held back; None for as long as makes sense.

        Raises:
            What `run` does; withdrawing is up to the caller.
        """
        until = self._begin()
        if first_wait_s is None:
            first_s = self.say_after_s if self._progress is None else min(self.say_after_s, FIRST_S)
            first_wait_s = _remaining(until, self.rest.clock(), first_s)
        try:
            record = yield from self._until_it_is_not_queued(first_wait_s, until)
        finally:
            if self._progress is not None:
                self._progress.end()
        if record.state != "active":
            raise ended(record)
        self.waited_s = self.rest.clock() - self._since
        if not self.is_insecure:
            check_endpoints(record, self.rest.url)
        return record

    def _until_it_is_not_queued(self, first_wait_s: float, until: float | None) -> Steps:
        clock = self.rest.clock
        answer = yield Look(wait_s=first_wait_s)
        while (record := self._known()).state == "queued":
            left_s = _remaining(until, now := clock())
            if left_s <= 0:
                raise LeaseTimeout(self._told())
            self._say_why(now)
            pause_s = min(answer.retry_after_s or 0.0, left_s)
            wait_s = _remaining(until, now + pause_s, self._patience(now + pause_s))
            answer = yield Look(pause_s=pause_s, wait_s=wait_s)
        return record

    def withdraw(self) -> None:
        """Give the lease or the request back, whatever has become of it; failures do not matter any more."""
        try:
            if self.record is None:  # interrupted before the answer: the same request finds the lease
                self._take(self._post(0.0, timeout_s=WITHDRAW_TIMEOUT_S, retry_s=0.0))
            if self.record is not None and self.record.state in ("queued", "active"):
                self.rest.request("DELETE", lease_path(self.record.id), timeout_s=WITHDRAW_TIMEOUT_S)
        except AccelpoolError:
            return  # refused, or the broker is away: an unread request withdraws itself

    def _post(self, wait_s: float, *, timeout_s: float = 15.0, retry_s: float = RETRY_S) -> Answer:
        return self.rest.request(
            "POST",
            "/leases",
            json=self.request.body(),
            params={"wait_s": wait_s},
            headers={"Idempotency-Key": self.key},
            wait_s=wait_s,
            timeout_s=timeout_s,
            retry_s=retry_s,
            is_refusal_final=True,
        )

    def _get(self, wait_s: float) -> Answer:
        path = lease_path(self._known().id)
        return self.rest.request("GET", path, params={"wait_s": wait_s}, wait_s=wait_s, retry_s=RETRY_S)

    def _take(self, answer: Answer) -> LeaseRecord:
        self.record = record = lease_record(answer.body)
        if record.state == "queued":
            why: traces.Attributes = {
                "accelpool.lease": record.id,
                "accelpool.wait.reason": record.reason or "",
            }
            traces.note("queued", {**why, "accelpool.wait.position": record.position or 0})
        return record

    def _known(self) -> LeaseRecord:
        assert self.record is not None
        return self.record

    def _say_why(self, now: float) -> None:
        """Say why it waits, once it has waited for a while and whenever the reason changes."""
        record = self._known()
        if record.reason != self._said and now - self._since >= self.say_after_s:
            self._said = record.reason
            position = f" at position {record.position}" if record.position else ""
            self.say(f"lease {record.id} waits{position}: {record.reason}")

    def _patience(self, now: float) -> float:
        """Return how long an answer may take: not beyond the moment when there is something to say."""
        say_in_s = self._since + self.say_after_s - now
        longest_s = POLL_S if self._progress is None else LOOK_S
        return longest_s if say_in_s <= 0 else min(longest_s, max(SHORTEST_S, say_in_s))

    def _told(self) -> str:
        record = self._known()
        of_start = "" if self.request.starts_at is None else " of its start"
        waited = f"lease {record.id} was not granted within {self.request.wait_s:g} s{of_start}"
        position = f", at position {record.position}" if record.position else ""
        return f"{waited}{position}: {record.reason or 'no reason given'}"


def lease_record(body: Any) -> LeaseRecord:
    """Return a lease from the broker's JSON.

    Raises:
        RemoteProtocolError: It is none.
    """
    try:
        return msgspec.convert(body, LeaseRecord)
    except msgspec.ValidationError as error:
        raise RemoteProtocolError(f"the broker's lease is malformed: {error}") from error


def ended(record: LeaseRecord) -> ProblemError:
    """Return the typed error for a lease that has ended."""
    kind = ENDED.get(record.state, LeaseRevoked)
    return kind(f"lease {record.id} is {record.state}: {record.reason or 'no reason given'}")


def _remaining(until: float | None, now: float, longest_s: float = POLL_S) -> float:
    """Return how long the broker may hold its next answer back."""
    return longest_s if until is None else max(0.0, min(longest_s, until - now))
