"""An event as JSON: in a page, in a stream, and in what webhooks are sent."""

from __future__ import annotations

from typing import Any

from accelpool_broker.instants import instant
from accelpool_broker.models import PoolEvent


def event_body(event: PoolEvent) -> dict[str, Any]:
    """Return the body of an event."""
    return {
        "number": event.number,
        "at": instant(event.at),
        "kind": event.kind,
        "lease": event.lease,
        "tenant": event.tenant,
        "account": event.account,
        "node": event.node,
        "device": event.device,
        "reason": event.reason,
        "until": instant(event.until),
    }
