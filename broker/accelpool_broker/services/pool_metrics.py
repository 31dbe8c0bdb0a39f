"""The pool in numbers, read from the database whenever `/metrics` is asked for: each broker tells the same.

A handful of queries, however large the pool; `docs/metrics.md` lists all metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import Metric
from prometheus_client.registry import Collector

from accelpool_broker.models import LeaseState, Node, NodeState
from accelpool_broker.queries.metrics import DeviceUse, OpenLeases
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.services.devices import DeviceState, state_of
from accelpool_broker.services.families import gauge
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.tenant_metrics import TenantMetrics

AVAILABLE = frozenset({DeviceState.FREE, DeviceState.LEASED})
BEST_FIRST = tuple(DeviceState)  # what is better stands before what is worse

# Name, meaning, and how it is read.
DEVICE_GAUGES: tuple[tuple[str, str, Callable[[DeviceUse], float]], ...] = (
    (
        "accelpool_device_up",
        "Whether a device can be leased: 0 if it is faulty or lost.",
        lambda device: _state_of(device) in AVAILABLE,
    ),
    ("accelpool_device_memory_bytes", "The memory of a device.", lambda device: device.memory_bytes),
    (
        "accelpool_device_memory_granted_bytes",
        "The memory of a device that leases have.",
        lambda device: device.used_memory_bytes,
    ),
    (
        "accelpool_device_compute_granted_ratio",
        "The part of a device's compute that leases have.",
        lambda device: device.used_compute_ppm / WHOLE,
    ),
)
NODE_GAUGES: tuple[tuple[str, str, Callable[[Node], float]], ...] = (
    ("accelpool_node_up", "Whether a node's agent answers.", lambda node: node.state == NodeState.READY),
    (
        "accelpool_node_last_report_timestamp_seconds",
        "When a node's agent reported last.",
        lambda node: node.last_seen_at,
    ),
    ("accelpool_node_cordoned", "Whether a node takes no new leases.", lambda node: node.is_cordoned),
    (
        "accelpool_node_draining",
        "Whether a node's leases are told to end.",
        lambda node: node.drain_at is not None,
    ),
)


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
    yield _of_states(devices)
    known = {(one.node, one.name, one.hardware, one.kind, one.api): one for one in devices}
    labels = ("node", "device", "hardware", "kind", "api")
    for name, documentation, read in DEVICE_GAUGES:
        yield gauge(name, documentation, labels, {values: read(one) for values, one in known.items()})


def _of_states(devices: Iterable[DeviceUse]) -> Metric:
    """Return how many pieces of hardware are in each state: 0 is told, too, of the kinds that there are."""
    counts = Counter((face.kind, face.api, _state_of(face)) for face in _best_faces(devices))
    kinds = dict.fromkeys((kind, api) for kind, api, _ in counts)
    return gauge(
        "accelpool_devices",
        "Devices, by what they are doing.",
        ("kind", "api", "state"),
        {(kind, api, state): counts[kind, api, state] for kind, api in kinds for state in DeviceState},
    )


def _best_faces(devices: Iterable[DeviceUse]) -> Iterable[DeviceUse]:
    """Return of all hardware the face that is best off: a faulty one leaves the other to be lent."""
    best: dict[str, DeviceUse] = {}
    for device in sorted(devices, key=lambda one: BEST_FIRST.index(_state_of(one))):
        best.setdefault(device.hardware, device)
    return best.values()


def _state_of(device: DeviceUse) -> DeviceState:
    return state_of(device.node_state, device.fault, device.used_compute_ppm)


def _of_nodes(nodes: Sequence[Node], sessions: Mapping[str, int]) -> Iterator[Metric]:
    for name, documentation, read in NODE_GAUGES:
        yield gauge(name, documentation, ("node",), {(node.name,): read(node) for node in nodes})
    yield gauge(
        "accelpool_node_sessions",
        "Sessions on a node, by its last report.",
        ("node",),
        {(node.name,): sessions.get(node.name, 0) for node in nodes},
    )


def _oldest_request(leases: Iterable[OpenLeases]) -> Metric:
    waiting = [one.oldest_at for one in leases if one.state == LeaseState.QUEUED and not one.is_reserved]
    return gauge(
        "accelpool_queue_oldest_request_timestamp_seconds",
        "When the request was made that has waited longest; there is no sample while none waits.",
        (),
        {(): min(waiting)} if waiting else {},
    )
