"""The device memory that a session holds, counted to the byte, with that of its lease's other sessions.

A buffer that is released while commands may still use it keeps its bytes until they are complete: only then
does the driver free it. Who needs those bytes waits for those commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.gates import Gate, closed
from accelpool_node.worker.objects import ContextObject, QueueObject, Share, driver_event
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for


@dataclass(frozen=True, kw_only=True)
class Retiring:
    """Bytes that are free once some events are complete, which may be behind a gate; `kept` lives so long."""

    context: ContextObject
    size: int
    events: list[Any]
    gate: Gate | None
    kept: Any

    @property
    def is_held(self) -> bool:
        """Whether a user event must be set first."""
        return self.gate is not None and not self.gate.is_open


class Ledger:
    """Who takes memory asks here, and says here when it is given back.

    Args:
        backend: Knows whether commands are complete.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._retiring: deque[Retiring] = deque()

    def check(self, context: ContextObject, size: int, routine: str) -> None:
        """Refuse what does not fit the share of each device of a context; wait for bytes on their way first.

        Raises:
            MemoryError: MEM_OBJECT_ALLOCATION_FAILURE.
        """
        for share in context.shares:
            missing = size - share.free_bytes
            if missing > 0 and missing <= sum(
                item.size for item in self._retiring if share in item.context.shares and not item.is_held
            ):
                self._reclaim(context, size)
            if size > share.free_bytes:
                raise _refused(share, size, routine)

    def take(self, context: ContextObject, size: int, routine: str) -> None:
        """Take bytes of each device of a context.

        Raises:
            MemoryError: MEM_OBJECT_ALLOCATION_FAILURE.
        """
        self.check(context, size, routine)
        for place, share in enumerate(context.shares):
            if not share.take(size):  # another session of the lease was faster
                for taken in context.shares[:place]:
                    taken.give(size)
                raise _refused(share, size, routine)

    def give(self, context: ContextObject, size: int) -> None:
        """Give bytes back that nothing uses."""
        for share in context.shares:
            share.give(size)

    def sweep(self) -> None:
        """Give back the bytes whose events are complete: other sessions of the lease may need them."""
        for item in [item for item in self._retiring if not item.is_held]:
            if all(self._is_over(event) for event in item.events):
                self._retiring.remove(item)
                self.give(item.context, item.size)

    def retire(
        self, context: ContextObject, size: int, queues: Sequence[QueueObject], kept: Any = None
    ) -> None:
        """Give bytes back once everything now in the queues is complete; keep an object that long."""
        events = [event for queue in queues for event in self._last_events(queue) if not self._is_over(event)]
        if events:
            gate = closed(queue.gate for queue in queues)
            self._retiring.append(Retiring(context=context, size=size, events=events, gate=gate, kept=kept))
        else:
            self.give(context, size)

    def is_idle(self, queue: QueueObject) -> bool:
        """Whether nothing of a queue is under way."""
        return all(self._is_over(event) for event in self._last_events(queue))

    def _reclaim(self, context: ContextObject, size: int) -> None:
        """Wait for retiring bytes, oldest first, until `size` bytes fit or only held ones are left."""
        for item in [item for item in self._retiring if not item.is_held]:
            if _fits(context, size):
                return
            self._retiring.remove(item)
            for event in item.events:
                self._backend.wait(event)
            self.give(item.context, item.size)

    def _last_events(self, queue: QueueObject) -> list[Any]:
        """Return events whose end means the end of all commands of a queue."""
        if queue.newest is None:
            return []
        if not queue.is_in_order:
            try:
                return [self._backend.enqueue_marker(queue.handle, None)]
            except Error:
                return []  # the queue takes nothing any more
        return [*(transfer.event for transfer in queue.loose), driver_event(queue.newest)]

    def _is_over(self, event: Any) -> bool:
        try:
            return self._backend.event_status(event) <= 0
        except Error:
            return True  # nobody will ever know more


def _fits(context: ContextObject, size: int) -> bool:
    return all(size <= share.free_bytes for share in context.shares)


def _refused(share: Share, size: int, routine: str) -> Error:
    what = f"{size} bytes; {share.free_bytes} of the share are free"
    return error_for(routine, ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, what)
