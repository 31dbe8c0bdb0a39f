"""What a launch's sizes are in CUDA's words, and whether a device has them. No calls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for
from accelpool_wire.messages import InfoValue

ROUTINE = "clEnqueueNDRangeKernel"
ATTRIBUTE = 0x20000
MAX_BLOCK, MAX_GRID = ATTRIBUTE + 2, ATTRIBUTE + 5  # CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X, ..._GRID_DIM_X
PLAIN_SHARED_BYTES = 48 << 10  # a launch may have that; more has to be asked for
FIRST_CHOICE = 256  # threads of a block, where the client leaves the choice to the device
Sizes = tuple[int, int, int]


def sizes_of(
    global_size: Sequence[int],
    local_size: Sequence[int] | None,
    offset: Sequence[int] | None,
    most_threads: int,
) -> tuple[Sizes, Sizes]:
    """Return the grid and the block of a launch.

    Args:
        global_size: Work-items per dimension, 1 to 3 numbers, none of them 0.
        local_size: Work-items per work-group; None to choose.
        offset: CUDA's threads have none.
        most_threads: Threads that a block of the kernel may have.

    Raises:
        LogicError: INVALID_GLOBAL_WORK_SIZE, INVALID_WORK_GROUP_SIZE or INVALID_GLOBAL_OFFSET.
    """
    if min(global_size) < 0:
        raise error_for(ROUTINE, ErrorCode.INVALID_GLOBAL_WORK_SIZE, f"{list(global_size)}")
    if offset and any(offset):
        what = f"CUDA's threads are counted from 0, not from {list(offset)}"
        raise error_for(ROUTINE, ErrorCode.INVALID_GLOBAL_OFFSET, what)
    block = list(local_size) if local_size else _chosen(global_size, most_threads)
    if any(part < 1 or whole % part for whole, part in zip(global_size, block, strict=True)):
        what = f"blocks of {block} do not fill {list(global_size)}"
        raise error_for(ROUTINE, ErrorCode.INVALID_WORK_GROUP_SIZE, what)
    grid = [whole // part for whole, part in zip(global_size, block, strict=True)]
    return _three(grid), _three(block)


def lacks_shared(own: int, dynamic: int, allowed: int) -> bool:
    """Whether the driver has to be told before a launch how much dynamic shared memory it has.

    Args:
        own: Bytes that the kernel has itself.
        dynamic: Bytes that the launch adds.
        allowed: How many launches of the kernel may add, as the driver was told last; 0 if it was not.
    """
    return own + dynamic > PLAIN_SHARED_BYTES and dynamic > allowed


def check_launch(grid: Sizes, block: Sizes, most_threads: int, info: Mapping[int, InfoValue]) -> None:
    """Refuse sizes that a device does not have.

    Raises:
        LogicError: INVALID_WORK_GROUP_SIZE, INVALID_WORK_ITEM_SIZE or INVALID_GLOBAL_WORK_SIZE.
    """
    if math.prod(block) > most_threads:
        what = f"blocks of {math.prod(block)} threads; {most_threads} are possible"
        raise error_for(ROUTINE, ErrorCode.INVALID_WORK_GROUP_SIZE, what)
    for sizes, first, code in (
        (block, MAX_BLOCK, ErrorCode.INVALID_WORK_ITEM_SIZE),
        (grid, MAX_GRID, ErrorCode.INVALID_GLOBAL_WORK_SIZE),
    ):
        limits = [info.get(first + axis) for axis in range(3)]
        if any(isinstance(most, int) and size > most for size, most in zip(sizes, limits, strict=True)):
            raise error_for(ROUTINE, code, f"{list(sizes)}; up to {limits} are possible")


def _chosen(global_size: Sequence[int], most_threads: int) -> list[int]:
    """Return a block that fills a global size: as many threads as may be, up to a good number."""
    left, block = min(FIRST_CHOICE, most_threads), []
    for whole in global_size:
        part = next(part for part in range(min(left, whole), 0, -1) if whole % part == 0)
        block.append(part)
        left //= part
    return block


def _three(sizes: Sequence[int]) -> Sizes:
    x, y, z = (*sizes, 1, 1)[:3]
    return x, y, z
