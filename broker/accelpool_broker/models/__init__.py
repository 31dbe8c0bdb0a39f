"""The broker's tables.

    base       counters: how often things changed; signing_keys: the key that signs lease tokens, if several
               brokers may share the database
    accounts   accounts: who may call, each with a role; tokens: SHA-256 of a bearer token, scopes, end;
               join_tokens: what lets a node in for the first time; audit: who did what
    trust      trust_rules: who else vouches for callers; identities and used_id_tokens, who came by them
    pool       nodes: machines with devices, `revision` counts the changes of what a node should run; devices:
               those with the same `hardware` are lent together, `epoch` counts their grants; leases: requests
               and leases, `number` is the order of arrival; shares: which lease has, or had, which part of
               which device; sessions: live ones, as the agents last reported them
    tenants    tenants: who is charged, weight, quota, what was used; tenant_usage: the same hour by hour
    events     events: what happened, for who follows it
    webhooks   webhooks: who is told of events at an address of his own; webhook_claims: which broker tells

No hardware can be over-committed: triggers on `shares` keep `used_memory_bytes` and `used_compute_ppm` of
`devices`, of all faces of the hardware alike, and checks there hold them within what the device has.

Rows of audit and events are added, and go when they are old. Instants are seconds since the Unix epoch, sizes
bytes, parts of a device millionths of it. They import nothing of ours.
"""

from __future__ import annotations

from accelpool_broker.models.accounts import Account, AccountKind, AuditEntry, JoinToken, Role, Scope, Token
from accelpool_broker.models.base import Base, Counter, SigningKey
from accelpool_broker.models.events import EventKind, PoolEvent
from accelpool_broker.models.pool import (
    TRANSITIONS,
    Device,
    Lease,
    LeaseState,
    Node,
    NodeState,
    Session,
    Share,
)
from accelpool_broker.models.tenants import Tenant, TenantUsage
from accelpool_broker.models.trust import Identity, TrustRule, UsedIdToken
from accelpool_broker.models.webhooks import Webhook, WebhookClaim, WebhookState

__all__ = [
    "TRANSITIONS",
    "Account",
    "AccountKind",
    "AuditEntry",
    "Base",
    "Counter",
    "Device",
    "EventKind",
    "Identity",
    "JoinToken",
    "Lease",
    "LeaseState",
    "Node",
    "NodeState",
    "PoolEvent",
    "Role",
    "Scope",
    "Session",
    "Share",
    "SigningKey",
    "Tenant",
    "TenantUsage",
    "Token",
    "TrustRule",
    "UsedIdToken",
    "Webhook",
    "WebhookClaim",
    "WebhookState",
]
