"""Leases in use, and the thread that keeps them.

Each broker has one keeper. It renews every lease at a third of its ttl, and ends those whose sessions were
dropped without a word.

    renewal fails because            then
    the broker is away               again soon, until the lease's expiry + 15 s: LeaseExpired
    the token is refused             Unauthorized, unless its source has another one now that is not
    the lease has ended              the typed error that says how
Either closes the session; the error is raised by the next use of anything of it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Protocol

import msgspec

from accelpool.errors import (
    AccelpoolError,
    LeaseExpired,
    ProblemError,
    QuotaExceeded,
    RemoteProtocolError,
    SessionLost,
    TooManyRequests,
    TransportError,
    Unauthorized,
    Unavailable,
)
from accelpool.records import LeaseRecord, NoticeRecord, lease_path
from accelpool.rest import RestClient

RENEWALS_PER_TTL = 3
LONGEST_RENEWAL_S = 10.0  # so that a notice is heard well before its grace time is over
GRACE_S = 15.0
RETRY_S = 2.0
RENEW_TIMEOUT_S = 5.0
END_TIMEOUT_S = 5.0
IDLE_S = 30.0


OnNotice = Callable[[NoticeRecord], object]

log: logging.Logger = logging.getLogger("accelpool")


class Closable(Protocol):
    """What a lease closes when it ends: its connection."""

    def close(self) -> None:
        """Close it; closing twice is closing once."""
        ...

    def abandon(self, reason: ProblemError) -> None:
        """In a process just forked: leave it to the other process; every use here raises `reason`."""
        ...


class Lease:
    """A lease in use.

    Attributes:
        record: The lease as it was granted.
        latest: The lease as its last renewal left it.
        connection: Its open connection.
        failure: How it ended against its holder's will, or None.
        is_over: Whether it has ended, one way or the other.
        notice: That it ends soon, None if it does not.
        on_notice: Called once with that.
    """

    __slots__ = (
        "connection", "failure", "is_over", "latest", "notice", "on_notice", "record", "renew_at",
        "renewed_at",
    )  # fmt: skip

    def __init__(self, record: LeaseRecord, connection: Closable, now: float) -> None:
        self.record: LeaseRecord = record
        self.latest: LeaseRecord = record
        self.connection: Closable = connection
        self.failure: ProblemError | None = None
        self.is_over: bool = False
        self.notice: NoticeRecord | None = None
        self.on_notice: OnNotice = self._warn
        self.renewed_at: float = now
        self.renew_at: float = now + min(record.ttl_s / RENEWALS_PER_TTL, LONGEST_RENEWAL_S)

    def _warn(self, notice: NoticeRecord) -> None:
        log.warning("lease %s ends at %s: %s", self.record.id, notice.revoke_at, notice.reason)

    @property
    def path(self) -> str:
        """The lease's path at the broker."""
        return lease_path(self.record.id)


def _tell(lease: Lease, notice: NoticeRecord) -> None:
    """Tell a lease's holder, who may take his time: not in the thread that keeps leases alive."""
    try:
        lease.on_notice(notice)
    except Exception:
        log.exception("on_notice failed for lease %s", lease.record.id)


