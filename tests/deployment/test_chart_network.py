"""The Helm chart's network policies: everybody reaches whom his work needs, and nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from tests.deployment.network import HOME, Manifest, Peer, may_reach

API, DATA, GPU_DATA, METRICS, DATABASE, DNS, HTTPS = 8750, 8751, 8760, 9750, 5432, 53, 443
OUTSIDE = {
    "client": Peer(address="10.1.2.3"),
    "database": Peer(address="10.9.0.5"),
    "another database": Peer(address="10.9.0.6"),
    "prometheus": Peer(labels={"app": "prometheus"}, namespace="monitoring", address="192.168.0.9"),
    "names": Peer(labels={"k8s-app": "kube-dns"}, namespace="kube-system", address="192.168.0.10"),
    "stranger": Peer(labels={"app": "other"}, namespace="other", address="192.168.0.11"),
    "internet": Peer(address="203.0.113.9"),
    "node outside": Peer(address="10.7.0.1"),
}
NEEDED = [
    ("agent", "broker", API),
    ("client", "broker", API),
    ("prometheus", "broker", API),
    ("client", "agent", DATA),
    ("client", "agent", GPU_DATA),
    ("agent", "agent", DATA),
    ("agent", "agent", GPU_DATA),
    ("broker", "agent", DATA),  # REST compute
    ("broker", "agent", GPU_DATA),
    ("prometheus", "agent", METRICS),
    ("broker", "database", DATABASE),
    ("broker", "names", DNS),
    ("agent", "names", DNS),
]
KEPT_OUT = [
    ("stranger", "broker", API),
    ("stranger", "agent", DATA),
    ("internet", "broker", API),
    ("client", "agent", METRICS),
    ("broker", "another database", DATABASE),
    ("agent", "database", DATABASE),
    ("agent", "internet", HTTPS),
    ("broker", "stranger", 80),
]


def reaches(made: dict[str, Any], source: str, target: str, port: int, protocol: str = "TCP") -> bool:
    manifests: list[Manifest] = made["manifests"]
    pods = [each["spec"]["template"] for each in manifests if each["kind"] in ("Deployment", "DaemonSet")]
    peers = OUTSIDE | {
        (labels := pod["metadata"]["labels"])["app.kubernetes.io/component"]: Peer(
            labels=labels, namespace=HOME, address="192.168.0.1"
        )
        for pod in pods
    }
    policies = [each for each in manifests if each["kind"] == "NetworkPolicy"]
    return may_reach(policies, peers[source], peers[target], port, protocol)


@pytest.mark.parametrize("case", ["policies", "metrics", "without policies"])
@pytest.mark.parametrize(("source", "target", "port"), NEEDED)
def test_who_has_to_reach_somebody_does(
    rendered: dict[str, Any], case: str, source: str, target: str, port: int
) -> None:
    assert reaches(rendered[case], source, target, port)


@pytest.mark.parametrize(("source", "target", "port"), KEPT_OUT)
def test_who_has_not_is_kept_out_where_values_say_who_may(
    rendered: dict[str, Any], source: str, target: str, port: int
) -> None:
    assert not reaches(rendered["policies"], source, target, port)


@pytest.mark.parametrize("source", ["broker", "agent"])
def test_names_are_asked_for_by_datagrams_too(rendered: dict[str, Any], source: str) -> None:
    assert reaches(rendered["policies"], source, "names", DNS, "UDP")


@pytest.mark.parametrize(
    ("case", "may"), [("metrics", False), ("policies", True), ("webhooks", True), ("brokers alone", False)]
)
def test_brokers_reach_the_internet_for_issuers_and_webhooks_alone(
    rendered: dict[str, Any], case: str, may: bool
) -> None:
    assert reaches(rendered[case], "broker", "internet", HTTPS) == may
    assert not reaches(rendered[case], "broker", "internet", 80)


def test_brokers_reach_nodes_outside_of_the_cluster(rendered: dict[str, Any]) -> None:
    assert reaches(rendered["brokers alone"], "broker", "node outside", DATA)
