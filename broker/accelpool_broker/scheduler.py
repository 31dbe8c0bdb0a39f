"""Who gets which device, and what has ended: a pure function of the pool's state and the time.

    decide(nodes, devices, leases, queue, now) -> Decisions

1. Nodes that did not report for too long are lost, and their leases with them; leases past their time expire;
   requests past their time, or that nobody asks about any more, are withdrawn.
2. The queue is served in order of arrival. A request that has to wait reserves every device that it could
   use: a later one may pass it only on devices that are of no use to it.
3. A request for several devices gets them together or not at all: at one endpoint (one driver environment of
   one node) if there are enough free at one, else on one node, else on as few nodes as will do.

No clock, no database, no randomness; the order of the input does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from accelpool_broker.models import LeaseState

ANY = "any"
Near = Callable[["DeviceView"], tuple[str, ...]]  # what devices near to each other have in common

KIND_RANK = {"gpu": 0, "accelerator": 1, "cpu": 2, "custom": 3}


@dataclass(frozen=True, kw_only=True)
class NodeView:
    """A node, as far as scheduling goes; `lost_at` is when it counts as lost, None if it already does."""

    name: str
    lost_at: float | None


@dataclass(frozen=True, kw_only=True)
class DeviceView:
    """A device, as far as scheduling goes; `fault` says why it cannot be used, "" if it can."""

    id: str
    name: str
    node: str
    environment: str
    kind: str
    memory_bytes: int
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class LeaseView:
    """An active lease, the ids of its devices, and the names of their nodes."""

    id: str
    expires_at: float
    devices: tuple[str, ...]
    nodes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A queued lease; requests are served by `order`, lowest first.

    Attributes:
        kind: What kind of device, or "any".
        count: How many devices.
        memory_bytes: Memory wanted on each; None means all of it.
        device: A device's id, name or node/name, if only that one will do.
        devices: The ids of the devices, if only these will do, all of them; empty if not.
        withdraw_at: When the client stops wanting it, None for never.
        unread_at: When it is withdrawn unless somebody asks about it before.
    """

    id: str
    order: int
    kind: str = ANY
    count: int = 1
    memory_bytes: int | None = None
    device: str | None = None
    devices: tuple[str, ...] = ()
    withdraw_at: float | None = None
    unread_at: float = float("inf")


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of a device that a grant gives."""

    device: str
    memory_bytes: int
    compute: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Grant:
    """The queued lease becomes active with these shares."""

    lease: str
    shares: tuple[Share, ...]


@dataclass(frozen=True, kw_only=True)
class End:
    """The lease ends, in this state and for this reason."""

    lease: str
    state: LeaseState
    reason: str


@dataclass(frozen=True, kw_only=True)
class Wait:
    """The queued lease waits, at this position (from 1) and for this reason."""

    lease: str
    position: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What is to be done now; `wake_at` is when the next thing ends by itself, if any does."""

    lost_nodes: tuple[str, ...]
    ends: tuple[End, ...]
    grants: tuple[Grant, ...]
    waits: tuple[Wait, ...]
    wake_at: float | None


def decide(
    *,
    nodes: Iterable[NodeView],
    devices: Iterable[DeviceView],
    leases: Iterable[LeaseView],
    queue: Iterable[Request],
    now: float,
) -> Decisions:
    """Return what is to be done with the pool at the instant `now`."""
    alive = {node.name: node.lost_at for node in nodes if node.lost_at is not None}
    lost = tuple(sorted(name for name, at in alive.items() if at <= now))
    ready = frozenset(alive) - frozenset(lost)
    devices = sorted(devices, key=_preference)
    active, ends = _end_leases(leases, frozenset(lost), now)
    waiting, withdrawn = _withdraw(queue, now)
    leased = {device for lease in active for device in lease.devices}
    grants, waits = _serve(waiting, devices, leased, ready)
    granted = {grant.lease for grant in grants}
    deadlines = [alive[name] for name in ready]
    deadlines += [lease.expires_at for lease in active]
    deadlines += [_deadline(request) for request in waiting if request.id not in granted]
    wake_at = min(deadlines, default=float("inf"))
    return Decisions(
        lost_nodes=lost,
        ends=(*ends, *withdrawn),
        grants=tuple(grants),
        waits=tuple(waits),
        wake_at=None if wake_at == float("inf") else wake_at,
    )


