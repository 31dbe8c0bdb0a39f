"""Metrics as Prometheus reads them, and all that there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from accelpool_broker.testing import BrokerInProcess
from accelpool_node.agent.activity import Activity
from accelpool_node.agent.contract import Capacity, DeviceReport
from accelpool_node.agent.devices import Devices, NodeDevice
from accelpool_node.agent.metrics import Parts, registry_of
from accelpool_node.agent.shares import Shares
from accelpool_node.agent.tally import Tally
from accelpool_node.builder.control import Counts

SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "info": ("_info",)}


class Exposition:
    """What was read of a `/metrics`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of those samples that have these labels; 0 if there are none."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def of(self, name: str) -> list[tuple[dict[str, str], float]]:
        """Return labels and values of all samples of this name."""
        return [(sample.labels, sample.value) for sample in self.samples if sample.name == name]

    def labels(self, name: str, label: str) -> list[str]:
        """Return the values of a label that a metric has."""
        return sorted({sample.labels[label] for sample in self.samples if sample.name == name})


def scraped(broker: BrokerInProcess, role: str = "user") -> Exposition:
    """Read the metrics of a broker."""
    answer = broker.call("GET", "/metrics", role=role)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return Exposition(answer.get_data(as_text=True))


@dataclass
class _Pool:
    idle: int = 1
    starting: int = 0
    starts: int = 1
    failures: int = 0


class _Builder:
    counts = Counts(hits=3, misses=2, declined=1, build_s=1.5, entries=2, bytes=100)

    def ask_counts(self) -> None:
        """It has said all."""


def agents_registry() -> CollectorRegistry:
    """Return what tells the metrics of an agent to which everything has happened once."""
    tally = Tally()
    tally.begun["null"], tally.ended["null", "goodbye"], tally.failures["OUT_OF_RESOURCES"] = 2, 1, 1
    report = DeviceReport(
        name="null/null-0",
        environment="null",
        kind="custom",
        api="opencl",
        attributes={},
        capacity=Capacity(memory_bytes=1 << 30, compute_units=1),
    )
    return registry_of(
        Parts(
            node="n1",
            devices=Devices(
                [NodeDevice(name=report.name, environment="null", backend_name="null-0", report=report)]
            ),
            shares=Shares(),
            pools={"null": _Pool()},
            builders={"null": _Builder()},
            activity=Activity(),
            tally=tally,
            refusals={"invalid": 1},
            heard_at=lambda: 1_800_000_000.0,
        )
    )


def brokers_registry(broker: BrokerInProcess) -> CollectorRegistry:
    """Return what tells the metrics of a broker, after everything has happened once."""
    broker.register("n1", "gpu")
    broker.json("PUT", "/tenants/default", {"quota_devices": 4})
    lease = broker.lease()
    broker.lease()
    broker.json("DELETE", f"/leases/{lease['id']}")
    broker.lease()
    broker.call("GET", "/leases/none")
    return broker.services.pool.meter.registry


def names_of(families: Iterable[Metric]) -> set[str]:
    """Return the names of all samples that there can be."""
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}


def rows_of(families: Iterable[Metric]) -> list[str]:
    """Return a row of a table for each metric: name, type, labels, meaning."""
    rows = []
    for family in families:
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = family.name + (SUFFIXES[family.type][0] if family.type in ("counter", "info") else "")
        told = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {family.type} | {told} | {family.documentation} |")
    return sorted(rows)
