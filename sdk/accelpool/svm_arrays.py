"""NumPy arrays in shared virtual memory; kernels and copies take an `SVM` of one, or of a view of it."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from accelpool.constants import svm_mem_flags
from accelpool.context import Context
from accelpool.queue import CommandQueue
from accelpool.svm import SVMAllocation

Array = np.ndarray[Any, Any]
FINE = svm_mem_flags.READ_WRITE | svm_mem_flags.SVM_FINE_GRAIN_BUFFER


def svm_empty(
    ctx: Context,
    flags: int,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: Literal["C", "F"] = "C",
    alignment: int | None = None,
    queue: CommandQueue | None = None,
) -> Array:
    """Return an array in new shared virtual memory, zeroed here; its `base` is the `SVMAllocation`.

    Args:
        ctx: Where it is used.
        flags: Bits of `svm_mem_flags`.
        shape: As of `numpy.empty`, and so are:
        dtype: without Python objects,
        order: "C" or "F".
        alignment: What its address is a multiple of; None for the dtype's size.
        queue: As of `SVMAllocation`, which says what is raised.
    """
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise TypeError(f"svm_empty: a dtype with Python objects has no bytes for a device: {dtype}")
    sizes = _sizes(shape)
    if order not in tuple("cCfF"):
        raise ValueError(f"order not recognized: {order}")
    aligned = dtype.itemsize if alignment is None else alignment
    made = SVMAllocation(ctx, math.prod(sizes) * dtype.itemsize, aligned, flags, queue)
    return made._array(sizes, dtype, order.upper())


def _sizes(shape: Any) -> tuple[int, ...]:
    if isinstance(shape, (int, np.integer)):
        return (int(shape),)
    try:
        return tuple(int(size) for size in shape)
    except TypeError as error:
        raise TypeError("shape must either be iterable or castable to an integer") from error


def svm_empty_like(ctx: Context, flags: int, ary: Array, alignment: int | None = None) -> Array:
    """Return an array like another one in new shared virtual memory; as `svm_empty`.

    Raises:
        ValueError: The other one is not contiguous.
    """
    order: Literal["C", "F"]
    if ary.flags.c_contiguous:
        order = "C"
    elif ary.flags.f_contiguous:
        order = "F"
    else:
        raise ValueError("array is neither C- nor Fortran-contiguous")
    return svm_empty(ctx, flags, ary.shape, ary.dtype, order, alignment)


def csvm_empty(
    ctx: Context,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: Literal["C", "F"] = "C",
    alignment: int | None = None,
    queue: CommandQueue | None = None,
) -> Array:
    """Return an array in new coarse-grained memory; as `svm_empty`."""
    return svm_empty(ctx, svm_mem_flags.READ_WRITE, shape, dtype, order, alignment, queue)


def csvm_empty_like(ctx: Context, ary: Array, alignment: int | None = None) -> Array:
    """Return an array like another one in new coarse-grained memory; as `svm_empty_like`."""
    return svm_empty_like(ctx, svm_mem_flags.READ_WRITE, ary, alignment)


def fsvm_empty(
    ctx: Context,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: Literal["C", "F"] = "C",
    alignment: int | None = None,
    queue: CommandQueue | None = None,
) -> Array:
    """Refuse: a pool has no fine-grained memory; `csvm_empty` has coarse-grained.

    Raises:
        LogicError: INVALID_OPERATION, with the reason.
    """
    return svm_empty(ctx, FINE, shape, dtype, order, alignment, queue)


def fsvm_empty_like(ctx: Context, ary: Array, alignment: int | None = None) -> Array:
    """Refuse: a pool has no fine-grained memory; `csvm_empty_like` has coarse-grained.

    Raises:
        LogicError: INVALID_OPERATION, with the reason.
    """
    return svm_empty_like(ctx, FINE, ary, alignment)
