"""Where sessions under a lease are opened: one endpoint per node and driver environment."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.models import Lease, LeaseState, Share
from accelpool_broker.services.access import Access


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A node's address, and the lease token that opens sessions there."""

    node: str
    environment: str
    host: str
    port: int
    token: str


def endpoints(lease: Lease, access: Access) -> list[Endpoint]:
    """Return the endpoints of a lease; none unless it is active."""
    if lease.state != LeaseState.ACTIVE:
        return []
    groups: dict[tuple[str, str], list[Share]] = {}
    for share in lease.shares:
        groups.setdefault((share.device.node_name, share.device.environment), []).append(share)
    return [
        Endpoint(
            node=name,
            environment=environment,
            host=shares[0].device.node.host,
            port=shares[0].device.node.port,
            token=access.lease_token(lease, name, shares),
        )
        for (name, environment), shares in groups.items()
    ]
