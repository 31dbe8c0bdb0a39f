"""Nodes: registered, reconciled and listed.

Reconciliation is level-triggered: the agent says what it runs, and is told what it should run, at every
change and every few seconds; each report is a heartbeat.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from accelpool_broker.models import Device, Lease, LeaseState, Node, NodeState
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import DeviceView, Ending, loss
from accelpool_broker.services.caller import Caller
from accelpool_broker.services.changes import Change
from accelpool_broker.services.faces import level_memory
from accelpool_broker.services.idleness import Idleness
from accelpool_broker.services.pool import Pool
from accelpool_wire.errors import Conflict, NotFound

CLIENT_LEFT = {"goodbye": "its client ended its session", "disconnected": "its client disconnected"}
LEFT = {Ending.NODE_RESTARTED: "restarted", Ending.NODE_STOPPED: "was stopped"}
SANDBOX_LEVELS = ("off", "partial", "full")
WAIT_MARGIN_S = 2.0  # a report's long-poll ends so long before its node would count as lost

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DeviceReport:
    """A device as its node describes it; those of a node with the same `hardware` are one piece of it."""

    name: str
    environment: str
    kind: str
    api: str
    attributes: dict[str, Any]
    memory_bytes: int
    compute_units: int
    hardware: str = ""
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What an agent says of its node when it starts; `boot_id` is new at every start."""

    host: str
    port: int
    certificate_sha256: str = ""
    version: str
    boot_id: str
    devices: tuple[DeviceReport, ...]


@dataclass(frozen=True, kw_only=True)
class EndedSession:
    """A session that ended since the last report; causes as in `docs/broker.md`."""

    id: str
    lease: str
    cause: str


