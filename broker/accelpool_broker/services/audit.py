"""The audit log: who did what to what, and who was refused.

What was done is added in the transaction that does it (`Change.note`). Refusals change nothing, and anybody
can bring them about: they are counted, and written at most once a minute, or when the log is read. Of more
than a few different ones within that time it is only said how many there were.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accelpool_broker.models import AuditEntry
from accelpool_broker.services.audit_entry import made
from accelpool_broker.services.changes import Change
from accelpool_broker.services.pool import Pool

MOST_DIFFERENT = 16
WRITTEN_S = 60.0
OTHERS = "..."


@dataclass(kw_only=True)
class _Refusals:
    """Refusals that are alike: how often, and when last."""

    count: int = 0
    at: float = 0.0


class Audit:
    """The audit log of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._refusals: dict[tuple[tuple[str, str], ...], _Refusals] = {}
        self._write_at: float | None = None

    def refuse(self, **what: str) -> None:
        """Count a refusal.

        Args:
            **what: account, token, address, action, object, outcome.
        """
        now = self._pool.clock.now()
        with self._lock:
            key = tuple(sorted(what.items()))
            if key not in self._refusals and len(self._refusals) >= MOST_DIFFERENT:
                key = tuple(sorted({**dict.fromkeys(what, OTHERS), "outcome": what["outcome"]}.items()))
            alike = self._refusals.setdefault(key, _Refusals())
            alike.count += 1
            alike.at = now
            is_first = self._write_at is None
            if self._write_at is None:
                self._write_at = now + WRITTEN_S
        if is_first:
            self._pool.on_deadline(now + WRITTEN_S)

    def tick(self, change: Change) -> None:
        """Write refusals that have waited long enough."""
        if self._write_at is not None and change.now >= self._write_at:
            self._write(change)
        elif self._write_at is not None:
            self._pool.on_deadline(self._write_at)

    def page(self, **conditions: Any) -> Sequence[AuditEntry]:
        """Return what was done, newest first, refusals up to now included.

        Args:
            **conditions: As `Transaction.audit` has them.
        """
        if self._refusals:
            with self._pool.change() as change:
                self._write(change)
        with self._pool.store.read() as tx:
            return tx.audit(**conditions)

    def close(self) -> None:
        """Write what was counted."""
        if self._refusals:
            with self._pool.change() as change:
                self._write(change)

    def _write(self, change: Change) -> None:
        with self._lock:
            refusals, self._refusals, self._write_at = self._refusals, {}, None
        for key, alike in sorted(refusals.items(), key=lambda item: item[1].at):
            change.notes.append(made(at=alike.at, count=alike.count, **dict(key)))
