"""The pool as the scheduler is told of it, remembered from one change to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from accelpool_broker.models import Device, Lease, LeaseState, Node, Share, Tenant
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import DeviceView, Inventory, LeaseView, NodeView, Request, TenantView
from accelpool_broker.services.views import (
    device_view,
    held_by,
    lease_view,
    node_view,
    request_view,
    tenant_view,
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A state of the pool. It never changes: `after` returns the next one, which shares what is the same.

    Attributes:
        lost_after_s: A node is lost when it has not reported for so long.
        nodes: By name.
        devices: Those that their nodes report, by id.
        leases: The active ones, by id.
        queue: Requests that wait, by id.
        tenants: By name.
    """

    lost_after_s: float
    nodes: Mapping[str, NodeView]
    devices: Mapping[str, DeviceView]
    leases: Mapping[str, LeaseView]
    queue: Mapping[str, Request]
    tenants: Mapping[str, TenantView]

    @classmethod
    def load(cls, tx: Transaction, lost_after_s: float) -> Self:
        """Return what a transaction sees."""
        held = tx.active_shares()
        leases = tx.open_lease_rows()
        return cls(
            lost_after_s=lost_after_s,
            nodes={node.name: node_view(node, lost_after_s) for node in tx.nodes()},
            devices={device.id: device_view(device) for device in tx.device_rows()},
            leases={
                lease.id: lease_view(lease, held.get(lease.id, ()))
                for lease in leases
                if lease.state == LeaseState.ACTIVE
            },
            queue={lease.id: request_view(lease) for lease in leases if lease.state == LeaseState.QUEUED},
            tenants={tenant.name: tenant_view(tenant) for tenant in tx.tenants()},
        )

    @cached_property
    def inventory(self) -> Inventory:
        """The nodes and devices."""
        return Inventory(self.nodes.values(), self.devices.values())

    def after(self, written: Iterable[Any], removed: Iterable[Any] = ()) -> Picture:
        """Return the picture after records were written to the database, and others deleted from it."""
        draft = _Draft(self)
        for record in written:
            draft.note(record)
        for record in removed:
            if isinstance(record, Tenant):
                draft.put("tenants", record.name, None)
        return draft.finish()


class _Draft:
    """The next picture in the making."""

    def __init__(self, before: Picture) -> None:
        self._before = before
        self._changed: dict[str, dict[str, Any]] = {}
        self._leases: set[str] = set()
        self._leases_of_shares: set[str] = set()

    def note(self, record: Any) -> None:
        """Take note of a record that was written."""
        match record:
            case Lease():
                self._note_lease(record)
            case Share():
                self._leases_of_shares.add(record.lease_id)
            case Device():
                self.put("devices", record.id, device_view(record) if record.is_present else None)
            case Node():
                self.put("nodes", record.name, node_view(record, self._before.lost_after_s))
            case Tenant():
                self.put("tenants", record.name, tenant_view(record))
            case _:
                pass  # nothing that the scheduler is told of

    def put(self, table: str, key: str, view: Any) -> None:
        """Put a view into a table, or take it out if there is none any more."""
        before: Mapping[str, Any] = getattr(self._before, table)
        if self._changed.get(table, before).get(key) == view:
            return
        if table not in self._changed:
            self._changed[table] = dict(before)
        changed = self._changed[table]
        if view is None:
            del changed[key]
        else:
            changed[key] = view

    def finish(self) -> Picture:
        """Return the next picture; the one before if nothing has changed."""
        assert self._leases_of_shares <= self._leases, "shares are written with their leases"
        if not self._changed:
            return self._before
        changed: dict[str, Any] = dict(self._changed)
        after = replace(self._before, **changed)
        inventory = None if "devices" in self._changed else vars(self._before).get("inventory")
        if inventory is not None and "nodes" in self._changed:
            inventory = inventory.seen_at(after.nodes.values())
        if inventory is not None:
            vars(after)["inventory"] = inventory
        return after

    def _note_lease(self, lease: Lease) -> None:
        self._leases.add(lease.id)
        is_active, is_queued = lease.state == LeaseState.ACTIVE, lease.state == LeaseState.QUEUED
        self.put("queue", lease.id, request_view(lease) if is_queued else None)
        known = self._before.leases.get(lease.id)
        self.put("leases", lease.id, lease_view(lease, held_by(lease, known)) if is_active else None)
