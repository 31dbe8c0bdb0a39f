"""The null backend: devices that need nothing and compute nothing.

Memory is host memory, so writes, reads, copies and fills are real; a launch checks its arguments and does
nothing; every command is complete when it returns. It stands in for a driver where only the path to it is
under test, and it is the shortest answer to "what must a backend do?".
"""

from __future__ import annotations

from accelpool_node.backends.null.commands import Commands
from accelpool_node.backends.null.devices import Devices
from accelpool_node.backends.null.events import Events
from accelpool_node.backends.null.images import Images
from accelpool_node.backends.null.memory import MemoryObjects
from accelpool_node.backends.null.programs import Programs
from accelpool_node.backends.null.rectangles import Rectangles
from accelpool_node.backends.null.svm import SharedVirtualMemory


class NullBackend(
    Devices, MemoryObjects, SharedVirtualMemory, Images, Programs, Commands, Rectangles, Events
):
    """Devices that compute nothing; see `base.Backend` for the methods.

    Args:
        count: How many devices there are.
    """

    name = "null"
