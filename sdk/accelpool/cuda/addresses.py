"""Which buffer an address is in.

Programs of CUDA compute with addresses; messages name buffers by handles. A context knows the buffers that it
has told the addresses of.
"""

from __future__ import annotations

import threading
from bisect import bisect_right, insort
from dataclasses import dataclass

from accelpool.cuda.errors import failed
from accelpool.memory import Buffer


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A buffer that has an address.

    Attributes:
        address: That of its first byte.
        buffer: The buffer.
    """

    address: int
    buffer: Buffer

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.buffer._size


class AddressMap:
    """The buffers of a context, by address; regions do not overlap."""

    __slots__ = ("_lock", "_regions", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._regions: dict[int, Region] = {}
        self._lock = threading.Lock()

    def add(self, region: Region) -> None:
        """Let a buffer be found."""
        with self._lock:
            if region.address not in self._regions:
                insort(self._starts, region.address)
            self._regions[region.address] = region

    def remove(self, address: int) -> None:
        """Forget a buffer by the address of its first byte."""
        with self._lock:
            if self._regions.pop(address, None) is not None:
                del self._starts[bisect_right(self._starts, address) - 1]

    def find(self, address: int, size: int, routine: str) -> tuple[Buffer, int]:
        """Return the buffer that has some bytes, and where they are in it.

        Args:
            address: Of the first one.
            size: How many.
            routine: Who asks, for the error.

        Raises:
            LogicError: CUDA_ERROR_INVALID_VALUE: no buffer has them, or none has all of them.
        """
        region = self.at(address)
        if region is None:
            raise failed(routine, "INVALID_VALUE", f"nothing of this context is at address {address:#x}")
        offset = address - region.address
        if offset + size > region.size:
            what = f"{size} bytes from {address:#x} are not in the {region.size} from {region.address:#x}"
            raise failed(routine, "INVALID_VALUE", what)
        return region.buffer, offset

    def at(self, address: int) -> Region | None:
        """Return the region that an address is in, None if it is in none."""
        with self._lock:
            place = bisect_right(self._starts, address) - 1
            region = self._regions[self._starts[place]] if place >= 0 else None
        if region is None or address >= region.address + region.size:
            return None
        return region
