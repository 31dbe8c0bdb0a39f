"""What a launch's sizes are in CUDA's words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accelpool_node.backends.cuda.launching import check_launch, lacks_shared, sizes_of
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import LogicError

INFO = {0x20000 + number: most for number, most in enumerate((1024, 1024, 64, 1 << 31, 65535, 65535), 2)}
sizes = st.lists(st.integers(1, 5000), min_size=1, max_size=3)


@pytest.mark.parametrize(("whole", "local", "grid", "block"), [
    ([64], [32], (2, 1, 1), (32, 1, 1)),
    ([6, 4], [3, 2], (2, 2, 1), (3, 2, 1)),
    ([8, 4, 2], [8, 4, 2], (1, 1, 1), (8, 4, 2)),
    ([512], None, (2, 1, 1), (256, 1, 1)),
    ([7], None, (1, 1, 1), (7, 1, 1)),
])  # fmt: skip
def test_a_global_size_is_a_grid_of_blocks(whole, local, grid, block) -> None:
    assert sizes_of(whole, local, None, 1024) == (grid, block)


@given(sizes, st.integers(1, 1024))
def test_a_chosen_block_fills_the_global_size_and_is_possible(whole: list[int], most: int) -> None:
    grid, block = sizes_of(whole, None, [0] * len(whole), most)
    assert [a * b for a, b in zip(grid, block, strict=True)] == [*whole, 1, 1][:3]
    assert math.prod(block) <= most


@pytest.mark.parametrize(("whole", "local", "offset", "code"), [
    ([5], [2], None, ErrorCode.INVALID_WORK_GROUP_SIZE),
    ([4], [0], None, ErrorCode.INVALID_WORK_GROUP_SIZE),
    ([-4], None, None, ErrorCode.INVALID_GLOBAL_WORK_SIZE),
    ([4], [2], [1], ErrorCode.INVALID_GLOBAL_OFFSET),
])  # fmt: skip
def test_sizes_that_cuda_does_not_have_are_refused(whole, local, offset, code) -> None:
    with pytest.raises(LogicError) as caught:
        sizes_of(whole, local, offset, 1024)
    assert (caught.value.routine, caught.value.code) == ("clEnqueueNDRangeKernel", code)


@pytest.mark.parametrize(("grid", "block", "code"), [
    ((1, 1, 1), (1025, 1, 1), ErrorCode.INVALID_WORK_GROUP_SIZE),
    ((1, 1, 1), (1, 1, 65), ErrorCode.INVALID_WORK_ITEM_SIZE),
    ((1, 65536, 1), (1, 1, 1), ErrorCode.INVALID_GLOBAL_WORK_SIZE),
])  # fmt: skip
def test_sizes_that_a_device_does_not_have_are_refused(grid, block, code) -> None:
    with pytest.raises(LogicError) as caught:
        check_launch(grid, block, 1024, INFO)
    assert caught.value.code == code


@pytest.mark.parametrize(("own", "dynamic", "allowed", "expected"), [
    (0, 48 << 10, 0, False),
    (1, 48 << 10, 0, True),
    (0, (48 << 10) + 1, 0, True),
    (0, 60_000, 60_000, False),
    (0, 60_001, 60_000, True),
    (40_000, 20_000, 30_000, False),
])  # fmt: skip
def test_the_driver_is_told_of_more_shared_memory_than_it_allows(own, dynamic, allowed, expected) -> None:
    assert lacks_shared(own, dynamic, allowed) is expected
