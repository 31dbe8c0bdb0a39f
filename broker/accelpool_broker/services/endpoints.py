"""Where sessions under a lease are opened: one endpoint per node and driver environment.

The first endpoint is that of the lease's first device. Each endpoint's token names the addresses of the
others, so that a node lets a session send buffers there and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.models import Lease, LeaseState, Node, Share
from accelpool_broker.services.access import Access
from accelpool_wire.lease_token import peer_text


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A node's address, by which certificate it is told, and the lease token that opens sessions there."""

    node: str
    environment: str
    host: str
    port: int
    certificate_sha256: str
    token: str


def endpoints(lease: Lease, access: Access) -> list[Endpoint]:
    """Return the endpoints of a lease; none unless it is active."""
    if lease.state != LeaseState.ACTIVE:
        return []
    groups: dict[tuple[str, str], list[Share]] = {}
    for share in lease.shares:
        groups.setdefault((share.device.node_name, share.device.environment), []).append(share)
    addresses = {key: address(shares[0].device.node) for key, shares in groups.items()}
    return [
        Endpoint(
            node=key[0],
            environment=key[1],
            host=shares[0].device.node.host,
            port=shares[0].device.node.port,
            certificate_sha256=shares[0].device.node.certificate_sha256,
            token=access.lease_token(
                lease, key[0], shares, dict.fromkeys(addresses[other] for other in groups if other != key)
            ),
        )
        for key, shares in groups.items()
    ]


def address(node: Node) -> str:
    """Return a node's data plane address as lease tokens have it."""
    return peer_text(node.host, node.port, node.certificate_sha256)
