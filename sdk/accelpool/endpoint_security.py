"""What is said to a broker over TLS is not said to a node in the clear."""

from __future__ import annotations

from accelpool.errors import InsecureEndpoint
from accelpool.records import LeaseRecord
from accelpool_wire.tls import is_loopback


def check_endpoints(record: LeaseRecord, url: str) -> None:
    """Refuse endpoints without TLS of a broker with TLS, but for those on this machine.

    Args:
        record: The lease, with its endpoints.
        url: The broker's URL.

    Raises:
        InsecureEndpoint: There is one.
    """
    if not url.lower().startswith("https://"):
        return
    for endpoint in record.endpoints:
        if not endpoint.certificate_sha256 and not is_loopback(endpoint.host):
            raise InsecureEndpoint(
                f"node {endpoint.node} does no TLS: the lease token, and all that follows, would pass in the "
                f"clear to {endpoint.host}, though the broker is asked over TLS; have its agent do TLS, or, "
                "within a network that you trust, set ACCELPOOL_INSECURE=1"
            )