def unfit(request: Request, devices: Iterable[DeviceView]) -> dict[str, str]:
    """Return why each device could never serve the request, by id; empty if some could, now or later."""
    devices = sorted(devices, key=_preference)
    reasons = {device.id: _mismatch(request, device) for device in devices}
    usable = [device for device in devices if not reasons[device.id]]
    if len(usable) >= request.count:
        return {}
    for device in usable:
        reasons[device.id] = f"it would do, but of {request.count} wanted at once the pool has {len(usable)}"
    return reasons


def loss(node: str, what: str, nodes: Iterable[str]) -> str:
    """Return why a lease is lost when the agent of one of its nodes did something, such as to restart."""
    others = sorted(set(nodes) - {node})
    beside = f"; with it went the lease's devices on {', '.join(others)}" if others else ""
    return f"the agent of node {node} {what}{beside}"


def _end_leases(
    leases: Iterable[LeaseView], lost: frozenset[str], now: float
) -> tuple[list[LeaseView], list[End]]:
    active: list[LeaseView] = []
    ends: list[End] = []
    for lease in sorted(leases, key=lambda lease: lease.id):
        gone = sorted(lost.intersection(lease.nodes))
        if gone:
            reason = loss(gone[0], "stopped answering", lease.nodes)
            ends.append(End(lease=lease.id, state=LeaseState.LOST, reason=reason))
        elif lease.expires_at <= now:
            reason = "it was not renewed in time"
            ends.append(End(lease=lease.id, state=LeaseState.EXPIRED, reason=reason))
        else:
            active.append(lease)
    return active, ends


def _withdraw(queue: Iterable[Request], now: float) -> tuple[list[Request], list[End]]:
    waiting: list[Request] = []
    ends: list[End] = []
    for request in sorted(queue, key=lambda request: request.order):
        if _deadline(request) > now:
            waiting.append(request)
            continue
        is_unread = request.unread_at <= now
        reason = (
            "its client stopped asking for it" if is_unread else "timeout: not granted in the time allowed"
        )
        state = LeaseState.EXPIRED if is_unread else LeaseState.WITHDRAWN
        ends.append(End(lease=request.id, state=state, reason=reason))
    return waiting, ends


def _deadline(request: Request) -> float:
    if request.withdraw_at is None:
        return request.unread_at
    return min(request.withdraw_at, request.unread_at)


def _serve(
    waiting: Sequence[Request], devices: Sequence[DeviceView], leased: set[str], ready: frozenset[str]
) -> tuple[list[Grant], list[Wait]]:
    taken = set(leased)
    reserved: set[str] = set()
    grants: list[Grant] = []
    waits: list[Wait] = []
    for request in waiting:
        suitable = [device for device in devices if not _mismatch(request, device)]
        open_now = [
            device
            for device in suitable
            if device.node in ready and device.id not in taken and device.id not in reserved
        ]
        chosen = _choose(open_now, request.count)
        if not chosen:
            reason = _why_waiting(request, suitable, leased=taken, reserved=reserved, ready=ready)
            waits.append(Wait(lease=request.id, position=len(waits) + 1, reason=reason))
            if len(suitable) >= request.count:
                reserved.update(device.id for device in suitable)
            continue
        taken.update(device.id for device in chosen)
        grants.append(Grant(lease=request.id, shares=tuple(_share(request, device) for device in chosen)))
    return grants, waits


def _share(request: Request, device: DeviceView) -> Share:
    wanted = request.memory_bytes
    return Share(device=device.id, memory_bytes=device.memory_bytes if wanted is None else wanted)


