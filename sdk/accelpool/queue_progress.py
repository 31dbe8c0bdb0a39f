"""How far a lease is that waits in the queue."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from accelpool.errors import AccelpoolError
from accelpool.progress_reports import ProgressKind, ProgressStep, Report
from accelpool.records import LeaseRecord, lease_path
from accelpool.rest import RestClient

LOOK_S = 2.0  # a place in the queue changes without the lease's state
ASK_S = 2.0


class QueueProgress:
    """Tells of a wait in the queue, from its first answer on.

    Args:
        rest: The way to the broker.
        report: Whom to tell.
    """

    def __init__(self, rest: RestClient, report: Report) -> None:
        self._rest = rest
        self._report = report
        self._step: ProgressStep | None = None

    def tell(self, record: LeaseRecord) -> None:
        """Tell how far a queued lease is."""
        earliest_at = self._step.earliest_at if self._step else None
        if self._step is None or record.reason != self._step.reason:
            earliest_at = self._earliest(record)
        self._step = ProgressStep(
            kind=ProgressKind.QUEUE,
            name=record.id,
            position=record.position,
            reason=record.reason or "",
            earliest_at=earliest_at,
        )
        self._report(self._step)

    def end(self) -> None:
        """Tell that it waits no longer, if it did."""
        if self._step is not None:
            self._report(replace(self._step, is_over=True))

    def _earliest(self, record: LeaseRecord) -> str | None:
        with contextlib.suppress(AccelpoolError):
            told = self._rest.request("GET", f"{lease_path(record.id)}/explanation", timeout_s=ASK_S).body
            return told.get("earliest_at") if isinstance(told, dict) else None
        return None
