"""Rectangles in buffers, as both ends see them: up to three axes, the first in bytes.

    byte of (x, y, z) = (origin[0] + x) + (origin[1] + y) * row_pitch + (origin[2] + z) * slice_pitch

Source: OpenCL 3.0 API specification, clEnqueueCopyBufferRect, and its appendix on overlapping copies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

AXES = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Rectangle:
    """Bytes of a buffer or of host memory; made by `rectangle`, which checks them.

    Attributes:
        origin: Where it begins.
        region: Bytes, rows and slices.
        row_pitch: Bytes from a row to the next.
        slice_pitch: Bytes from a slice to the next.
    """

    origin: tuple[int, int, int]
    region: tuple[int, int, int]
    row_pitch: int
    slice_pitch: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return math.prod(self.region)

    @property
    def start(self) -> int:
        """Where its first byte is."""
        return self.origin[0] + self.origin[1] * self.row_pitch + self.origin[2] * self.slice_pitch

    @property
    def span(self) -> int:
        """Bytes from its first to its last, gaps included."""
        width, height, depth = self.region
        return width + (height - 1) * self.row_pitch + (depth - 1) * self.slice_pitch

    @property
    def is_dense(self) -> bool:
        """Whether there are no gaps."""
        return self.span == self.size

    def check_within(self, size: int, routine: str) -> None:
        """Refuse bytes beyond the end of a memory of `size` bytes.

        Raises:
            LogicError: INVALID_VALUE.
        """
        if self.start + self.span > size:
            what = f"a rectangle that ends at byte {self.start + self.span} of {size} bytes"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)


def rectangle(
    origin: Sequence[int], region: Sequence[int], row_pitch: int, slice_pitch: int, routine: str
) -> Rectangle:
    """Return a rectangle; a pitch of 0 means without gaps.

    Raises:
        LogicError: INVALID_VALUE: an empty region, something negative, or pitches that fold it onto itself.
    """
    if len(origin) != AXES or len(region) != AXES or min(origin) < 0 or min(region) < 1:
        what = f"a region of {list(region)} from {list(origin)}"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)
    rows = row_pitch or region[0]
    slices = slice_pitch or region[1] * rows
    if rows < region[0] or slices < region[1] * rows:
        what = f"pitches of {row_pitch} and {slice_pitch} bytes for a region of {list(region)}"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)
    x, y, z = origin
    width, height, depth = region
    return Rectangle(origin=(x, y, z), region=(width, height, depth), row_pitch=rows, slice_pitch=slices)


def check_overlap(source: Rectangle, target: Rectangle, routine: str) -> None:
    """Refuse a copy within one buffer between rectangles of the same region that share bytes.

    Raises:
        LogicError: INVALID_VALUE: their pitches differ, and they are not apart as a whole.
        RuntimeError: MEM_COPY_OVERLAP.
    """
    low, high = sorted((source, target), key=lambda part: part.start)
    if low.start + low.span <= high.start:
        return
    what = f"{list(source.region)} from {list(source.origin)} to {list(target.origin)} of the same buffer"
    if (source.row_pitch, source.slice_pitch) != (target.row_pitch, target.slice_pitch):
        raise error_for(routine, ErrorCode.INVALID_VALUE, f"{what}, with different pitches")
    width, height, depth = source.region
    rows, slices = source.row_pitch, source.slice_pitch
    distance = high.start - low.start
    are_rows_aligned = depth == 1 or slices % rows == 0
    if are_rows_aligned and _side_by_side(distance, width, rows):
        return
    if not _side_by_side(distance, width + (height - 1) * rows, slices):
        raise error_for(routine, ErrorCode.MEM_COPY_OVERLAP, f"{what} overlap")


def _side_by_side(distance: int, size: int, pitch: int) -> bool:
    """Whether parts of a size, repeated at the same pitch, never meet: each lies in the other's gaps."""
    return distance % pitch >= size and pitch - distance % pitch >= size
