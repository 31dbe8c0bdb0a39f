"""Which of a session's shared virtual memory an address is in."""

from __future__ import annotations

import bisect
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelpool.svm_memory import SharedMemory


class SharedMemories:
    """A session's allocations that something refers to, found by any address in them."""

    def __init__(self) -> None:
        self._by_start: weakref.WeakValueDictionary[int, SharedMemory] = weakref.WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._by_start)

    def add(self, memory: SharedMemory) -> None:
        """Have it found from now on."""
        self._by_start[memory.address] = memory

    def find(self, address: int, size: int) -> SharedMemory | None:
        """Return the allocation in which so many bytes from an address lie."""
        memory = self._by_start.get(address)
        if memory is None:
            starts = sorted(self._by_start.keys())
            place = bisect.bisect_right(starts, address) - 1
            memory = self._by_start.get(starts[place]) if place >= 0 else None
        if memory is None or address + max(size, 1) > memory.address + memory.buffer._size:
            return None
        return memory
