"""The JSON bodies of nodes, devices and leases, made from the services' records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from accelpool_broker.models import Device, Lease, LeaseState, Share
from accelpool_broker.resources.context import caller, instant, services
from accelpool_broker.resources.demands import demand_bodies
from accelpool_broker.scheduler import WHOLE, Explanation, Verdict
from accelpool_broker.scheduler.quotas import HOUR_S
from accelpool_broker.scheduler.reasons import KEPT
from accelpool_broker.services.devices import SeenDevice
from accelpool_broker.services.endpoints import endpoints
from accelpool_broker.services.leases import SeenLease
from accelpool_broker.services.nodes import SeenNode, Work
from accelpool_broker.services.tenants import SeenTenant
from accelpool_broker.services.views import notice_of

Body = dict[str, Any]


def node_body(seen: SeenNode) -> Body:
    """Return the body of a node."""
    node = seen.node
    return {
        "name": node.name,
        "state": node.state,
        "address": {
            "host": node.host,
            "port": node.port,
            "certificate_sha256": node.certificate_sha256,
        },
        "version": node.version,
        "last_seen_at": instant(node.last_seen_at),
        "device_count": seen.device_count,
        "sandbox": seen.sandbox,
        "labels": node.labels,
        "taints": node.taints,
        "cordoned": node.is_cordoned,
        "drain_at": instant(node.drain_at),
    }


def work_body(work: Work) -> Body:
    """Return the body that tells a node what to run."""
    return {
        "revision": work.revision,
        "leases": [
            {
                "id": lease.id,
                "devices": [
                    {
                        "name": share.device.name,
                        "epoch": share.epoch,
                        "memory_bytes": share.memory_bytes,
                        "compute": share.compute_ppm / WHOLE,
                    }
                    for share in lease.shares
                    if share.device.node_name == work.node
                ],
                "expires_at": instant(lease.expires_at),
            }
            for lease in work.leases
        ],
    }


def device_body(seen: SeenDevice) -> Body:
    """Return the body of a device."""
    device = seen.device
    return {
        "id": device.id,
        "name": device.name,
        "node": device.node_name,
        "environment": device.environment,
        "kind": device.kind,
        "api": device.api,
        "hardware": device.hardware,
        "attributes": device.attributes,
        "capacity": {"memory_bytes": device.memory_bytes, "compute_units": device.compute_units},
        "state": seen.state.value,
        "fault": device.fault,
        "free": {"memory_bytes": seen.free_memory_bytes, "compute": seen.free_compute},
        "leases": list(seen.leases),
        "loaded_image": _image_body(device) if seen.is_image_known else None,
        "readings": seen.readings,
    }


def _image_body(device: Device) -> Body:
    return {"sha256": device.loaded_sha256, "since": instant(device.loaded_at)}


def lease_body(seen: SeenLease) -> Body:
    """Return the body of a lease."""
    lease = seen.lease
    opened = endpoints(lease, services().access) if caller().may_use(lease) else []
    return {
        "id": lease.id,
        "state": lease.state,
        "reason": seen.reason,
        "position": seen.position,
        "tenant": lease.tenant,
        "account": lease.account,
        "priority": lease.priority,
        "preemptible": lease.is_preemptible,
        "alternatives": demand_bodies(lease),
        "alternative": lease.alternative,
        "ttl_s": lease.ttl_s,
        "max_duration_s": lease.max_duration_s,
        "starts_at": instant(lease.starts_at),
        "ends_at": instant(lease.ends_at),
        "reserved": _reserved_body(lease),
        "idle_since": instant(lease.idle_since),
        "notice": _notice_body(lease),
        "ends_with_session": lease.ends_with_session,
        "client": lease.client,
        "created_at": instant(lease.created_at),
        "granted_at": instant(lease.granted_at),
        "expires_at": instant(lease.expires_at),
        "ended_at": instant(lease.ended_at),
        "shares": [_share_body(share) for share in lease.shares],
        "endpoints": [asdict(endpoint) for endpoint in opened],
    }


def explanation_body(
    seen: SeenLease, explanation: Explanation | None, names: Mapping[str, tuple[str, str]]
) -> Body:
    """Return the body that explains a lease; `names` has the node and the name of each device."""
    verdicts = () if explanation is None else explanation.verdicts
    return {
        "id": seen.lease.id,
        "state": seen.lease.state,
        "reason": seen.reason,
        "position": seen.position,
        "earliest_at": None if explanation is None else instant(explanation.earliest_at),
        "devices": [
            {
                "device": verdict.device,
                "node": names[verdict.device][0],
                "name": names[verdict.device][1],
                "alternative": verdict.alternative,
                "verdict": _verdict(verdict),
                "leases": list(verdict.leases),
            }
            for verdict in verdicts
            if verdict.device in names
        ],
    }


def _verdict(verdict: Verdict) -> str:
    if verdict.doing == KEPT:
        return f"kept for {verdict.kept_for}, which comes before it"
    if verdict.kept_from is not None:
        return f"reserved for {verdict.kept_for} from {instant(verdict.kept_from)}"
    return verdict.mismatch or verdict.doing


def _reserved_body(lease: Lease) -> list[Body]:
    return [
        {
            "device": share["device"],
            "memory_bytes": share["memory_bytes"],
            "compute": share["compute_ppm"] / WHOLE,
        }
        for share in (lease.reserved if lease.state == LeaseState.QUEUED else ())
    ]


def _notice_body(lease: Lease) -> Body | None:
    notice = notice_of(lease) if lease.state == LeaseState.ACTIVE else None
    if notice is None:
        return None
    return {"why": notice.why.value, "reason": notice.reason, "revoke_at": instant(notice.revoke_at)}


def tenant_body(seen: SeenTenant) -> Body:
    """Return the body of a tenant."""
    tenant = seen.tenant
    return {
        "name": tenant.name,
        "weight": tenant.weight,
        "max_priority": tenant.max_priority,
        "quota_devices": tenant.quota_devices,
        "quota_memory_bytes": tenant.quota_memory_bytes,
        "quota_device_hours": tenant.quota_device_hours,
        "idle_after_s": tenant.idle_after_s,
        "spent_device_hours": seen.spent_device_s / HOUR_S,
        "recent_device_hours": seen.used_device_s / HOUR_S,
        "active_leases": seen.active_leases,
        "queued_leases": seen.queued_leases,
    }


def _share_body(share: Share) -> Body:
    return {
        "device": share.device.id,
        "name": share.device.name,
        "node": share.device.node_name,
        "environment": share.device.environment,
        "kind": share.device.kind,
        "memory_bytes": share.memory_bytes,
        "compute": share.compute_ppm / WHOLE,
        "epoch": share.epoch,
        "attributes": share.device.attributes,
    }
