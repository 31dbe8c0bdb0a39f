"""NDRanges: what may be launched, checked before anything is sent.

Source of the rules: OpenCL 3.0 API specification, clEnqueueNDRangeKernel.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accelpool.constants import device_info
from accelpool.device import Device
from accelpool.errors import LogicError
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

ENQUEUE = "clEnqueueNDRangeKernel"
NVIDIA = 0x10DE  # a vendor id; its driver runs larger work-groups than it tells of a kernel
Sizes = Sequence[int]


@dataclass(frozen=True, kw_only=True)
class NDRange:
    """A launch's sizes, checked: work-items per dimension, per work-group, and the first global ids."""

    global_size: list[int]
    local_size: list[int] | None
    offset: list[int] | None

    @property
    def is_empty(self) -> bool:
        """Whether there is no work-item in it."""
        return 0 in self.global_size


def checked(
    device: Device,
    group: m.WorkGroupInfo | None,
    global_size: Sizes,
    local_size: Sizes | None,
    offset: Sizes | None,
    g_times_l: bool,
) -> NDRange:
    """Return the NDRange of a launch.

    Args:
        device: What executes it.
        group: What the device says of the kernel, if that is known.
        global_size: Work-items per dimension; work-groups with `g_times_l`.
        local_size: Work-items per work-group and dimension; None lets the device choose.
        offset: The first global id per dimension; None for zeros.
        g_times_l: Whether `global_size` and `offset` count work-groups, to be multiplied by `local_size`.

    Raises:
        TypeError: A size is no sequence of ints.
        LogicError: INVALID_VALUE, INVALID_WORK_DIMENSION, INVALID_WORK_GROUP_SIZE, INVALID_WORK_ITEM_SIZE,
            INVALID_GLOBAL_WORK_SIZE or INVALID_GLOBAL_OFFSET: which rule it breaks.
    """
    whole = _ints("global_size", global_size, ErrorCode.INVALID_GLOBAL_WORK_SIZE)
    local = None if local_size is None else _ints("local_size", local_size, ErrorCode.INVALID_WORK_GROUP_SIZE)
    first = None if offset is None else _ints("global_offset", offset, ErrorCode.INVALID_GLOBAL_OFFSET)
    if g_times_l and local is not None:
        dimensions = max(len(whole), len(local))
        whole, local = _padded(whole, dimensions), _padded(local, dimensions)
        whole = [groups * items for groups, items in zip(whole, local, strict=True)]
        first = first and [groups * items for groups, items in zip(first, local, strict=False)]
    most = device._info.get(device_info.MAX_WORK_ITEM_DIMENSIONS) or 3
    if not 1 <= len(whole) <= most:
        raise LogicError(
            ENQUEUE, ErrorCode.INVALID_WORK_DIMENSION, f"{len(whole)} dimensions, not 1 to {most}"
        )
    if local is not None:
        _check_local(device, group, whole, local)
    if first is not None and len(first) != len(whole):
        raise _differing(f"global size {whole} and offset {first}")
    return NDRange(global_size=whole, local_size=local, offset=first)


def check_form(name: str, sizes: object) -> list[int]:
    """Return a parameter's sizes as ints.

    Raises:
        TypeError: It is no sequence of ints.
    """
    try:
        if isinstance(sizes, (Sequence, np.ndarray)):
            return [operator.index(size) for size in sizes]
    except TypeError:  # some size is no int
        pass
    example = f"({operator.index(sizes)},)" if isinstance(sizes, (int, np.integer)) else "(1000,)"
    raise TypeError(f"{name} is a tuple of 1 to 3 ints, such as {example}, not {sizes!r}")


def _ints(name: str, sizes: Sequence[int], code: int) -> list[int]:
    numbers = check_form(name, sizes)
    if any(number < 0 for number in numbers):
        raise LogicError(ENQUEUE, code, f"{name} {numbers} has negative numbers")
    return numbers


def _padded(sizes: list[int], dimensions: int) -> list[int]:
    return sizes + [1] * (dimensions - len(sizes))


def _check_local(device: Device, group: m.WorkGroupInfo | None, whole: list[int], local: list[int]) -> None:
    if len(local) != len(whole):
        raise _differing(f"global size {whole} and local size {local}")
    items, info = math.prod(local), device._info
    most = info.get(device_info.MAX_WORK_GROUP_SIZE) or items
    if group is not None and info.get(device_info.VENDOR_ID) != NVIDIA:
        most = group.work_group_size
    if not 0 < items <= most:
        raise _bad_group(f"a work-group of {items} work-items; 1 to {most} are possible here")
    limits = info.get(device_info.MAX_WORK_ITEM_SIZES) or local
    if any(size > limit for size, limit in zip(local, limits, strict=False)):
        what = f"local size {local} is beyond {list(limits)}"
        raise LogicError(ENQUEUE, ErrorCode.INVALID_WORK_ITEM_SIZE, what)
    if group is not None and any(group.compile_work_group_size):
        required = [*group.compile_work_group_size, 1, 1][: len(local)]
        if local != required:
            raise _bad_group(f"the kernel requires local size {required}, not {local}")
    # From OpenCL 2.0 on a device may take what does not divide; then it is the one to decide.
    takes_any = info.get(device_info.NON_UNIFORM_WORK_GROUP_SUPPORT, device._get_cl_version() >= (2, 0))
    if not takes_any and any(size % part for size, part in zip(whole, local, strict=True)):
        raise _bad_group(f"local size {local} does not divide global size {whole}")


def _bad_group(what: str) -> LogicError:
    return LogicError(ENQUEUE, ErrorCode.INVALID_WORK_GROUP_SIZE, what)


def _differing(what: str) -> LogicError:
    return LogicError("enqueue_nd_range_kernel", ErrorCode.INVALID_VALUE, f"{what} have differing dimensions")
