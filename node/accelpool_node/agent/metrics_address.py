"""Where an agent tells its metrics, and to whom. What tells them, metrics.py, is loaded only then."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

from accelpool_node.agent.addresses import read_address
from accelpool_wire.errors import Invalid
from accelpool_wire.tls import is_loopback


@dataclass(frozen=True, kw_only=True)
class MetricsAddress:
    """An address, and who may read there.

    Attributes:
        host: Where to listen.
        port: Likewise; 0 for any.
        token: What readers have to show; "" if they need nothing.
        is_secure: Whether they come over TLS, by the certificate that the agent was given.
    """

    host: str
    port: int
    token: str = field(repr=False)
    is_secure: bool


def read_metrics_address(options: argparse.Namespace, token: str) -> MetricsAddress | None:
    """Return where metrics are told, None for nowhere.

    Raises:
        Invalid: Others could read what passes, or strangers ask.
    """
    if not options.metrics:
        if options.metrics_token_file:
            raise Invalid("--metrics-token-file is for --metrics HOST:PORT, which is not given")
        return None
    host, port = read_address(options.metrics)
    is_open = options.insecure or is_loopback(host)
    if not is_open and options.tls_cert is None:
        raise Invalid(
            f"metrics would pass in the clear to {host}: give --tls-cert and --tls-key, "
            "which Prometheus can verify (`accelpool ca` makes them), or say --insecure"
        )
    if not is_open and not token:
        raise Invalid(
            f"whoever reaches {host} could read the metrics: give --metrics-token-file, or say --insecure"
        )
    return MetricsAddress(host=host, port=port, token=token, is_secure=options.tls_cert is not None)
