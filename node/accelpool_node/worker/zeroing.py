"""Memory that another tenant may have used is zeroed before a client can see it.

A CPU's memory is its process's, whose pages the kernel has zeroed. Of other devices no specification says
what a new buffer holds: there it is filled, and that is waited for. A fill makes the content the same for all
devices of a context.
"""

from __future__ import annotations

from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.objects import ContextObject
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

SHARED_KINDS = frozenset({"gpu", "accelerator"})
COLOR_BYTES = 16


class Zeroing:
    """Fills new memory with zeros where nobody else has.

    Args:
        backend: Where it lives.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def clear_buffer(self, context: ContextObject, buffer: Any, size: int, routine: str) -> None:
        """Have a new buffer hold zeros.

        Raises:
            Error: The driver refuses, or fails.
        """
        if not _is_shared(context):
            return
        queue = self._queue(context)
        self._finish(self._backend.enqueue_fill_buffer(queue, buffer, bytes(1), 0, size, None), routine)

    def clear_image(
        self, context: ContextObject, image: Any, extent: tuple[int, int, int], routine: str
    ) -> None:
        """Have a new image hold zeros.

        Raises:
            Error: The driver refuses, or fails.
        """
        if not _is_shared(context):
            return
        queue, color = self._queue(context), bytes(COLOR_BYTES)
        self._finish(self._backend.enqueue_fill_image(queue, image, color, (0, 0, 0), extent, None), routine)

    def _queue(self, context: ContextObject) -> Any:
        return self._backend.create_command_queue(context.handle, context.devices[0], 0)

    def _finish(self, event: Any, routine: str) -> None:
        status = self._backend.wait(event)
        if status < 0:
            what = f"new memory could not be zeroed: the driver failed with {status}"
            raise error_for(routine, ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, what)


def _is_shared(context: ContextObject) -> bool:
    """Whether a device's memory outlives processes."""
    return any(device.kind in SHARED_KINDS for device in context.devices)
