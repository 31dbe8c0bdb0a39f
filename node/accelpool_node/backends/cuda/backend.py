"""The backend as a whole."""

from __future__ import annotations

from accelpool_node.backends.cuda.commands import Commands
from accelpool_node.backends.cuda.devices import Devices
from accelpool_node.backends.cuda.events import Events
from accelpool_node.backends.cuda.images import Images
from accelpool_node.backends.cuda.memory import MemoryObjects
from accelpool_node.backends.cuda.programs import Programs
from accelpool_node.backends.cuda.rectangles import Rectangles
from accelpool_node.backends.cuda.svm import SharedVirtualMemory


class CudaBackend(
    Devices, MemoryObjects, SharedVirtualMemory, Images, Programs, Commands, Rectangles, Events
):
    """CUDA devices of this process; see `base.Backend` for the methods."""

    name = "cuda"
