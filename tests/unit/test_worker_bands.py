"""Bands of a region: all of it, once, in the payload's order, none larger than there is room for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_node.worker.bands import Band, Bulk


def bulk(region: Sequence[int], unit_bytes: int = 1, origin: Sequence[int] = (0, 0, 0)) -> Bulk:
    def enqueue(view: memoryview, band: Band, wait_for: Sequence[Any] | None) -> Any:
        raise AssertionError("nothing is enqueued here")

    return Bulk(origin, region, unit_bytes, math.prod(region) * unit_bytes, enqueue)


def units(origin: Sequence[int], region: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the places of a region's units as they follow each other."""
    axes = [range(first, first + count) for first, count in zip(origin, region, strict=True)]
    return [place[::-1] for place in itertools.product(*reversed(axes))]


SIZES = st.tuples(st.integers(1, 7), st.integers(1, 6), st.integers(1, 5))


@given(region=SIZES, origin=SIZES, unit_bytes=st.integers(1, 16), limit=st.integers(0, 400))
def test_bands_make_up_the_region_in_order(
    region: Sequence[int], origin: Sequence[int], unit_bytes: int, limit: int
) -> None:
    whole = bulk(region, unit_bytes, origin)
    bands = list(whole.bands(limit))
    places = [place for band in bands for place in units(band.origin, band.region)]
    assert places == units(origin, region)
    assert sum(band.size for band in bands) == whole.size
    assert all(band.size <= max(limit, unit_bytes) for band in bands)


@pytest.mark.parametrize(
    ("region", "limit", "expected"),
    [((4, 3, 5), 60, [(4, 3, 5)]), ((4, 3, 5), 24, [(4, 3, 2), (4, 3, 2), (4, 3, 1)]),
     ((4, 3, 1), 8, [(4, 2, 1), (4, 1, 1)]), ((4, 1, 1), 3, [(3, 1, 1), (1, 1, 1)]),
     ((4, 1, 4), 8, [(4, 1, 2), (4, 1, 2)])],
)  # fmt: skip
def test_bands_are_as_large_as_they_may_be(
    region: Sequence[int], limit: int, expected: list[Sequence[int]]
) -> None:
    assert [band.region for band in bulk(region).bands(limit)] == expected