@dataclass(frozen=True, kw_only=True)
class LoadedImage:
    """The binary that was loaded on a device last: its SHA-256 in hexadecimal, and since when it is there."""

    sha256: str
    since: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an agent runs: an older one than the newest seen is a heartbeat only."""

    boot_id: str
    sequence: int
    sessions: tuple[tuple[str, str], ...] = ()
    ended: tuple[EndedSession, ...] = ()
    device_faults: dict[str, str] = field(default_factory=dict)
    loaded_images: dict[str, LoadedImage] = field(default_factory=dict)
    busy_s: dict[str, float] = field(default_factory=dict)
    readings: dict[str, dict[str, float | None]] = field(default_factory=dict)
    seen_revision: int | None = None
    is_leaving: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a node should run: the active leases that have devices there."""

    node: str
    revision: int
    leases: tuple[Lease, ...]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What a node's operator wants changed; None leaves a thing as it is.

    Attributes:
        labels: What expressions may ask of its devices.
        taints: What requests must tolerate to get its devices.
        is_cordoned: Whether it takes no new leases; no longer ends a drain, too.
        drain_within_s: It takes no new leases, and those that it has end after so many seconds.
    """

    labels: dict[str, str] | None = None
    taints: tuple[str, ...] | None = None
    is_cordoned: bool | None = None
    drain_within_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class SeenNode:
    """A node as a reader sees it.

    Attributes:
        device_count: How many devices it has; those that are one piece of hardware count once.
        sandbox: What confines its workers, as the device with the weakest sandbox tells; None if none does.
    """

    node: Node
    device_count: int
    sandbox: dict[str, Any] | None


class Nodes:
    """The nodes of a pool."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._idleness = Idleness()

    def register(self, name: str, registration: Registration, caller: Caller) -> Node:
        """Return the node, made or brought up to date; a restarted agent has lost its leases."""
        with self._pool.change() as change:
            node = change.tx.node(name)
            if node is None:
                node = Node(name=name, revision=0, sequence=-1)
                change.tx.add(node)
            elif node.boot_id != registration.boot_id:
                self._lose_leases(change, node, Ending.NODE_RESTARTED)
                node.sequence, node.readings = -1, {}
                change.tx.replace_sessions(name, ())
            node.host, node.port = registration.host, registration.port
            node.certificate_sha256 = registration.certificate_sha256
            node.version, node.boot_id = registration.version, registration.boot_id
            node.state, node.last_seen_at = NodeState.READY, change.now
            change.tx.flush()
            _update_devices(change, name, registration.devices)
            change.note(caller, f"/nodes/{name}")
            change.nodes.add(name)
            change.needs_scheduling = True
        log.info("node %s registered with %d devices", name, len(registration.devices))
        return node

    def reconcile(self, name: str, report: Report, *, wait_s: float) -> Work:
        """Return what the node should run, at once if it is not what the agent has seen, else after a wait.

        Raises:
            Conflict: The node is unknown, or of an earlier start of the agent: it has to register again.
        """
        self._take(name, report)
        longest_s = max(0.0, self._pool.settings.lost_after_s - WAIT_MARGIN_S)
        work, _ = self._pool.node_waiters.poll(
            name,
            lambda: self._work(name),
            is_news=lambda work: work.revision != report.seen_revision,
            wait_s=min(wait_s, longest_s),
        )
        return work

    def operate(self, name: str, operation: Operation, caller: Caller) -> SeenNode:
        """Return a node after its operator has said something of it."""
        with self._pool.change() as change:
            node = change.tx.node(name)
            if node is None:
                raise NotFound(f"there is no node {name}", instance=f"/nodes/{name}")
            if operation.labels is not None:
                node.labels = operation.labels
            if operation.taints is not None:
                node.taints = list(operation.taints)
            if operation.is_cordoned is not None:
                node.is_cordoned = operation.is_cordoned
                node.drain_at = node.drain_at if operation.is_cordoned else None
            if operation.drain_within_s is not None:
                node.is_cordoned = True
                node.drain_at = change.now + operation.drain_within_s
            change.note(caller, f"/nodes/{name}")
            change.needs_scheduling = True
        return self.get(name)

    def get(self, name: str) -> SeenNode:
        """Return a node."""
        with self._pool.store.read() as tx:
            node = tx.node(name)
            if node is None:
                raise NotFound(f"there is no node {name}", instance=f"/nodes/{name}")
            return _see(tx, [node])[0]

    def page(self, *, after: str, limit: int) -> Sequence[SeenNode]:
        """Return nodes in order of name."""
        with self._pool.store.read() as tx:
            return _see(tx, tx.nodes(after=after, limit=limit))

    def _take(self, name: str, report: Report) -> None:
        with self._pool.change() as change:
            node = change.tx.node(name)
            if node is None:
                raise Conflict(f"node {name} is not registered: register it", instance=f"/nodes/{name}")
            if node.boot_id != report.boot_id:
                raise Conflict(
                    f"node {name} was registered by another start of its agent: register it again; "
                    "or does another agent run under this name?",
                    instance=f"/nodes/{name}",
                )
            node.last_seen_at = change.now
            is_news = report.sequence > node.sequence
            if node.state == NodeState.LOST and is_news:  # else it was sent before the agent took its leave
                node.state = NodeState.READY
                change.needs_scheduling = True
                log.info("node %s answers again", name)
            if is_news:
                node.sequence, node.readings = report.sequence, report.readings
                self._take_state(change, name, report)
                if report.is_leaving:
                    self._take_leave(change, node)

    def _take_state(self, change: Change, name: str, report: Report) -> None:
        change.tx.replace_sessions(name, report.sessions)
        pool = change.before
        if _has_device_news(report, pool.inventory.devices_on(name)):
            for device in change.tx.devices_of(name):
                fault = report.device_faults.get(device.name)
                if fault is not None and fault != device.fault:
                    device.fault = fault
                    change.needs_scheduling = True
                _note_image(device, report.loaded_images.get(device.name))
        is_used = any(name in lease.nodes for lease in pool.leases.values())
        leases = change.tx.leases_on(name) if is_used else ()
        if self._idleness.hear(name, leases, report.busy_s, change.now):
            change.needs_scheduling = True
        held = {lease.id: lease for lease in leases}
        for ended in report.ended:
            lease = held.get(ended.lease)
            if lease is None or ended.cause not in CLIENT_LEFT or not lease.ends_with_session:
                continue
            if lease.state == LeaseState.ACTIVE and not change.tx.sessions_of(lease.id):
                self._pool.end(
                    change, lease, LeaseState.RELEASED, Ending.CLIENT_LEFT, CLIENT_LEFT[ended.cause]
                )

    def _take_leave(self, change: Change, node: Node) -> None:
        """Count a node as lost whose agent was stopped: it may come back, and need not be waited for."""
        change.tx.flush()
        self._lose_leases(change, node, Ending.NODE_STOPPED)
        node.state = NodeState.LOST
        change.nodes.add(node.name)
        change.needs_scheduling = True
        log.info("node %s has taken its leave", node.name)

    def _work(self, name: str) -> Work:
        with self._pool.store.read() as tx:
            node = tx.node(name)
            if node is None:
                raise Conflict(f"node {name} is not registered: register it", instance=f"/nodes/{name}")
            return Work(node=name, revision=node.revision, leases=tuple(tx.leases_on(name)))

    def _lose_leases(self, change: Change, node: Node, ending: Ending) -> None:
        for lease in change.tx.leases_on(node.name):
            nodes = {share.device.node_name for share in lease.shares}
            reason = loss(node.name, LEFT[ending], nodes)
            self._pool.end(change, lease, LeaseState.LOST, ending, reason)
        for device in change.tx.devices_of(node.name):
            device.epoch += 1
            _note_image(device, None)  # the machine may have been restarted, too


