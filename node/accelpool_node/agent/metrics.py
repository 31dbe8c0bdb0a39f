"""What a node tells Prometheus of itself: read from the agent's parts when it is asked for.

Nothing in it is a tenant's: no lease, no session, no name of a program. `docs/metrics.md` lists all metrics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import InfoMetricFamily
from prometheus_client.registry import Collector

from accelpool_node import control
from accelpool_node.agent.activity import Activity
from accelpool_node.agent.builders import Builder
from accelpool_node.agent.devices import Devices
from accelpool_node.agent.families import PREFIX, Samples, counter, gauge
from accelpool_node.agent.outcomes import SUSPICIOUS
from accelpool_node.agent.shares import DeviceShares, Shares
from accelpool_node.agent.tally import Tally
from accelpool_node.agent.warm_pool import WarmPool
from accelpool_node.builder.control import Counts
from accelpool_wire.version import __version__

CAUSES = (*control.Cause, *sorted(SUSPICIOUS))
T = TypeVar("T")
Family: TypeAlias = Callable[[str, str, Sequence[str], Samples], Metric]
Rows: TypeAlias = tuple[tuple[Family, str, str, Callable[[T], float]], ...]  # with name, meaning, reading

DEVICE_ROWS: Rows[DeviceShares] = (
    (
        gauge,
        "device_leases",
        "Leases that have had sessions on a device, and have not ended.",
        lambda use: use.leases,
    ),
    (
        gauge,
        "device_waiting_sessions",
        "Sessions that wait for their turn on a device.",
        lambda use: use.waiting,
    ),
    (
        gauge,
        "device_memory_limit_bytes",
        "The memory of a device that leases with sessions on it may allocate.",
        lambda use: use.memory_bytes,
    ),
    (
        gauge,
        "device_memory_allocated_bytes",
        "The memory of a device that sessions have allocated.",
        lambda use: use.held_bytes,
    ),
    (
        gauge,
        "device_compute_limit_ratio",
        "The part of a device's compute that leases with sessions on it have.",
        lambda use: use.compute,
    ),
)
POOL_ROWS: Rows[WarmPool] = (
    (counter, "worker_starts", "Workers that were started.", lambda pool: pool.starts),
    (
        counter,
        "worker_start_failures",
        "Workers that could not be started, or ended before they were ready.",
        lambda pool: pool.failures,
    ),
)
BUILDER_ROWS: Rows[Counts] = (
    (counter, "build_seconds", "How long builders have built.", lambda counts: counts.build_s),
    (gauge, "build_cache_entries", "Programs that builders keep.", lambda counts: counts.entries),
    (gauge, "build_cache_bytes", "The memory of programs that builders keep.", lambda counts: counts.bytes),
)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What of an agent is told.

    Attributes:
        node: The node's name.
        devices: Its devices.
        shares: Their ledgers.
        pools: Its workers, by driver environment.
        builders: Its builders, likewise.
        activity: How long leases have been at work.
        tally: What sessions have done.
        refusals: How many clients were refused, by problem.
        heard_at: Returns when the broker answered last, or the agent was started, in seconds since 1970.
    """

    node: str
    devices: Devices
    shares: Shares
    pools: Mapping[str, WarmPool]
    builders: Mapping[str, Builder]
    activity: Activity
    tally: Tally
    refusals: Mapping[str, int]
    heard_at: Callable[[], float]


