"""The pool in numbers, read from the database whenever `/metrics` is asked for: each broker tells the same.

A handful of queries, however large the pool; `docs/metrics.md` lists all metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from accelpool_broker.metrics_queries import DeviceUse, OpenLeases
from accelpool_broker.models import LeaseState, Node, NodeState
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.services.devices import DeviceState, state_of
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.tenant_metrics import TenantMetrics

AVAILABLE = frozenset({DeviceState.FREE, DeviceState.LEASED})
BEST_FIRST = tuple(DeviceState)  # what is better stands before what is worse


class PoolMetrics(Collector):
    """Reads the gauges of a pool, and what its tenants have used."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._tenants = TenantMetrics()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now.

        Raises:
            Unavailable: The database does not answer.
        """
        with self._pool.store.read() as tx:
            devices, nodes, sessions = tx.device_use(), tx.nodes(), tx.session_counts()
            leases, holdings, tenants = tx.lease_counts(), tx.holdings(), tx.tenants()
        yield from _of_devices(devices)
        yield from _of_nodes(nodes, sessions)
        yield _oldest_request(leases)
        yield from self._tenants.collect(tenants, leases, holdings, self._pool.clock.now())


def _of_devices(devices: Sequence[DeviceUse]) -> Iterator[Metric]:
    labels = ("node", "device", "hardware", "kind", "api")
    up = _gauge("accelpool_device_up", "Whether a device can be leased: 0 if it is faulty or lost.", labels)
    memory = _gauge("accelpool_device_memory_bytes", "The memory of a device.", labels)
    granted = _gauge(
        "accelpool_device_memory_granted_bytes", "The memory of a device that leases have.", labels
    )
    compute = _gauge(
        "accelpool_device_compute_granted_ratio", "The part of a device's compute that leases have.", labels
    )
    for device in devices:
        state = _state_of(device)
        values = (device.node, device.name, device.hardware, device.kind, device.api)
        up.add_metric(values, state in AVAILABLE)
        memory.add_metric(values, device.memory_bytes)
        granted.add_metric(values, device.used_memory_bytes)
        compute.add_metric(values, device.used_compute_ppm / WHOLE)
    yield from (_of_states(devices), up, memory, granted, compute)


def _of_states(devices: Iterable[DeviceUse]) -> Metric:
    """Return how many pieces of hardware are in each state: 0 is told, too, of the kinds that there are."""
    states = Counter((face.kind, face.api, _state_of(face)) for face in _best_faces(devices))
    total = _gauge("accelpool_devices", "Devices, by what they are doing.", ("kind", "api", "state"))
    for kind, api in dict.fromkeys((kind, api) for kind, api, _ in states):
        for state in DeviceState:
            total.add_metric((kind, api, state), states[kind, api, state])
    return total


def _best_faces(devices: Iterable[DeviceUse]) -> Iterable[DeviceUse]:
    """Return of all hardware the face that is best off: a faulty one leaves the other to be lent."""
    best: dict[str, DeviceUse] = {}
    for device in sorted(devices, key=lambda one: BEST_FIRST.index(_state_of(one))):
        best.setdefault(device.hardware, device)
    return best.values()


def _state_of(device: DeviceUse) -> DeviceState:
    return state_of(device.node_state, device.fault, device.used_compute_ppm)


def _of_nodes(nodes: Iterable[Node], sessions: Mapping[str, int]) -> Iterator[Metric]:
    up = _gauge("accelpool_node_up", "Whether a node's agent answers.", ("node",))
    heard = _gauge(
        "accelpool_node_last_report_timestamp_seconds", "When a node's agent reported last.", ("node",)
    )
    cordoned = _gauge("accelpool_node_cordoned", "Whether a node takes no new leases.", ("node",))
    draining = _gauge("accelpool_node_draining", "Whether a node's leases are told to end.", ("node",))
    running = _gauge("accelpool_node_sessions", "Sessions on a node, by its last report.", ("node",))
    for node in nodes:
        up.add_metric((node.name,), node.state == NodeState.READY)
        heard.add_metric((node.name,), node.last_seen_at)
        cordoned.add_metric((node.name,), node.is_cordoned)
        draining.add_metric((node.name,), node.drain_at is not None)
        running.add_metric((node.name,), sessions.get(node.name, 0))
    yield from (up, heard, cordoned, draining, running)


def _oldest_request(leases: Iterable[OpenLeases]) -> Metric:
    oldest = _gauge(
        "accelpool_queue_oldest_request_timestamp_seconds",
        "When the request was made that has waited longest; there is no sample while none waits.",
        (),
    )
    waiting = [one.oldest_at for one in leases if one.state == LeaseState.QUEUED and not one.is_reserved]
    if waiting:
        oldest.add_metric((), min(waiting))
    return oldest


def _gauge(name: str, documentation: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=labels)