def _see(tx: Transaction, nodes: Sequence[Node]) -> list[SeenNode]:
    names = [node.name for node in nodes]
    counts, attributes = tx.device_counts(names), tx.device_attributes(names)
    return [
        SeenNode(
            node=node,
            device_count=counts.get(node.name, 0),
            sandbox=_weakest(told.get("sandbox") for told in attributes.get(node.name, ())),
        )
        for node in nodes
    ]


def _weakest(sandboxes: Iterable[Any]) -> dict[str, Any] | None:
    """Return the sandbox of the lowest level, of those that are told."""
    told = [sandbox for sandbox in sandboxes if isinstance(sandbox, dict)]
    levels: dict[Any, int] = {level: rank for rank, level in enumerate(SANDBOX_LEVELS)}
    return min(told, key=lambda sandbox: levels.get(sandbox.get("level"), 0), default=None)


def _has_device_news(report: Report, devices: Iterable[DeviceView]) -> bool:
    """Whether a report may tell something of a node's devices that is not known yet."""
    return bool(report.loaded_images) or any(
        device.loaded_image or report.device_faults.get(device.name, device.fault) != device.fault
        for device in devices
    )


def _note_image(device: Device, image: LoadedImage | None) -> None:
    """Note what is loaded on a device."""
    device.loaded_sha256 = None if image is None else image.sha256
    device.loaded_at = None if image is None else image.since


def _update_devices(change: Change, node: str, reports: Sequence[DeviceReport]) -> None:
    known = {device.name: device for device in change.tx.devices_of(node)}
    for device in known.values():
        device.is_present = False
    for report in reports:
        device = known.get(report.name) or Device(
            id=f"dev_{secrets.token_urlsafe(8)}", node_name=node, name=report.name, epoch=0
        )
        known[report.name] = device
        device.environment, device.kind, device.api = report.environment, report.kind, report.api
        device.attributes, device.fault, device.is_present = report.attributes, report.fault, True
        device.memory_bytes, device.compute_units = report.memory_bytes, report.compute_units
        device.hardware = f"{node}/{report.hardware}" if report.hardware else device.id
        change.tx.add(device)
    level_memory(known.values())
