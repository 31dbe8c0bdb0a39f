"""Asking for a lease and waiting until it is granted.

    POST /leases?wait_s=25            one request where the device is free
    GET /leases/{id}?wait_s=25        again and again while the lease is queued
    DELETE /leases/{id}               when the caller gives up, by time or by Ctrl-C

The POST carries an idempotency key, so it may be repeated when the connection breaks.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

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
from accelpool.records import LeaseRecord
from accelpool.rest import Answer, RestClient

POLL_S = 25.0
RETRY_S = 30.0
WITHDRAW_TIMEOUT_S = 3.0
# A living client withdraws in time itself, and knows why it waited; the broker sees to dead ones.
MARGIN_S = 5.0
LONGEST_S = 7 * 86400.0

UNITS = {
    "": 1, "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip

ENDED: dict[str, type[ProblemError]] = {
    "released": LeaseRevoked,
    "revoked": LeaseRevoked,
    "expired": LeaseExpired,
    "lost": LeaseLost,
    "withdrawn": LeaseTimeout,
    "rejected": Unsatisfiable,
}


@dataclass(frozen=True, kw_only=True)
class LeaseRequest:
    """What to ask for, and how long to wait for it.

    Attributes:
        kind: "gpu", "cpu", "accelerator" or "any".
        count: How many devices.
        memory_bytes: Memory that each must have; None for a whole device.
        ttl_s: How long the lease lasts from its last renewal.
        device: A device's id, to ask for that one.
        wait_s: How long to wait while it is queued; None for as long as it takes.
        client: Who asks, for the pool's lists.
    """

    kind: str = "any"
    count: int = 1
    memory_bytes: int | None = None
    ttl_s: float = 60.0
    device: str | None = None
    wait_s: float | None = None
    client: str = ""

    def body(self) -> dict[str, Any]:
        """Return the JSON to post."""
        return {
            "kind": self.kind,
            "count": self.count,
            "memory_bytes": self.memory_bytes,
            "ttl_s": self.ttl_s,
            "queue_timeout_s": None if self.wait_s is None else min(self.wait_s + MARGIN_S, LONGEST_S),
            "ends_with_session": True,
            "device": self.device,
            "client": self.client,
        }


@dataclass(kw_only=True)
class Acquisition:
    """One lease being asked for."""

    rest: RestClient
    request: LeaseRequest
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    record: LeaseRecord | None = None

    def run(self) -> LeaseRecord:
        """Return the lease once it is active.

        Raises:
            Unsatisfiable: No device could ever satisfy the request.
            LeaseTimeout: Not granted within the time allowed; the request is withdrawn.
            ProblemError: The broker refused otherwise.
            TransportError: The broker cannot be reached.
        """
        request, clock = self.request, self.rest.clock
        until = None if request.wait_s is None else clock() + request.wait_s
        try:
            answer = self._post(_remaining(until, clock()))
            while self._take(answer).state == "queued":
                if _remaining(until, clock()) <= 0:
                    raise LeaseTimeout(self._told())
                if answer.retry_after_s:
                    self.rest.sleep(min(answer.retry_after_s, _remaining(until, clock())))
                answer = self._get(_remaining(until, clock()))
        except BaseException:
            self.withdraw()
            raise
        record = self._take(answer)
        if record.state != "active":
            raise ended(record)
        return record

    def withdraw(self) -> None:
        """Give the lease or the request back, whatever has become of it; failures do not matter any more."""
        try:
            if self.record is None:  # interrupted before the answer: the same request finds the lease
                self._take(self._post(0.0, timeout_s=WITHDRAW_TIMEOUT_S, retry_s=0.0))
            if self.record is not None and self.record.state in ("queued", "active"):
                self.rest.request("DELETE", f"/leases/{self.record.id}", timeout_s=WITHDRAW_TIMEOUT_S)
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
        assert self.record is not None
        path = f"/leases/{self.record.id}"
        return self.rest.request("GET", path, params={"wait_s": wait_s}, wait_s=wait_s, retry_s=RETRY_S)

    def _take(self, answer: Answer) -> LeaseRecord:
        self.record = lease_record(answer.body)
        return self.record

    def _told(self) -> str:
        record = self.record
        assert record is not None
        waited = f"lease {record.id} was not granted within {self.request.wait_s:g} s"
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


def memory_bytes(memory: int | str | None) -> int | None:
    """Return an amount of memory in bytes: a number of them, or a string such as "2GiB" or "500 MB".

    Raises:
        ValueError: The string is no amount of memory.
    """
    if memory is None or isinstance(memory, int):
        return memory
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", memory)
    if match is None or match[2] not in UNITS:
        raise ValueError(
            f"memory is bytes, or a number with one of {', '.join(filter(None, UNITS))}: {memory!r}"
        )
    return int(float(match[1]) * UNITS[match[2]])


def wait_seconds(wait: bool | float | None) -> float | None:
    """Return how long to wait in seconds: True or None is for ever, False not at all."""
    if wait is None or wait is True:
        return None
    return float(wait)


def client_name() -> str:
    """Return who asks, for the pool's lists: program, process and host."""
    program = Path(sys.argv[0]).name if sys.argv and sys.argv[0] else "python"
    return f"{program}[{os.getpid()}]@{socket.gethostname()}"[:200]


def _remaining(until: float | None, now: float) -> float:
    """Return how long the broker may hold its next answer back."""
    return POLL_S if until is None else max(0.0, min(POLL_S, until - now))
