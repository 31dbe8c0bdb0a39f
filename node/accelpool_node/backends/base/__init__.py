"""The backend: one interface in OpenCL's words, implemented by `opencl` and `null`, part by part.

Objects are the backend's own, opaque to callers; a `None` wait list means none. Every failure is raised as
`accelpool_wire.errors.Error` with OpenCL's code, whatever the driver calls it. Methods stand in the same
order in every implementation.

Source of the meanings: OpenCL 3.0 API specification, the function of the same name.
"""

from __future__ import annotations

from typing import Protocol

from accelpool_node.backends.base.commands import Commands
from accelpool_node.backends.base.devices import Devices
from accelpool_node.backends.base.events import Events
from accelpool_node.backends.base.images import Images
from accelpool_node.backends.base.memory import MemoryObjects
from accelpool_node.backends.base.programs import Programs
from accelpool_node.backends.base.rectangles import Rectangles
from accelpool_node.backends.base.svm import SharedMemory, SharedVirtualMemory
from accelpool_node.backends.base.types import BackendDevice, Bytes, LocalSize


class Backend(
    Devices, MemoryObjects, SharedVirtualMemory, Images, Programs, Commands, Rectangles, Events, Protocol
):
    """A driver API behind OpenCL's words."""

    name: str


__all__ = ["Backend", "BackendDevice", "Bytes", "LocalSize", "SharedMemory"]
