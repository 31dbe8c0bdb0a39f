"""The JSON that agent and broker exchange; see `docs/node.md`.

    PUT  /nodes/{name}             Registration  →  Registered
    POST /nodes/{name}/reconcile   Report        →  Work
    POST /nodes/{name}/enrol       Enrolment     →  Enrolled

Reports are level-triggered: each says all that is so now, and repeats ended sessions until a 200.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from accelpool_node.gpus import Readings


class Address(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where clients reach the node's data plane, and the SHA-256 of its certificate if it does TLS."""

    host: str
    port: int
    certificate_sha256: str = ""


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a device there is to share."""

    memory_bytes: int
    compute_units: int


AttributeValue = int | str | bool | list[int] | list[str] | dict[str, int | str | bool | list[str]]


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """A device of the node.

    Attributes:
        hardware: The same for devices that are faces of one piece of hardware; it is told of these alone.
            Older brokers refuse the node then: they would lend the hardware twice.
    """

    name: str
    environment: str
    kind: str
    api: str
    attributes: dict[str, AttributeValue]
    capacity: Capacity
    hardware: str | msgspec.UnsetType = msgspec.UNSET
    fault: str = ""


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """The SHA-256 of the secret that is to be the node's token, in hexadecimal."""

    sha256: str


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """The node's account."""

    account: str


class Whoami(msgspec.Struct, frozen=True, kw_only=True):
    """Whose token was sent."""

    account: str


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """What the node is; `boot_id` is new at every start of the agent."""

    address: Address
    version: str
    boot_id: str
    devices: list[DeviceReport]


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's key (base64 of raw Ed25519), how often to report, and after what silence one is lost."""

    public_key: str
    heartbeat_s: float = 5.0
    lost_after_s: float = 15.0


class SessionReport(msgspec.Struct, frozen=True, kw_only=True):
    """A session that runs; `started_at` in seconds since the Unix epoch."""

    id: str
    lease: str
    devices: list[str]
    started_at: float


class EndedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A session that ended, and why."""

    id: str
    lease: str
    cause: str
    detail: str


class LoadedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The binary that a device was loaded with last: its SHA-256, and since when (Unix, s) it is there."""

    sha256: str
    since: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What runs on the node.

    Attributes:
        device_faults: Of every device, "" for a healthy one.
        loaded_images: Of the devices of which it is known.
        busy_s: By lease, how long it had commands on devices since it was first served here.
        leaving: Whether this is the last word of this start of the agent.
        readings: What devices measure, of those of which it is known.
    """

    boot_id: str
    sequence: int
    sessions: list[SessionReport]
    ended: list[EndedReport]
    device_faults: dict[str, str]
    loaded_images: dict[str, LoadedImage]
    busy_s: dict[str, float]
    seen_revision: int | None
    wait_s: float
    leaving: bool | msgspec.UnsetType = msgspec.UNSET  # older brokers refuse what they do not know
    readings: dict[str, Readings] | msgspec.UnsetType = msgspec.UNSET  # likewise


class GrantedShare(msgspec.Struct, frozen=True, kw_only=True):
    """A device under a lease, and how much of it; where that is missing the lease token tells."""

    name: str
    epoch: int
    memory_bytes: int | None = None
    compute: float | None = None


class GrantedLease(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that the node should serve."""

    id: str
    devices: list[GrantedShare]
    expires_at: datetime | None = None

    def has_expired(self, now: float) -> bool:
        """Whether the lease's time was over at an instant (Unix, s), as far as this answer knew."""
        return self.expires_at is not None and self.expires_at.timestamp() <= now


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """All that the node should serve now."""

    revision: int
    leases: list[GrantedLease]
