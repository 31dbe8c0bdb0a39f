"""What PyOpenCL has and a pool cannot honour: pipes, and images of OpenGL. It refuses, saying why.

A pipe exists for kernels that run at once and has no use without an order that only one driver can keep.
Fine-grained shared virtual memory is refused by `svm_memory`.
"""

from __future__ import annotations

from collections.abc import Sequence

from accelpool.context import Context
from accelpool.errors import LogicError
from accelpool.memory import MemoryObject
from accelpool_wire.codes import ErrorCode


class Pipe(MemoryObject):
    """Refuses: a pool has no pipes; `Device.pipe_support` is 0.

    Raises:
        LogicError: INVALID_OPERATION, always, as PyOpenCL on a device without pipes.
    """

    __slots__ = ()

    def __init__(
        self,
        context: Context,
        flags: int,
        packet_size: int,
        max_packets: int,
        properties: Sequence[int] = (),
    ) -> None:
        what = "a pool has no pipes: let one kernel write to a Buffer and the next one read it"
        raise LogicError("Pipe", ErrorCode.INVALID_OPERATION, what)


def have_gl() -> bool:
    """Return False: images of OpenGL are in the memory of another machine.

    As in a PyOpenCL without OpenGL, its names are not here.
    """
    return False
