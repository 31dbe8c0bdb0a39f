"""The queries of the store about webhooks."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select

from accelpool_broker.models import Account, Webhook, WebhookClaim, WebhookState
from accelpool_broker.queries.session import Database

CLAIM = "delivery"


class WebhookQueries:
    """What can be asked of webhooks within one transaction."""

    _database: Database

    def webhook(self, id: str) -> Webhook | None:
        """Return the webhook with this id."""
        return self._database.scalars(select(Webhook).where(Webhook.id == id)).one_or_none()

    def webhooks(
        self, *, account: str | None = None, before: int | None = None, limit: int | None = None
    ) -> Sequence[Webhook]:
        """Return webhooks, of an account or of all, newest first."""
        query = select(Webhook).order_by(Webhook.number.desc()).limit(limit)
        if account is not None:
            query = query.where(Webhook.account == account)
        if before is not None:
            query = query.where(Webhook.number < before)
        return self._database.scalars(query).all()

    def webhook_count(self, account: str) -> int:
        """Return how many webhooks an account has."""
        return self._database.scalars(select(func.count()).where(Webhook.account == account)).one()

    def active_webhooks(self) -> Sequence[tuple[Webhook, Account]]:
        """Return the webhooks that events are sent to, with their accounts."""
        query = select(Webhook, Account).join(Account, Account.name == Webhook.account)
        query = query.where(Webhook.state == WebhookState.ACTIVE).order_by(Webhook.number)
        return [(hook, account) for hook, account in self._database.execute(query)]

    def webhook_claim(self) -> WebhookClaim | None:
        """Return which broker sends to webhooks; None if none ever did."""
        return self._database.get(WebhookClaim, CLAIM)
