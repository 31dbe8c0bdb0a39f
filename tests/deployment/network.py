"""Whether NetworkPolicies let somebody reach somebody else, by Kubernetes' own rules of these."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]
HOME = "lab"
NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A pod, by its labels, or what is outside of the cluster.

    Attributes:
        labels: Of the pod; none outside.
        namespace: The pod's; "" outside.
        address: Where it is.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = ""
    address: str


def may_reach(policies: list[Manifest], source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    """Return whether the policies of both ends let a connection, or a datagram, through."""
    leaves = _is_let(policies, "Egress", source, target, port, protocol)
    return leaves and _is_let(policies, "Ingress", target, source, port, protocol)


def _is_let(policies: list[Manifest], way: str, own: Peer, other: Peer, port: int, protocol: str) -> bool:
    bound = [
        each["spec"]
        for each in policies
        if own.namespace == HOME and _selects(each["spec"]["podSelector"], own.labels)
        if way in each["spec"]["policyTypes"]
    ]
    peers = "to" if way == "Egress" else "from"
    rules = [rule for spec in bound for rule in spec.get(way.lower(), ())]
    return not bound or any(
        (port, protocol) in set(_ports(rule)) and _has(rule.get(peers), other) for rule in rules
    )


def _ports(rule: Manifest) -> Iterator[tuple[int, str]]:
    for each in rule["ports"]:
        yield each["port"], each.get("protocol", "TCP")


def _has(peers: list[Manifest] | None, other: Peer) -> bool:
    return not peers or any(_is(each, other) for each in peers)


def _is(peer: Manifest, other: Peer) -> bool:
    if "ipBlock" in peer:
        return ipaddress.ip_address(other.address) in ipaddress.ip_network(peer["ipBlock"]["cidr"])
    if not other.namespace:
        return False
    within = peer.get("namespaceSelector", {"matchLabels": {NAME: HOME}})
    return _selects(within, {NAME: other.namespace}) and _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    assert selector.keys() <= {"matchLabels"}, "no other selector is understood here"
    return selector.get("matchLabels", {}).items() <= labels.items()
