"""A backend's part of devices, contexts and command queues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelpool_node.backends.base.types import BackendDevice, Context, Queue


class Devices(Protocol):
    """Of a backend: devices, contexts and command queues."""

    def devices(self) -> list[BackendDevice]:
        """Return what the driver has, in a stable order."""
        ...

    def probe(self, device: BackendDevice) -> str:
        """Build and run a small kernel on a device; return what went wrong, or ""."""
        ...

    def create_context(self, devices: Sequence[BackendDevice]) -> Context:
        """Return a context over devices of one platform."""
        ...

    def create_sub_devices(self, device: BackendDevice, properties: Sequence[int]) -> list[BackendDevice]:
        """Part a device; `properties` are OpenCL's without the last 0."""
        ...

    def device_and_host_timer(self, device: BackendDevice) -> tuple[int, int]:
        """Return the device's and the host's clock at the same moment, in ns."""
        ...

    def create_command_queue(
        self, context: Context, device: BackendDevice, properties: int, size: int = 0
    ) -> Queue:
        """Return a command queue; `properties` is OpenCL's bit field, `size` an on-device queue's bytes."""
        ...

    def set_default_device_command_queue(self, context: Context, device: BackendDevice, queue: Queue) -> None:
        """Make an on-device queue its device's default."""
        ...

    def lost(self) -> str:
        """Return after what nothing more can be done with a device in this process, "" if all is well."""
        ...
