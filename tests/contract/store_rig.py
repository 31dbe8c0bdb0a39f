"""Rows to fill a store with."""

from __future__ import annotations

from accelpool_broker.models import Device, Lease, LeaseState, Node, Share
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.store import Store


def node(name: str = "n1") -> Node:
    return Node(
        name=name, host="h", port=1, version="", boot_id="b", state="ready", last_seen_at=0.0, revision=0,
        sequence=0,
    )  # fmt: skip


def device(id: str = "d1", **more: object) -> Device:
    return Device(
        id=id, node_name="n1", name=id, environment="e", kind="gpu", api="opencl", attributes={"a": [1]},
        memory_bytes=1 << 40, compute_units=1, fault="", is_present=True, epoch=0, **more,
    )  # fmt: skip


def lease(id: str, state: LeaseState = LeaseState.ACTIVE, key: str | None = None) -> Lease:
    return Lease(
        id=id, state=state, reason="", tenant="t", priority=0, is_preemptible=False, alternatives=[{}],
        ttl_s=60.0, ends_with_session=False, client="", created_at=0.0, read_until=0.0, request_sha256="",
        idempotency_key=key, shares=[],
    )  # fmt: skip


def share(
    lease_id: str,
    device_id: str = "d1",
    *,
    memory_bytes: int = 1,
    compute_ppm: int = WHOLE,
    is_active: bool = True,
) -> Share:
    return Share(
        lease_id=lease_id, device_id=device_id, memory_bytes=memory_bytes, compute_ppm=compute_ppm, epoch=1,
        is_active=is_active,
    )  # fmt: skip


def fill(store: Store) -> None:
    with store.write() as tx:
        tx.add(node())
        tx.flush()
        tx.add(device())
        tx.add(lease("l1"))
        tx.add(lease("l2"))
