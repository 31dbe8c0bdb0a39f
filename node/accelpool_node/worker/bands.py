"""Regions in bands: parts that follow each other in the payload, each small enough for the node's memory.

A band is as many whole slices as there is room for; or rows of one slice; or a piece of one row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple


class Band(NamedTuple):
    """A part of a region.

    Attributes:
        origin: Where it begins, in what the region lies in.
        region: How much it has along each axis.
        size: Its bytes.
    """

    origin: Sequence[int]
    region: Sequence[int]
    size: int


class Bulk(NamedTuple):
    """A region whose bytes travel without gaps, and how a command for a part of it is enqueued.

    Attributes:
        origin: Where the region begins.
        region: How much it has along each axis.
        unit_bytes: Bytes of one unit of the first axis.
        size: Bytes of the region.
        enqueue: Called with a band's bytes in host memory, the band and a wait list; returns the event.
    """

    origin: Sequence[int]
    region: Sequence[int]
    unit_bytes: int
    size: int
    enqueue: Callable[[memoryview, Band, Sequence[Any] | None], Any]

    def whole(self) -> Band:
        """Return the whole region as one band."""
        return Band(self.origin, self.region, self.size)

    def bands(self, limit: int) -> Iterator[Band]:
        """Yield the region in bands of `limit` bytes at most, in the payload's order; a unit is never cut."""
        if self.size <= limit:
            yield self.whole()
            return
        width, height, depth = self.region
        units = max(limit // self.unit_bytes, 1)
        rows, slices = max(units // width, 1), max(units // (width * height), 1)
        if rows < height:
            slices = 1
        steps = [(x, min(units, width - x)) for x in range(0, width, units)]
        for z, y in itertools.product(range(0, depth, slices), range(0, height, rows)):
            for x, count in steps:
                first = self.origin[0] + x, self.origin[1] + y, self.origin[2] + z
                region = count, min(rows, height - y), min(slices, depth - z)
                yield Band(first, region, math.prod(region) * self.unit_bytes)
