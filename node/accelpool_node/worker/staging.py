"""Room in the node's memory for bytes on their way: so much for writes, as much for reads, and no more.

Who needs room waits for what may be waited for. What waits for a user event that is not set may not: only the
client, which is kept waiting meanwhile, could set it. Where that leaves no room a transfer is refused.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from accelpool_node.worker.completion import Completion
from accelpool_node.worker.gates import Gate
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

SMALL_BYTES = 64 * 1024  # reads below this need no room


@dataclass(eq=False, slots=True)
class Staged:
    """Bytes of a transfer that are in host memory, or will be.

    Attributes:
        size: How many.
        gate: What the transfer waits for.
        event: With whose end a write's bytes are written; None for a read's.
    """

    size: int
    gate: Gate | None
    event: Any = None

    @property
    def is_held(self) -> bool:
        """Whether a user event must be set first."""
        return self.gate is not None and not self.gate.is_open


class StagedWrites:
    """Bytes of writes that wait in host memory until they are written.

    Args:
        completion: Knows the state of events.
        limit: How many there may be.
    """

    def __init__(self, completion: Completion, limit: int) -> None:
        self._completion = completion
        self._limit = limit
        self._bytes = 0
        self._staged: deque[Staged] = deque()

    @property
    def left(self) -> int:
        """Bytes for which there is room at once."""
        return self._limit - self._bytes

    def may_have(self, size: int) -> bool:
        """Whether there is room for a write, once what may be waited for is written."""
        if size <= self.left:
            return True
        return size + sum(staged.size for staged in self._staged if staged.is_held) <= self._limit

    def check(self, size: int, routine: str) -> None:
        """Refuse a write for which there will be no room.

        Raises:
            RuntimeError: OUT_OF_RESOURCES.
        """
        if not self.may_have(size):
            raise refused(routine, size, self._limit)

    def make_room(self, size: int) -> None:
        """Drop what is written; wait for the oldest that may be waited for if too much is not."""
        self.drop_written()
        if size <= self.left:
            return
        for staged in [staged for staged in self._staged if not staged.is_held]:
            self._completion.wait(staged.event)
            self._staged.remove(staged)
            self._bytes -= staged.size
            if size <= self.left:
                return

    def note(self, size: int, event: Any, gate: Gate | None) -> None:
        """Note a command that writes bytes from where they are staged."""
        self._staged.append(Staged(size, gate, event))
        self._bytes += size

    def drop_written(self) -> None:
        """Let go of bytes that are written."""
        while self._staged and self._completion.status(self._staged[0].event) <= 0:
            self._bytes -= self._staged.popleft().size


class StagedReads:
    """Bytes of reads that wait in host memory until they are sent.

    Args:
        limit: How many there may be; small reads do not count.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._staged: set[Staged] = set()
        self._changed = threading.Condition()

    def take(self, size: int, gate: Gate | None, routine: str) -> Staged:
        """Return room for a read, to be given back; wait until earlier reads have left enough.

        Raises:
            RuntimeError: OUT_OF_RESOURCES: reads behind gates leave no room for it.
        """
        staged = Staged(size, gate)
        if size >= SMALL_BYTES:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._has_room(size) or all(read.is_held for read in self._staged)
                )
                if not self._has_room(size):
                    raise refused(routine, size, self._limit)
                self._staged.add(staged)
        return staged

    def give(self, staged: Staged) -> None:
        """Take back the room of a read that is sent, or never was enqueued."""
        if staged.size < SMALL_BYTES:
            return
        with self._changed:
            self._staged.discard(staged)
            self._changed.notify_all()

    def _has_room(self, size: int) -> bool:
        return sum(read.size for read in self._staged) + size <= self._limit


def refused(routine: str, size: int, limit: int) -> Error:
    """Return the error of a transfer that has no room because of user events that are not set."""
    what = f"{size} bytes; {limit} may wait in the node's memory for user events that are not set"
    return error_for(routine, ErrorCode.OUT_OF_RESOURCES, what)
