"""The simulated pool: so many like devices on so many nodes, each with a face for each API."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker.scheduler import OPENCL, DeviceView, Inventory, NodeView
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
        apis: What they show themselves to: with several each device has several faces, and is lent once.
    """

    devices: int = 8
    per_node: int = 8
    memory_bytes: int = 16 * GIB
    kind: str = "gpu"
    apis: tuple[str, ...] = (OPENCL,)

    def inventory(self) -> Inventory:
        """Return its nodes, which always answer, and the faces of its devices."""
        count = -(-self.devices // self.per_node)
        nodes = [NodeView(name=f"node{number:04}", lost_at=FOREVER) for number in range(count)]
        devices = [
            DeviceView(
                id=f"device{number:05}/{api}",
                name=f"device{number:05}",
                node=nodes[number // self.per_node].name,
                environment=api,
                kind=self.kind,
                api=api,
                hardware=f"device{number:05}",
                memory_bytes=self.memory_bytes,
            )
            for number in range(self.devices)
            for api in self.apis
        ]
        return Inventory(nodes, devices)