def _preference(device: DeviceView) -> tuple[int, int, str, str, str, str]:
    """Order devices: GPUs first, then the smallest that will do, then by name."""
    rank = KIND_RANK.get(device.kind, len(KIND_RANK))
    return (rank, device.memory_bytes, device.node, device.environment, device.name, device.id)


def _choose(devices: Sequence[DeviceView], count: int) -> Sequence[DeviceView]:
    """Return `count` of the devices, given in order of preference; none if there are fewer.

    At one endpoint if one has enough of them, else on one node, else on as few nodes as possible, the fullest
    first. Among equals the preferred device decides.
    """
    if len(devices) < count:
        return []
    if count == 1:
        return devices[:1]
    roomy = [group for group in _grouped(devices, _endpoint) if len(group) >= count]
    return roomy[0][:count] if roomy else _gather(devices, count, (_node, _endpoint))


def _node(device: DeviceView) -> tuple[str, ...]:
    return (device.node,)


def _endpoint(device: DeviceView) -> tuple[str, ...]:
    return (device.node, device.environment)


def _gather(devices: Sequence[DeviceView], count: int, levels: tuple[Near, ...]) -> list[DeviceView]:
    """Return `count` of at least as many devices from as few groups as possible, level by level."""
    if not levels:
        return list(devices[:count])
    fullest = sorted(enumerate(_grouped(devices, levels[0])), key=lambda item: -len(item[1]))
    chosen: list[DeviceView] = []
    while len(fullest[0][1]) < count - len(chosen):
        _, group = fullest.pop(0)
        chosen += _gather(group, len(group), levels[1:])
    missing = count - len(chosen)  # several may have room for the rest: the preferred one gives it
    _, last = min(item for item in fullest if len(item[1]) >= missing)
    return chosen + _gather(last, missing, levels[1:])


def _grouped(devices: Iterable[DeviceView], near: Near) -> list[list[DeviceView]]:
    """Return devices by what `near` says of them; groups and their members keep the order of preference."""
    groups: dict[tuple[str, ...], list[DeviceView]] = {}
    for device in devices:
        groups.setdefault(near(device), []).append(device)
    return list(groups.values())


def _mismatch(request: Request, device: DeviceView) -> str:
    """Return why the device is of no use to the request, "" if it is of use."""
    if request.device is not None and request.device not in (
        device.id, device.name, f"{device.node}/{device.name}"
    ):  # fmt: skip
        return f"the request is for device {request.device} only"
    if request.devices and device.id not in request.devices:
        return "it is not one of the devices that were asked for"
    if request.kind not in (ANY, device.kind):
        return f"it is of kind {device.kind}, not {request.kind}"
    if request.memory_bytes is not None and request.memory_bytes > device.memory_bytes:
        return f"it has {device.memory_bytes} bytes of memory, not {request.memory_bytes}"
    return f"it is faulty: {device.fault}" if device.fault else ""


def _why_waiting(
    request: Request,
    suitable: Sequence[DeviceView],
    *,
    leased: set[str],
    reserved: set[str],
    ready: frozenset[str],
) -> str:
    wanted = "" if request.count == 1 else f", {request.count} wanted at once"
    noun = "device" if len(suitable) == 1 else "devices"
    if not suitable:
        return "no device of the pool would do at present"
    if len(suitable) < request.count:
        return f"{len(suitable)} {noun} would do at present{wanted}"
    away = sum(device.node not in ready for device in suitable)
    busy = sum(device.node in ready and device.id in leased for device in suitable)
    earlier = sum(
        device.node in ready and device.id in reserved and device.id not in leased for device in suitable
    )
    free = len(suitable) - away - busy - earlier
    parts = [
        f"{number} {what}"
        for number, what in (
            (free, "free"),
            (busy, "leased"),
            (earlier, "kept for earlier requests"),
            (away, "on a node that does not answer"),
        )
        if number
    ]
    return f"{len(suitable)} {noun} would do: {', '.join(parts)}{wanted}"
