"""The documents of commands about who may use the pool."""

from __future__ import annotations

from accelpool.cli.documents import records as r
from accelpool.cli.documents.records import Record


class CreatedJoinToken(Record, frozen=True, kw_only=True):
    """A new join token."""

    join_token: r.NewJoinToken


class JoinTokens(Record, frozen=True, kw_only=True):
    """The join tokens."""

    join_tokens: list[r.JoinToken]


class Named(Record, frozen=True, kw_only=True):
    """What was taken back."""

    id: str


class RevokedJoinToken(Record, frozen=True, kw_only=True):
    """A join token that is good for nothing any more."""

    join_token: Named


class Audit(Record, frozen=True, kw_only=True):
    """Who did what, newest first."""

    audit: list[r.AuditEntry]


class ChangedTenant(Record, frozen=True, kw_only=True):
    """A tenant as it is afterwards."""

    tenant: r.Tenant


class Tenants(Record, frozen=True, kw_only=True):
    """Who is charged."""

    tenants: list[r.Tenant]


class Whoami(Record, frozen=True, kw_only=True):
    """Whose token this is."""

    account: str
    role: str
    tenants: list[str]
    token: str
    scopes: list[str]


class Accounts(Record, frozen=True, kw_only=True):
    """Who may use the pool."""

    accounts: list[r.Account]


class ChangedAccount(Record, frozen=True, kw_only=True):
    """An account as it is afterwards."""

    account: r.Account


class Tokens(Record, frozen=True, kw_only=True):
    """An account's tokens."""

    tokens: list[r.Token]


class CreatedToken(Record, frozen=True, kw_only=True):
    """A new token."""

    token: r.NewToken


class RevokedToken(Record, frozen=True, kw_only=True):
    """A token that lets nobody in any more."""

    token: r.Token


class TrustRules(Record, frozen=True, kw_only=True):
    """Whose ID tokens let in."""

    trust_rules: list[r.TrustRule]


class CreatedTrustRule(Record, frozen=True, kw_only=True):
    """A new trust rule."""

    trust_rule: r.TrustRule


class RemovedTrustRule(Record, frozen=True, kw_only=True):
    """A trust rule that is gone."""

    trust_rule: Named


class Webhooks(Record, frozen=True, kw_only=True):
    """Who is told of events of leases."""

    webhooks: list[r.Webhook]


class CreatedWebhook(Record, frozen=True, kw_only=True):
    """A new webhook."""

    webhook: r.NewWebhook


class ChangedWebhook(Record, frozen=True, kw_only=True):
    """A webhook as it is now."""

    webhook: r.Webhook


class RemovedWebhook(Record, frozen=True, kw_only=True):
    """A webhook that is gone."""

    webhook: Named
