"""Pinned host memory: the driver copies from and to it while everybody else goes on.

From other memory it copies too, but whoever asks for that may have to wait for all that is under way. Blocks
are kept for the next copy: to pin memory takes longer than to copy it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

SMALLEST_BYTES = 4 << 10
DOUBLED_UP_TO_BYTES = 32 << 20
STEP_BYTES = 2 << 20
KEPT_BYTES = 512 << 20


class PinnedPool:
    """Blocks of pinned memory, as arrays of bytes.

    Args:
        allocate: Returns a new array of so many bytes of pinned memory.
        leave: Takes an array that is not needed any more.
    """

    def __init__(self, allocate: Callable[[int], Any], leave: Callable[[Any], None]) -> None:
        self._allocate = allocate
        self._leave = leave
        self._free: dict[int, list[Any]] = defaultdict(list)
        self._kept_bytes = 0
        self._changing = threading.Lock()

    def take(self, size: int) -> Any:
        """Return a block of at least so many bytes."""
        rounded = rounded_up(size)
        with self._changing:
            if self._free[rounded]:
                self._kept_bytes -= rounded
                return self._free[rounded].pop()
        return self._allocate(rounded)

    def give(self, block: Any) -> None:
        """Take a block back that no copy needs any more."""
        size = int(block.nbytes)
        with self._changing:
            if self._kept_bytes + size <= KEPT_BYTES:
                self._kept_bytes += size
                self._free[size].append(block)
                return
        self._leave(block)


def rounded_up(size: int) -> int:
    """Return the size of the blocks for so many bytes: few sizes, so that they are of use again."""
    if size > DOUBLED_UP_TO_BYTES:
        return -(-size // STEP_BYTES) * STEP_BYTES
    return max(SMALLEST_BYTES, 1 << (size - 1).bit_length())
