"""What the scheduler is told of the store's records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from accelpool_broker import scheduler
from accelpool_broker.models import Device, Lease, Node, NodeState, Tenant
from accelpool_broker.scheduler import Demand, Notice, Placement, Share, Why

Held = tuple[str, int, int, str]  # device id, memory bytes, compute ppm, node name


def node_view(node: Node, lost_after_s: float) -> scheduler.NodeView:
    """Return the scheduler's view of a node."""
    return scheduler.NodeView(
        name=node.name,
        lost_at=node.last_seen_at + lost_after_s if node.state == NodeState.READY else None,
        is_cordoned=node.is_cordoned,
        drain_at=node.drain_at,
        taints=tuple(node.taints),
        labels=node.labels,
    )


def device_view(device: Device) -> scheduler.DeviceView:
    """Return the scheduler's view of a device."""
    return scheduler.DeviceView(
        id=device.id,
        name=device.name,
        node=device.node_name,
        environment=device.environment,
        kind=device.kind,
        api=device.api,
        hardware="" if device.hardware == device.id else device.hardware,
        memory_bytes=device.memory_bytes,
        compute_units=device.compute_units,
        attributes=device.attributes,
        fault=device.fault,
        loaded_image=device.loaded_sha256 or "",
    )


def lease_view(lease: Lease, held: Iterable[Held]) -> scheduler.LeaseView:
    """Return the scheduler's view of an active lease that has these shares."""
    held = tuple(held)
    assert lease.expires_at is not None
    assert lease.granted_at is not None
    assert lease.charged_at is not None
    return scheduler.LeaseView(
        id=lease.id,
        order=lease.number,
        expires_at=lease.expires_at,
        shares=tuple(
            Share(device=device, memory_bytes=memory, compute_ppm=compute)
            for device, memory, compute, _ in held
        ),
        nodes=tuple(node for _, _, _, node in held),
        tenant=lease.tenant,
        priority=lease.priority,
        is_preemptible=lease.is_preemptible,
        granted_at=lease.granted_at,
        charged_at=lease.charged_at,
        ends_at=lease.ends_at,
        is_backfill=lease.is_backfill,
        idle_since=lease.idle_since,
        notice=notice_of(lease),
    )


def held_by(lease: Lease, known: scheduler.LeaseView | None) -> tuple[Held, ...]:
    """Return what a lease has: as its record says if its shares were loaded, else as was known before."""
    if lease.are_shares_loaded:
        return tuple(
            (share.device_id, share.memory_bytes, share.compute_ppm, share.device.node_name)
            for share in lease.shares
            if share.is_active
        )
    if known is None:
        return ()
    return tuple(
        (share.device, share.memory_bytes, share.compute_ppm, node)
        for share, node in zip(known.shares, known.nodes, strict=True)
    )


def notice_of(lease: Lease) -> Notice | None:
    """Return what a lease was told, None if nothing."""
    if not lease.notice_why or lease.revoke_at is None:
        return None
    return Notice(
        lease=lease.id, why=Why(lease.notice_why), reason=lease.notice_reason, revoke_at=lease.revoke_at
    )


def request_view(lease: Lease) -> scheduler.Request:
    """Return the scheduler's view of a queued lease."""
    return scheduler.Request(
        id=lease.id,
        order=lease.number,
        alternatives=tuple(read_demand(demand) for demand in lease.alternatives),
        tenant=lease.tenant,
        priority=lease.priority,
        is_preemptible=lease.is_preemptible,
        withdraw_at=lease.withdraw_at,
        **(_untimed(lease) if lease.starts_at is None else _timed(lease, lease.starts_at)),
    )


def _untimed(lease: Lease) -> dict[str, Any]:
    return {"duration_s": lease.max_duration_s, "unread_at": lease.read_until + lease.ttl_s}


def _timed(lease: Lease, starts_at: float) -> dict[str, Any]:
    """Return what is different of a queued lease that begins later: nobody has to read it before."""
    assert lease.ends_at is not None
    return {
        "starts_at": starts_at,
        "ends_at": lease.ends_at,
        "duration_s": lease.ends_at - starts_at,
        "unread_at": max(lease.read_until, starts_at) + lease.ttl_s,
        "alternative": lease.alternative or 0,
        "reserved": tuple(Share(**share) for share in lease.reserved),
    }


def write_booking(lease: Lease, booking: scheduler.Booking) -> None:
    """Note what is reserved for a lease."""
    lease.alternative = booking.alternative
    lease.reserved = [asdict(share) for share in booking.shares]


def tenant_view(tenant: Tenant) -> scheduler.TenantView:
    """Return the scheduler's view of a tenant."""
    return scheduler.TenantView(
        name=tenant.name,
        weight=tenant.weight,
        quota=scheduler.Quota(
            devices=tenant.quota_devices,
            memory_bytes=tenant.quota_memory_bytes,
            device_hours=tenant.quota_device_hours,
        ),
        used_device_s=tenant.used_device_s,
        spent_device_s=tenant.spent_device_s,
        used_at=tenant.used_at,
        idle_after_s=tenant.idle_after_s,
        max_priority=tenant.max_priority,
    )


def write_demand(demand: Demand) -> dict[str, Any]:
    """Return a demand as it is stored: the fields that differ from their defaults."""
    default = Demand()
    fields = {name: getattr(demand, name) for name in Demand.__dataclass_fields__}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields.items()
        if value != getattr(default, name)
    }


def read_demand(stored: Mapping[str, Any]) -> Demand:
    """Return a demand from what is stored."""
    lists = {name: tuple(stored.get(name, ())) for name in ("devices", "tolerates")}
    return Demand(**{**stored, **lists, "placement": Placement(stored.get("placement", Placement.NEAR))})
