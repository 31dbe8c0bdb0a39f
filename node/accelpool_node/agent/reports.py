"""What the broker is told. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from accelpool_node.agent.contract import EndedReport, LoadedImage, Report, SessionReport
from accelpool_node.agent.outcomes import Outcome, Session
from accelpool_node.gpus import Readings

MAX_ENDED = 4096
NOTHING: Mapping[str, Readings] = MappingProxyType({})


class Reporter:
    """Makes reports, and repeats what ended until the broker has heard it.

    Args:
        boot_id: This start of the agent.
    """

    def __init__(self, boot_id: str) -> None:
        self.boot_id = boot_id
        self._sequence = 0
        self._ended: OrderedDict[str, EndedReport] = OrderedDict()

    def add(self, outcome: Outcome) -> None:
        """Have the end of a session reported."""
        self._ended[outcome.id] = EndedReport(
            id=outcome.id, lease=outcome.lease, cause=str(outcome.cause), detail=outcome.detail
        )
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def report(
        self,
        sessions: Iterable[Session],
        faults: Mapping[str, str],
        loaded_images: Mapping[str, LoadedImage],
        busy_s: Mapping[str, float],
        *,
        seen_revision: int | None,
        wait_s: float,
        readings: Mapping[str, Readings] = NOTHING,
        is_last: bool = False,
    ) -> Report:
        """Return what is so now, with the next number."""
        self._sequence += 1
        return Report(
            boot_id=self.boot_id,
            sequence=self._sequence,
            sessions=[
                SessionReport(
                    id=session.id,
                    lease=session.lease,
                    devices=list(session.admission.devices),
                    started_at=session.started_at,
                )
                for session in sessions
            ],
            ended=list(self._ended.values()),
            device_faults=dict(faults),
            loaded_images=dict(loaded_images),
            busy_s=dict(busy_s),
            seen_revision=seen_revision,
            wait_s=wait_s,
            leaving=is_last or msgspec.UNSET,
            readings=dict(readings) or msgspec.UNSET,
        )

    def acknowledge(self, report: Report) -> None:
        """Take note that the broker has heard a report."""
        for ended in report.ended:
            self._ended.pop(ended.id, None)