class LeaseKeeper:
    """Keeps the leases of one broker alive. A context manager that ends them all.

    Args:
        rest: The way to the broker.
        clock: Seconds from any start, never going back.
    """

    def __init__(self, rest: RestClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._rest = rest
        self._clock = clock
        self._leases: dict[str, Lease] = {}
        self._dropped: SimpleQueue[Lease | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def keep(self, record: LeaseRecord, connection: Closable, on_notice: OnNotice | None = None) -> Lease:
        """Return the lease, kept alive from now on; `on_notice` is told once when it has to end soon."""
        lease = self.adopt(record, connection)
        lease.on_notice = on_notice or lease.on_notice
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="accelpool-leases", daemon=True)
                self._thread.start()
                atexit.register(self.end_all)
        self._dropped.put(None)  # the thread counts anew how long it may sleep
        return lease

    def adopt(self, record: LeaseRecord, connection: Closable) -> Lease:
        """Return the lease without a thread that renews it; `renew_due` does."""
        lease = Lease(record, connection, self._clock())
        with self._lock:
            self._leases[record.id] = lease
        return lease

    def end(self, lease: Lease) -> None:
        """Close the session and give the lease back; failures do not matter any more."""
        is_known = self._leases.pop(lease.record.id, None) is not None
        lease.is_over = True
        lease.connection.close()
        if is_known and lease.failure is None:
            with contextlib.suppress(AccelpoolError):  # then it expires: nobody renews it any more
                self._rest.request("DELETE", lease.path, timeout_s=END_TIMEOUT_S)

    def drop(self, lease: Lease) -> None:
        """Let the keeper's thread end a lease, soon. Never blocks: fit for `__del__`."""
        self._dropped.put(lease)

    def close(self) -> None:
        """End all leases, then the thread."""
        self._is_closed = True
        self.end_all()
        atexit.unregister(self.end_all)
        self._dropped.put(None)

    def end_all(self) -> None:
        """End all leases: the last thing that a process does."""
        for lease in list(self._leases.values()):
            self.end(lease)

    def disown(self) -> None:
        """In a process just forked: leave all leases to the other process, and begin anew."""
        for lease in self._leases.values():
            lease.failure = SessionLost(
                f"the context of lease {lease.record.id} belongs to process {os.getppid()}, which forked "
                "this one: acquire one in this process"
            )
            lease.is_over = True
            lease.connection.abandon(lease.failure)
        self._leases = {}
        self._dropped = SimpleQueue()
        self._lock = threading.Lock()
        self._thread = None

    def renew_due(self) -> float:
        """Renew what is due; return the seconds until something is due again."""
        for lease in list(self._leases.values()):
            if lease.renew_at <= self._clock():
                self._renew(lease)
        pending = [lease.renew_at for lease in list(self._leases.values())]
        return max(0.0, min(pending) - self._clock()) if pending else IDLE_S

    def _renew(self, lease: Lease) -> None:
        asked_at = self._clock()
        ttl_s = lease.record.ttl_s
        try:
            answer = self._rest.request("PATCH", lease.path, json={"ttl_s": ttl_s}, timeout_s=RENEW_TIMEOUT_S)
        except (TransportError, Unavailable, QuotaExceeded, TooManyRequests, RemoteProtocolError) as error:
            lost_at = lease.renewed_at + ttl_s + GRACE_S
            lease.renew_at = min(lost_at, self._clock() + min(RETRY_S, ttl_s / RENEWALS_PER_TTL))
            if self._clock() >= lost_at:
                self._fail(lease, LeaseExpired(f"lease {lease.record.id} could not be renewed: {error}"))
        except Unauthorized as error:
            told = f"lease {lease.record.id} cannot be renewed any more and is given up: {error}"
            self._fail(lease, Unauthorized(told))
        except ProblemError as error:
            self._fail(lease, error)
        else:
            lease.renewed_at = asked_at
            lease.renew_at = asked_at + min(ttl_s / RENEWALS_PER_TTL, LONGEST_RENEWAL_S)
            self._heed(lease, answer.body)

    def _heed(self, lease: Lease, body: object) -> None:
        """Take what a renewal's answer says, and tell the lease's holder, once, that it ends soon."""
        try:
            lease.latest = msgspec.convert(body, LeaseRecord)
        except msgspec.ValidationError:
            return  # it was renewed: that is what the answer is for
        notice = lease.latest.notice
        if notice is not None and notice != lease.notice:
            threading.Thread(target=_tell, args=(lease, notice), name="accelpool-notice", daemon=True).start()
        lease.notice = notice

    def _fail(self, lease: Lease, error: ProblemError) -> None:
        if lease.is_over:
            return  # given back meanwhile: the broker's answer is no news
        lease.failure = error
        self.end(lease)

    def _run(self) -> None:
        while not self._is_closed:
            sleep_s = self.renew_due()
            try:
                dropped = self._dropped.get(timeout=sleep_s)
            except Empty:
                if self._retire():
                    return
                continue
            if dropped is not None:
                self.end(dropped)

    def _retire(self) -> bool:
        """End the thread if there is nothing to keep; the next lease starts another."""
        with self._lock:
            if self._leases:
                return False
            self._thread = None
            atexit.unregister(self.end_all)
            return True
