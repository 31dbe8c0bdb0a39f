"""What brokers tell, as the REST API has it, of which openapi.yaml says more."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, in UTC")]
Part = Annotated[float, Meta(ge=0, le=1, description="a fraction of the whole")]
Count = Annotated[int, Meta(ge=0)]


class Record(Struct, frozen=True, kw_only=True):
    """A JSON object; there may be more in it."""


class Capacity(Record, frozen=True, kw_only=True):
    """What a device has."""

    memory_bytes: Count
    compute_units: Count


class Free(Record, frozen=True, kw_only=True):
    """What of a device nobody has."""

    memory_bytes: Count
    compute: Part


class Readings(Record, frozen=True, kw_only=True):
    """What a device measured a few seconds ago; null is what it does not tell."""

    utilization: Part | None
    memory_utilization: Part | None
    memory_used_bytes: Count | None
    temperature_c: float | None
    power_w: float | None
    clock_hz: Count | None


class LoadedImage(Record, frozen=True, kw_only=True):
    """The binary that was loaded on a device last."""

    sha256: str
    since: Instant


class Device(Record, frozen=True, kw_only=True):
    """A device of the pool."""

    id: str
    node: str
    name: str
    environment: str
    hardware: str
    kind: str
    api: str
    state: str
    fault: str
    capacity: Capacity
    free: Free
    leases: list[str]
    attributes: dict[str, Any]
    readings: Readings | None
    loaded_image: LoadedImage | None


class Share(Record, frozen=True, kw_only=True):
    """One device of a lease."""

    device: str
    node: str
    name: str
    environment: str
    kind: str
    memory_bytes: Count
    compute: Part
    epoch: Count
    attributes: dict[str, Any]


class Reserved(Record, frozen=True, kw_only=True):
    """One device that is reserved for a lease."""

    device: str
    memory_bytes: Count
    compute: Part


class Notice(Record, frozen=True, kw_only=True):
    """That a lease ends soon, against its holder's will."""

    why: str
    reason: str
    revoke_at: Instant


class Endpoint(Record, frozen=True, kw_only=True):
    """Where a lease's devices of one node and environment are reached."""

    node: str
    environment: str
    host: str
    port: int
    certificate_sha256: str


class Demand(Record, frozen=True, kw_only=True):
    """What would serve a lease."""

    kind: str
    api: str
    count: int
    memory_bytes: Count | None
    memory_fraction: Part | None
    compute: Part | None
    exclusive: bool
    where: str
    placement: str
    image: str
    tolerates: list[str]
    device: str | None
    devices: list[str]


class Lease(Record, frozen=True, kw_only=True):
    """A lease, without its tokens."""

    id: str
    state: str
    reason: str
    position: int | None
    tenant: str
    account: str
    client: str
    priority: int
    preemptible: bool
    alternatives: list[Demand]
    alternative: int | None
    ttl_s: float
    max_duration_s: float | None
    ends_with_session: bool
    created_at: Instant
    granted_at: Instant | None
    expires_at: Instant | None
    starts_at: Instant | None
    ends_at: Instant | None
    ended_at: Instant | None
    idle_since: Instant | None
    notice: Notice | None
    shares: list[Share]
    reserved: list[Reserved]
    endpoints: list[Endpoint]


class Address(Record, frozen=True, kw_only=True):
    """Where a node's data plane is."""

    host: str
    port: int
    certificate_sha256: str


class Node(Record, frozen=True, kw_only=True):
    """A machine with devices."""

    name: str
    state: str
    address: Address
    version: str
    last_seen_at: Instant
    device_count: int
    labels: dict[str, str]
    taints: list[str]
    cordoned: bool
    drain_at: Instant | None


class Verdict(Record, frozen=True, kw_only=True):
    """Why a device does not serve a lease now."""

    device: str
    node: str
    name: str
    alternative: int
    verdict: str
    leases: list[str]


class Explanation(Record, frozen=True, kw_only=True):
    """Why a lease waits."""

    id: str
    state: str
    reason: str
    position: int | None
    earliest_at: Instant | None
    devices: list[Verdict]


class Tenant(Record, frozen=True, kw_only=True):
    """Who is charged."""

    name: str
    weight: float
    active_leases: int
    queued_leases: int
    max_priority: int | None
    quota_devices: float | None
    quota_memory_bytes: int | None
    quota_device_hours: float | None
    recent_device_hours: float
    spent_device_hours: float
    idle_after_s: float | None


class Account(Record, frozen=True, kw_only=True):
    """Who may call."""

    name: str
    kind: str
    role: str
    tenants: list[str]
    disabled: bool
    created_at: Instant


class Token(Record, frozen=True, kw_only=True):
    """A token's properties."""

    id: str
    account: str
    name: str
    scopes: list[str]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None
    replaced_by: str | None
    rule: str | None


class NewToken(Token, frozen=True, kw_only=True):
    """A token that was just made; where it is written to a file it is not here."""

    token: str = ""


class JoinToken(Record, frozen=True, kw_only=True):
    """What lets a node in."""

    id: str
    account: str
    node: str | None
    created_at: Instant
    expires_at: Instant
    used_at: Instant | None
    used_by: str | None


class NewJoinToken(JoinToken, frozen=True, kw_only=True):
    """A join token that was just made; where it is written to a file it is not here."""

    token: str = ""


class TrustRule(Record, frozen=True, kw_only=True):
    """Whose ID tokens let in."""

    id: str
    name: str
    issuer: str
    audience: str
    claims: dict[str, str]
    account: str | None
    role: str | None
    tenants: list[str]
    scopes: list[str]
    client_id: str | None
    login_scope: str
    lifetime_s: float
    priority: int
    created_at: Instant


class Webhook(Record, frozen=True, kw_only=True):
    """Who is told of events of leases at an address of his own; null is what has not happened yet."""

    id: str
    account: str
    url: str
    kinds: list[str]
    tenant: str | None
    state: str
    reason: str
    failing_since: Instant | None
    last_status: int | None
    created_at: Instant


class NewWebhook(Webhook, frozen=True, kw_only=True):
    """A webhook that was just made; where its secret is written to a file it is not here."""

    secret: str = ""


class AuditEntry(Record, frozen=True, kw_only=True):
    """What somebody did, or was refused."""

    at: Instant
    account: str
    token: str
    address: str
    action: str
    object: str
    outcome: str
    count: int


class Event(Record, frozen=True, kw_only=True):
    """Something that happened to a lease, a node or a device; null is what it is not about."""

    number: Count
    at: Instant
    kind: str
    lease: str | None
    tenant: str | None
    account: str | None
    node: str | None
    device: str | None
    reason: str
    until: Instant | None