def registry_of(parts: Parts) -> CollectorRegistry:
    """Return what tells an agent's metrics, those of its process among them."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(AgentMetrics(parts))
    return registry


class AgentMetrics(Collector):
    """Reads an agent's parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        build = InfoMetricFamily(PREFIX + "build", "The agent's version, and its node.")
        build.add_metric((), {"node": self._parts.node, "version": __version__})
        yield build
        yield from self._of_devices()
        yield from self._of_sessions()
        yield from self._of_clients()
        yield from self._of_work()
        yield from self._of_workers()
        yield from self._of_builds()
        yield gauge(
            "broker_last_answer_timestamp_seconds",
            "When the broker answered a report last; if it never did, when the agent was started.",
            (),
            {(): self._parts.heard_at()},
        )

    def _of_devices(self) -> Iterator[Metric]:
        devices, shares, labels = self._parts.devices, self._parts.shares, ("device", "hardware")
        places = {name: (name, devices.hardware(name)) for name in devices.faults}
        yield gauge(
            "device_up",
            "Whether a device works: 0 if it is faulty.",
            labels,
            {places[name]: not fault for name, fault in devices.faults.items()},
        )
        use = {place: shares.of_device(name) for name, place in places.items()}
        yield from _of_each(labels, DEVICE_ROWS, use)

    def _of_sessions(self) -> Iterator[Metric]:
        tally, environments = self._parts.tally, self._parts.pools
        over = Counter[str]()
        for (name, _), count in tally.ended.items():
            over[name] += count
        yield gauge(
            "sessions",
            "Sessions that run.",
            ("environment",),
            {(name,): tally.begun[name] - over[name] for name in environments},
        )
        yield counter(
            "sessions_begun",
            "Sessions that have begun.",
            ("environment",),
            {(name,): tally.begun[name] for name in environments},
        )
        yield counter(
            "sessions_ended",
            "Sessions that have ended, by why.",
            ("environment", "cause"),
            {(name, cause): tally.ended[name, cause] for name in environments for cause in CAUSES},
        )

    def _of_clients(self) -> Iterator[Metric]:
        """Yield what clients asked for, together."""
        tally = self._parts.tally
        yield counter(
            "refusals",
            "Clients that were refused, by the problem that they were told.",
            ("problem",),
            {(problem,): count for problem, count in self._parts.refusals.items()},
        )
        yield counter("commands", "Messages of clients.", (), {(): tally.commands})
        yield counter(
            "round_trips", "Messages of clients that wanted an answer.", (), {(): tally.round_trips}
        )
        yield counter(
            "failures",
            "Failures that clients were answered with, by OpenCL's name of their code.",
            ("code",),
            {(code,): count for code, count in tally.failures.items()},
        )

    def _of_work(self) -> Iterator[Metric]:
        """Yield what sessions moved, and how long they were at it."""
        tally = self._parts.tally
        yield counter(
            "received_bytes",
            "Bytes that sessions received, from clients and from other nodes.",
            ("peer",),
            {("client",): tally.from_clients, ("node",): tally.from_nodes},
        )
        yield counter(
            "sent_bytes",
            "Bytes that sessions sent, to clients and to other nodes.",
            ("peer",),
            {("client",): tally.to_clients, ("node",): tally.to_nodes},
        )
        yield counter(
            "busy_seconds",
            "How long leases had commands on devices, one lease as the other.",
            (),
            {(): self._parts.activity.total_s},
        )

    def _of_workers(self) -> Iterator[Metric]:
        pools = self._parts.pools
        yield gauge(
            "idle_workers",
            "Workers without a session.",
            ("environment", "state"),
            {
                (name, state): count
                for name, pool in pools.items()
                for state, count in (("warm", pool.idle), ("starting", pool.starting))
            },
        )
        yield from _of_each(("environment",), POOL_ROWS, {(name,): pool for name, pool in pools.items()})

    def _of_builds(self) -> Iterator[Metric]:
        """Yield what builders have said; each is asked, and has said more when this is asked for again."""
        for builder in self._parts.builders.values():
            builder.ask_counts()
        counts = {name: builder.counts for name, builder in self._parts.builders.items()}
        yield counter(
            "builds",
            "Programs that builders were asked for, and had, made, or left to the worker.",
            ("environment", "outcome"),
            {
                (name, outcome): count
                for name, one in counts.items()
                for outcome, count in (("hit", one.hits), ("miss", one.misses), ("declined", one.declined))
            },
        )
        yield from _of_each(("environment",), BUILDER_ROWS, {(name,): one for name, one in counts.items()})


def _of_each(labels: Sequence[str], rows: Rows[T], read: Mapping[Any, T]) -> Iterator[Metric]:
    """Yield a metric for each row, with a sample of all that is `read`."""
    for family, name, documentation, value_of in rows:
        yield family(name, documentation, labels, {key: value_of(one) for key, one in read.items()})
