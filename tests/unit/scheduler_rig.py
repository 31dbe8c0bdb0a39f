"""Short ways to say what the scheduler is given, and what it decided."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from accelpool_broker.scheduler import (
    WHOLE,
    Decisions,
    Demand,
    DeviceView,
    Inventory,
    LeaseView,
    NodeView,
    Policy,
    Request,
    Share,
    TenantView,
    decide,
)

GIB = 1 << 30
OF_DEMAND = frozenset(field.name for field in fields(Demand))


def device(id: str, kind: str = "gpu", node: str = "n1", **options: Any) -> DeviceView:
    """Return a device of 8 GiB."""
    values = {"name": id, "environment": "opencl", "memory_bytes": 8 * GIB, **options}
    return DeviceView(id=id, kind=kind, node=node, **values)


def request(order: int, *others: Demand, **options: Any) -> Request:
    """Return a request called r and its order; options are those of its demand, and its own."""
    demand = {name: value for name, value in options.items() if name in OF_DEMAND}
    own = {name: value for name, value in options.items() if name not in OF_DEMAND}
    return Request(id=f"r{order}", order=order, alternatives=(Demand(**demand), *others), **own)


def lease(
    *devices: str,
    id: str = "a",
    expires_at: float = 1000.0,
    node: str = "n1",
    compute: float = 1.0,
    **options: Any,
) -> LeaseView:
    """Return a lease of so much of devices of 8 GiB."""
    shares = tuple(
        Share(device=name, memory_bytes=int(8 * GIB * compute), compute_ppm=round(WHOLE * compute))
        for name in devices
    )
    return LeaseView(id=id, expires_at=expires_at, shares=shares, nodes=(node,), **options)


def plan(
    devices: list[DeviceView],
    queue: list[Request],
    leases: list[LeaseView] | None = None,
    nodes: list[NodeView] | None = None,
    now: float = 0.0,
    tenants: list[TenantView] | None = None,
    policy: Policy | None = None,
) -> Decisions:
    """Return what is decided for a pool whose nodes answer, unless others are given."""
    known = nodes or [NodeView(name=name, lost_at=100.0) for name in sorted({d.node for d in devices})]
    return decide(
        inventory=Inventory(known, devices),
        leases=leases or [],
        queue=queue,
        tenants=tenants or [],
        policy=policy,
        now=now,
    ).decisions


def granted(decisions: Decisions) -> dict[str, list[str]]:
    """Return the devices that each granted request gets."""
    return {grant.lease: [share.device for share in grant.shares] for grant in decisions.grants}
