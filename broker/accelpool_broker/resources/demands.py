"""Requests and demands between their JSON and the services' terms."""

from __future__ import annotations

from typing import Any

from accelpool_broker.models import Lease
from accelpool_broker.resources.context import seconds
from accelpool_broker.scheduler import WHOLE, Demand, Placement
from accelpool_broker.services.leases import LeaseRequest
from accelpool_broker.services.views import read_demand

OF_REQUEST = (
    "tenant", "priority", "ttl_s", "max_duration_s", "queue_timeout_s", "ends_with_session", "client"
)  # fmt: skip


def read_request(data: dict[str, Any]) -> LeaseRequest:
    """Return the request that a valid body makes."""
    demands = data["alternatives"] or [data]
    return LeaseRequest(
        alternatives=tuple(_demand(demand) for demand in demands),
        is_preemptible=data["preemptible"],
        starts_at=seconds(data["starts_at"]),
        ends_at=seconds(data["ends_at"]),
        **{name: data[name] for name in OF_REQUEST},
    )


def _demand(data: dict[str, Any]) -> Demand:
    return Demand(
        kind=data["kind"],
        api=data["api"],
        count=data["count"],
        memory_bytes=data["memory_bytes"],
        memory_ppm=to_ppm(data["memory_fraction"]),
        compute_ppm=to_ppm(data["compute"]),
        is_exclusive=data["exclusive"],
        where=data["where"],
        device=data["device"],
        devices=tuple(data["devices"]),
        placement=Placement(data["placement"]),
        image=data["image"],
        tolerates=tuple(data["tolerates"]),
    )


def demand_bodies(lease: Lease) -> list[dict[str, Any]]:
    """Return the bodies of what a lease was asked for."""
    return [_body(read_demand(stored)) for stored in lease.alternatives]


def _body(demand: Demand) -> dict[str, Any]:
    return {
        "kind": demand.kind,
        "api": demand.api,
        "count": demand.count,
        "memory_bytes": demand.memory_bytes,
        "memory_fraction": _fraction(demand.memory_ppm),
        "compute": _fraction(demand.compute_ppm),
        "exclusive": demand.is_exclusive,
        "where": demand.where,
        "device": demand.device,
        "devices": list(demand.devices),
        "placement": demand.placement.value,
        "image": demand.image,
        "tolerates": list(demand.tolerates),
    }


def to_ppm(fraction: float | None) -> int | None:
    """Return a fraction in millionths, at least one of them."""
    return None if fraction is None else max(1, round(fraction * WHOLE))


def _fraction(ppm: int | None) -> float | None:
    return None if ppm is None else ppm / WHOLE
