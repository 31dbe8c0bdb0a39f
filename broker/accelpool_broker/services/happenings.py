"""What a change made happen, as events: a pure function of the pool before and after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from accelpool_broker.models import Device, EventKind, Lease, LeaseState, Node
from accelpool_broker.services.picture import Picture

Event = dict[str, Any]
NOTHING: Event = dict.fromkeys(("lease", "tenant", "account", "node", "device", "until")) | {"reason": ""}
OF_STATES = {state: EventKind(f"lease.{state}") for state in LeaseState}


def events_of(before: Picture, after: Picture, written: Iterable[Any], now: float) -> list[Event]:
    """Return what happened from one state of the pool to the next, nodes first, leases last.

    Args:
        before: The pool before.
        after: The pool after.
        written: The records that were written in between; some perhaps several times.
        now: The instant.

    Returns:
        Rows for the table of events, without numbers.
    """
    if after is before:
        return []
    records = {id(record): record for record in written}.values()
    nodes = (record for record in records if isinstance(record, Node))
    devices = (record for record in records if isinstance(record, Device))
    leases = (record for record in records if isinstance(record, Lease))
    told = [
        *(event for node in nodes for event in _of_node(before, after, node, now)),
        *(event for device in devices for event in _of_device(before, after, device)),
        *(event for lease in leases for event in _of_lease(before, after, lease)),
    ]
    return [{**event, "at": now} for event in told]


def _of_node(before: Picture, after: Picture, node: Node, at: float) -> Iterator[Event]:
    was, now = before.nodes.get(node.name), after.nodes[node.name]
    if was is None or (was.lost_at is None and now.lost_at is not None):
        yield _node_event(EventKind.NODE_READY, node.name)
    if was is None:
        return
    if was.lost_at is not None and now.lost_at is None:
        how = "was stopped" if node.last_seen_at == at else "stopped answering"  # it has just said so
        yield _node_event(EventKind.NODE_LOST, node.name, reason=f"its agent {how}")
    if now.drain_at is not None and now.drain_at != was.drain_at:
        yield _node_event(EventKind.NODE_DRAINING, node.name, until=now.drain_at)
    elif now.is_cordoned and not was.is_cordoned:
        yield _node_event(EventKind.NODE_CORDONED, node.name)
    elif was.is_cordoned and not now.is_cordoned:
        yield _node_event(EventKind.NODE_UNCORDONED, node.name)


def _of_device(before: Picture, after: Picture, device: Device) -> Iterator[Event]:
    was, now = before.devices.get(device.id), after.devices.get(device.id)
    if now is None and was is not None:
        yield _device_event(EventKind.DEVICE_GONE, device)
    if now is not None and (was is None or now.fault != was.fault):
        kind = EventKind.DEVICE_FAULTY if now.fault else EventKind.DEVICE_WELL
        yield _device_event(kind, device, reason=now.fault)


def _of_lease(before: Picture, after: Picture, lease: Lease) -> Iterator[Event]:
    was, now = before.leases.get(lease.id), after.leases.get(lease.id)
    is_new = was is None and lease.id not in before.queue
    is_other = {
        LeaseState.QUEUED: is_new,
        LeaseState.ACTIVE: was is None,
    }.get(LeaseState(lease.state), not is_new)  # one that had ended before is not told of again
    if is_other:
        yield _lease_event(OF_STATES[LeaseState(lease.state)], lease, reason=lease.reason)
    elif was is not None and now is not None:
        if now.shares != was.shares:
            yield _lease_event(EventKind.LEASE_RESIZED, lease)
        if now.notice != was.notice and now.notice is not None:
            until, reason = now.notice.revoke_at, now.notice.reason
            yield _lease_event(EventKind.LEASE_NOTICE, lease, reason=reason, until=until)
        elif now.notice != was.notice:
            yield _lease_event(EventKind.LEASE_NOTICE_WITHDRAWN, lease)


def _lease_event(kind: EventKind, lease: Lease, **more: Any) -> Event:
    whose = {"lease": lease.id, "tenant": lease.tenant, "account": lease.account}
    return {**NOTHING, "kind": kind, **whose, **more}


def _node_event(kind: EventKind, name: str, **more: Any) -> Event:
    return {**NOTHING, "kind": kind, "node": name, **more}


def _device_event(kind: EventKind, device: Device, **more: Any) -> Event:
    return {**NOTHING, "kind": kind, "node": device.node_name, "device": device.id, **more}
