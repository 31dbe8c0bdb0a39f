"""The simulated pool: so many like devices on so many nodes."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.scheduler import DeviceView, Inventory, NodeView
from accelpool_broker.scheduler.views import FOREVER

GIB = 1 << 30
MAX_DEVICES = 10_000


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A pool of like devices.

    Args:
        devices: How many devices.
        per_node: How many of them a node has.
        memory_bytes: Each one's memory.
        kind: What they are.
    """

    devices: int = 8
    per_node: int = 8
    memory_bytes: int = 16 * GIB
    kind: str = "gpu"

    def inventory(self) -> Inventory:
        """Return its nodes, which always answer, and its devices."""
        count = -(-self.devices // self.per_node)
        nodes = [NodeView(name=f"node{number:04}", lost_at=FOREVER) for number in range(count)]
        devices = [
            DeviceView(
                id=f"device{number:05}",
                name=f"device{number:05}",
                node=nodes[number // self.per_node].name,
                environment="simulated",
                kind=self.kind,
                memory_bytes=self.memory_bytes,
            )
            for number in range(self.devices)
        ]
        return Inventory(nodes, devices)
