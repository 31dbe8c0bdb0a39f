"""What a node tells Prometheus of itself: read from the agent's parts when it is asked for.

Nothing in it is a tenant's: no lease, no session, no name of a program. `docs/metrics.md` lists all metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from accelpool_node import control
from accelpool_node.agent.activity import Activity
from accelpool_node.agent.builders import Builder
from accelpool_node.agent.devices import Devices
from accelpool_node.agent.outcomes import SUSPICIOUS
from accelpool_node.agent.shares import Shares
from accelpool_node.agent.tally import Tally
from accelpool_node.agent.warm_pool import WarmPool
from accelpool_wire.version import __version__

PREFIX = "accelpool_agent_"
CAUSES = (*control.Cause, *sorted(SUSPICIOUS))
Samples: TypeAlias = Mapping[Any, float]


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
        heard_at: Returns when the broker answered last, in seconds since the Unix epoch.
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
        yield from self._of_workers()
        yield from self._of_builds()
        yield _gauge(
            "broker_last_answer_timestamp_seconds",
            "When the broker answered a report last; 0 if it never did.",
            (),
            {(): self._parts.heard_at()},
        )

    def _of_devices(self) -> Iterator[Metric]:
        devices, shares, labels = self._parts.devices, self._parts.shares, ("device", "hardware")
        places = {name: (name, devices.hardware(name)) for name in devices.faults}
        use = {place: shares.of_device(name) for name, place in places.items()}
        yield _gauge(
            "device_up",
            "Whether a device works: 0 if it is faulty.",
            labels,
            {places[name]: not fault for name, fault in devices.faults.items()},
        )
        yield _gauge(
            "device_leases",
            "Leases that have had sessions on a device, and have not ended.",
            labels,
            {place: one.leases for place, one in use.items()},
        )
        yield _gauge(
            "device_waiting_sessions",
            "Sessions that wait for their turn on a device.",
            labels,
            {place: one.waiting for place, one in use.items()},
        )
        yield _gauge(
            "device_memory_limit_bytes",
            "The memory of a device that leases with sessions on it may allocate.",
            labels,
            {place: one.memory_bytes for place, one in use.items()},
        )
        yield _gauge(
            "device_memory_allocated_bytes",
            "The memory of a device that sessions have allocated.",
            labels,
            {place: one.held_bytes for place, one in use.items()},
        )
        yield _gauge(
            "device_compute_limit_ratio",
            "The part of a device's compute that leases with sessions on it have.",
            labels,
            {place: one.compute for place, one in use.items()},
        )

    def _of_sessions(self) -> Iterator[Metric]:
        tally, environments = self._parts.tally, self._parts.pools
        over = {
            name: sum(count for (of, _), count in tally.ended.items() if of == name) for name in environments
        }
        yield _gauge(
            "sessions",
            "Sessions that run.",
            ("environment",),
            {(name,): tally.begun[name] - over[name] for name in environments},
        )
        yield _counter(
            "sessions_begun",
            "Sessions that have begun.",
            ("environment",),
            {(name,): tally.begun[name] for name in environments},
        )
        yield _counter(
            "sessions_ended",
            "Sessions that have ended, by why.",
            ("environment", "cause"),
            {(name, cause): tally.ended[name, cause] for name in environments for cause in CAUSES},
        )
        yield _counter(
            "refusals",
            "Clients that were refused, by the problem that they were told.",
            ("problem",),
            {(problem,): count for problem, count in self._parts.refusals.items()},
        )
        yield _counter(
            "received_bytes",
            "Bytes that sessions received, from clients and from other nodes.",
            ("peer",),
            {("client",): tally.from_clients, ("node",): tally.from_nodes},
        )
        yield _counter(
            "sent_bytes",
            "Bytes that sessions sent, to clients and to other nodes.",
            ("peer",),
            {("client",): tally.to_clients, ("node",): tally.to_nodes},
        )
        yield _counter("commands", "Messages of clients.", (), {(): tally.commands})
        yield _counter(
            "round_trips", "Messages of clients that wanted an answer.", (), {(): tally.round_trips}
        )
        yield _counter(
            "failures",
            "Failures that clients were answered with, by OpenCL's name of their code.",
            ("code",),
            {(code,): count for code, count in tally.failures.items()},
        )
        yield _counter(
            "busy_seconds",
            "How long leases had commands on devices, one lease as the other.",
            (),
            {(): self._parts.activity.total_s},
        )

    def _of_workers(self) -> Iterator[Metric]:
        pools = self._parts.pools
        idle = {(name, "warm"): pool.idle for name, pool in pools.items()}
        starting = {(name, "starting"): pool.starting for name, pool in pools.items()}
        yield _gauge("idle_workers", "Workers without a session.", ("environment", "state"), idle | starting)
        yield _counter(
            "worker_starts",
            "Workers that were started.",
            ("environment",),
            {(name,): pool.starts for name, pool in pools.items()},
        )
        yield _counter(
            "worker_start_failures",
            "Workers that could not be started, or ended before they were ready.",
            ("environment",),
            {(name,): pool.failures for name, pool in pools.items()},
        )

    def _of_builds(self) -> Iterator[Metric]:
        """Yield what builders have said; each is asked, and has said more when this is asked for again."""
        for builder in self._parts.builders.values():
            builder.ask_counts()
        counts = {(name,): builder.counts for name, builder in self._parts.builders.items()}
        outcomes = {
            (name, outcome): getattr(one, field)
            for (name,), one in counts.items()
            for outcome, field in (("hit", "hits"), ("miss", "misses"), ("declined", "declined"))
        }
        yield _counter(
            "builds",
            "Programs that builders were asked for, and had, made, or left to the worker.",
            ("environment", "outcome"),
            outcomes,
        )
        yield _counter(
            "build_seconds",
            "How long builders have built.",
            ("environment",),
            {name: one.build_s for name, one in counts.items()},
        )
        yield _gauge(
            "build_cache_entries",
            "Programs that builders keep.",
            ("environment",),
            {name: one.entries for name, one in counts.items()},
        )
        yield _gauge(
            "build_cache_bytes",
            "The memory of programs that builders keep.",
            ("environment",),
            {name: one.bytes for name, one in counts.items()},
        )


def _gauge(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, documentation, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def _counter(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    family = CounterMetricFamily(PREFIX + name, documentation, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family
