"""What the chart is rendered with: values that are refused, with the reason, and values that are taken."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Values = dict[str, Any]


def merged(base: Values, *changes: Values) -> Values:
    """Return values with others on top, as Helm does."""
    made = deepcopy(base)
    for change in changes:
        for name, value in change.items():
            both = isinstance(value, dict) and isinstance(made.get(name), dict)
            made[name] = merged(made[name], value) if both else value
    return made


def secret(name: str) -> Values:
    return {"secretName": name}


BROKERS = {
    "image": {"repository": "registry.example/team"},
    "tls": secret("broker-tls"),
    "broker": {"database": secret("database"), "adminToken": secret("admin")},
}
CPU = merged(BROKERS, {"agent": {"joinTokens": secret("join")}, "agents": {"cpu": {}}})
GPU = merged(
    CPU,
    {
        "agents": {
            "nvidia": {
                "nodeSelector": {"accelpool.dev/devices": "nvidia"},
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                "runtimeClassName": "nvidia",
                "env": {"NVIDIA_DRIVER_CAPABILITIES": "compute,utility"},
                "resources": {"limits": {"memory": "64Gi", "nvidia.com/gpu": 8}},
                "port": 8760,
                "hostNetwork": True,
            }
        }
    },
)
CA = {"tls": {"ca": {"configMapName": "authorities"}}}
METRICS = {
    "agent": {"tls": secret("agent-tls")},
    "metrics": {
        "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "brokerToken": secret("scrape"),
        "agents": {"enabled": True, "token": secret("scrape-agents")},
    },
}
POLICY = {
    "networkPolicy": {
        "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
        "database": [{"ipBlock": {"cidr": "10.9.0.5/32"}}],
        "monitoring": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "issuers": True,
    }
}

TAKEN = {
    "brokers alone": BROKERS,
    "one broker": merged(BROKERS, {"broker": {"replicas": 1}}),
    "a CPU group": CPU,
    "a GPU group": GPU,
    "authorities of a ConfigMap": merged(GPU, CA),
    "authorities of a Secret": merged(GPU, {"tls": {"ca": secret("broker-tls")}}),
    "metrics": merged(GPU, CA, METRICS),
    "policies": merged(GPU, METRICS, POLICY),
    "webhooks": merged(GPU, {"networkPolicy": {"webhooks": True}}),
    "without policies": merged(GPU, {"networkPolicy": {"enabled": False}}),
    "without TLS": merged(GPU, METRICS, {"insecure": True, "tls": secret("")}),
}

REFUSED = {
    "no repository": ({}, "image.repository is needed"),
    "no database": (merged(BROKERS, {"broker": {"database": secret("")}}), "broker.database.secretName is"),
    "no admin": (merged(BROKERS, {"broker": {"adminToken": secret("")}}), "broker.adminToken.secretName is"),
    "no certificate": (merged(BROKERS, {"tls": secret("")}), "tls.secretName is needed"),
    "TLS and none": (merged(BROKERS, {"insecure": True}), "give one of them"),
    "no join tokens": (
        merged(BROKERS, {"agents": {"cpu": {}}}),
        "joinTokens.secretName is needed for agents.cpu",
    ),
    "no token for metrics": (merged(BROKERS, {"metrics": {"podMonitor": {"enabled": True}}}), "brokerToken"),
    "metrics in the clear": (
        merged(CPU, METRICS, {"agent": {"tls": secret("")}}),
        "agent.tls.secretName is needed for agents.cpu",
    ),
    "a misspelt value": (merged(BROKERS, {"broker": {"replica": 3}}), "replica"),
    "a secret in the clear": (merged(BROKERS, {"broker": {"database": {"url": "postgresql://"}}}), "url"),
    "a sandbox of another name": (merged(CPU, {"agents": {"cpu": {"sandbox": "on"}}}), "sandbox"),
}
