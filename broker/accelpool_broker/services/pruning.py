"""What is old is forgotten, once a minute at most."""

from __future__ import annotations

from accelpool_broker.services.changes import Change
from accelpool_broker.settings import Settings

PRUNED_S = 60.0


class Pruning:
    """Forgets tokens, entries of the audit log, events and use that are older than the settings say."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pruned_at = 0.0

    def tick(self, change: Change) -> None:
        """Forget what is old, if that was not done just now."""
        if 0 <= change.now - self._pruned_at < PRUNED_S:
            return
        self._pruned_at = change.now
        settings, tx = self._settings, change.tx
        tx.prune_tokens(ended_before=change.now - settings.keep_ended_s)
        tx.prune_audit(before=change.now - settings.keep_audit_s)
        tx.prune_events(before=change.now - settings.keep_events_s, keep_most=settings.keep_most_events)
        tx.prune_usage(before=change.now - settings.keep_usage_s)
