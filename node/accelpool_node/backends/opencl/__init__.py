"""The OpenCL backend, through PyOpenCL. The one package that imports it.

PyOpenCL's own layer above its core (program cache, operators, warnings) stays unused: a worker must do what
the client asked for and nothing else.
"""

from __future__ import annotations

from accelpool_node.backends.opencl.commands import Commands
from accelpool_node.backends.opencl.devices import Devices
from accelpool_node.backends.opencl.events import Events
from accelpool_node.backends.opencl.images import Images
from accelpool_node.backends.opencl.memory import MemoryObjects
from accelpool_node.backends.opencl.programs import Programs
from accelpool_node.backends.opencl.rectangles import Rectangles
from accelpool_node.backends.opencl.svm import SharedVirtualMemory


class OpenCLBackend(
    Devices, MemoryObjects, SharedVirtualMemory, Images, Programs, Commands, Rectangles, Events
):
    """OpenCL devices of this process's driver environment; see `base.Backend` for the methods."""

    name = "opencl"
