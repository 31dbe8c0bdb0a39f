"""What the scheduler is told: nodes, devices, leases, requests, tenants, and the policy.

Memory is in bytes, compute in millionths of a device (`WHOLE` is all of it), so that sums are exact. Instants
are seconds since the Unix epoch, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

ANY = "any"
OPENCL, CUDA = "opencl", "cuda"  # what sessions speak
WHOLE = 1_000_000
FOREVER = float("inf")
NEVER, ALWAYS = FOREVER, -FOREVER  # for who may have what is kept: when it leaves of itself, or yields


class Placement(StrEnum):
    """How the devices of a request are to lie, and which are preferred.

    NEAR puts several as near to each other as free ones are; SAME_NODE insists on one node; SPREAD takes as
    many nodes as there are, and devices that are the least used; PACK the most used ones that have room.
    """

    NEAR = "near"
    SAME_NODE = "same_node"
    SPREAD = "spread"
    PACK = "pack"


class Why(StrEnum):
    """Why a lease was told that it will end."""

    PREEMPTED = "preempted"
    IDLE = "idle"
    DRAINED = "drained"
    QUOTA = "quota"


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """A node, as far as scheduling goes.

    Attributes:
        lost_at: When it counts as lost, None if it already does.
        is_cordoned: Whether it takes no new leases.
        drain_at: When the leases on it have to end, None for never.
        taints: What a request must tolerate to get a device of it.
        labels: What its operator says of it; expressions may ask.
    """

    name: str
    lost_at: float | None
    is_cordoned: bool = False
    drain_at: float | None = None
    taints: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeviceView:
    """A device, as far as scheduling goes.

    Attributes:
        api: What its sessions speak: "opencl", "cuda", ...
        hardware: What of it is lent: the same for devices that are faces of one piece; "" for one that is
            the only face of its own.
        attributes: What its driver says of it; expressions may ask.
        fault: Why it cannot be used, "" if it can.
        loaded_image: The SHA-256 of the binary that was loaded on it last, "" if unknown.
    """

    id: str
    name: str
    node: str
    environment: str
    kind: str
    memory_bytes: int
    compute_units: int = 1
    api: str = OPENCL
    hardware: str = ""
    attributes: Mapping[str, object] = field(default_factory=dict)
    fault: str = ""
    loaded_image: str = ""


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of a device."""

    device: str
    memory_bytes: int
    compute_ppm: int = WHOLE


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a lease was told: that it ends at an instant, and why."""

    lease: str
    why: Why
    reason: str
    revoke_at: float


@dataclass(frozen=True, kw_only=True)
class LeaseView:
    """An active lease.

    Attributes:
        nodes: The names of its devices' nodes.
        order: Its place in the order of arrival.
        charged_at: Up to when its tenant was charged for it.
        ends_at: When it ends however often it is renewed, None for never.
        is_backfill: Whether it was granted devices that were kept for earlier requests.
        idle_since: Since when its devices have had too little to do, None if they have enough.
        notice: What it was told, None if nothing.
    """

    id: str
    expires_at: float
    shares: tuple[Share, ...]
    nodes: tuple[str, ...]
    order: int = 0
    tenant: str = ""
    priority: int = 0
    is_preemptible: bool = False
    granted_at: float = 0.0
    charged_at: float = 0.0
    ends_at: float | None = None
    is_backfill: bool = False
    idle_since: float | None = None
    notice: Notice | None = None


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Devices that would serve a request.

    Without memory and compute whole devices are meant. With one of them the other is in proportion: half the
    memory of a device goes with half its compute.

    Attributes:
        kind: What kind of device, or "any".
        api: What its sessions speak; "" for anything with OpenCL's words, which is all but CUDA.
        count: How many devices, together or not at all.
        memory_bytes: Memory on each; None if it does not matter.
        memory_ppm: Memory on each, in millionths of the device's; None if it does not matter.
        compute_ppm: Compute on each, None if it does not matter.
        is_exclusive: Whole devices that have at least this memory.
        where: An expression that holds for each device, "" for none; see `selector`.
        device: A device's id, name or node/name, if only that one will do.
        devices: The ids of the devices, if only these will do, all of them; empty if not.
        image: The SHA-256 of a binary; devices that have it loaded come first.
        tolerates: Taints of nodes that do not matter.
    """

    kind: str = ANY
    api: str = ""
    count: int = 1
    memory_bytes: int | None = None
    memory_ppm: int | None = None
    compute_ppm: int | None = None
    is_exclusive: bool = False
    where: str = ""
    device: str | None = None
    devices: tuple[str, ...] = ()
    placement: Placement = Placement.NEAR
    image: str = ""
    tolerates: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """A queued lease.

    Attributes:
        order: Its place in the order of arrival.
        alternatives: What would serve it, the best first.
        priority: Higher ones are served first.
        is_preemptible: Whether it may be ended for a request that comes before it.
        duration_s: How long it lasts at most, None for no end.
        withdraw_at: When the client stops wanting it, None for never.
        unread_at: When it is withdrawn unless somebody asks about it before.
        starts_at: When it is to begin, if its devices are reserved for a time to come; None for now.
        ends_at: When it ends then.
        alternative: Which of its alternatives is reserved, from 0.
        reserved: The shares that are reserved for it, none as long as none are.
    """

    id: str
    order: int
    alternatives: tuple[Demand, ...] = (Demand(),)
    tenant: str = ""
    priority: int = 0
    is_preemptible: bool = False
    duration_s: float | None = None
    withdraw_at: float | None = None
    unread_at: float = FOREVER
    starts_at: float | None = None
    ends_at: float | None = None
    alternative: int = 0
    reserved: tuple[Share, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Quota:
    """What a tenant, with all tenants below it, may have at once; None for no limit.

    Attributes:
        devices: Devices, parts of them counted as parts.
        memory_bytes: Device memory.
        device_hours: Devices times hours, used since they were last set to zero.
    """

    devices: float | None = None
    memory_bytes: int | None = None
    device_hours: float | None = None


@dataclass(frozen=True, kw_only=True)
class TenantView:
    """Who is charged. The name of a tenant below another one starts with that one's, and a slash.

    Attributes:
        weight: Its part of what tenants beside it want too.
        used_device_s: Decayed device-seconds as of `used_at`; what running leases were not charged for comes
            on top.
        spent_device_s: Device-seconds that its quota counts; what running leases were not charged for comes
            on top.
        idle_after_s: How long its leases may idle, None for ever.
        max_priority: The highest priority of its requests, None for the usual.
    """

    name: str
    weight: float = 1.0
    quota: Quota = Quota()
    used_device_s: float = 0.0
    spent_device_s: float = 0.0
    used_at: float = 0.0
    idle_after_s: float | None = None
    max_priority: int | None = None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules that an operator may change.

    Attributes:
        half_life_s: After this time a use counts half.
        min_run_s: How long a lease runs at least before it is preempted.
        grace_s: How long before its end a lease is told, when it is preempted, idle or over a quota.
        backfill_s: Requests that end by themselves within this time may use what is kept for earlier ones.
        keep_depth: For how many waiting requests devices are gathered: with one, as in EASY backfilling,
            nobody is
            starved and little is left idle (Mu'alem and Feitelson, IEEE TPDS 12(6), 2001).
        reserve_ahead_s: How far ahead a reservation may begin.
    """

    half_life_s: float = 7 * 86400.0
    min_run_s: float = 60.0
    grace_s: float = 30.0
    backfill_s: float = 600.0
    keep_depth: int = 1
    reserve_ahead_s: float = 30 * 86400.0

    @property
    def lead_s(self) -> float:
        """How long before a reservation the leases are told that have to go for it.

        Twice the grace time: whoever is told late by as much still has it, and is still gone in time.
        """
        return 2 * self.grace_s
