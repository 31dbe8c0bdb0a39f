"""Host memory as flat bytes, without copying it; and rectangles of it, gathered and scattered."""

from __future__ import annotations

import reprlib
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from accelpool_wire.rectangles import Rectangle

_offering = threading.Lock()
NATIVE_FORMATS = frozenset("?bBcdefhHiIlLnNqQ")


def flat_bytes(obj: Any, *, writable: bool = False) -> memoryview:
    """Return an object's memory as one row of bytes; in Fortran order where that is its own.

    Args:
        obj: Anything with the buffer protocol: an array, a NumPy scalar, bytes.
        writable: Whether the bytes are to be written to.

    Raises:
        TypeError: The object has no buffer.
        ValueError: Its memory is not contiguous.
        BufferError: It is to be written to and cannot be.
    """
    try:
        view = memoryview(obj)
    except TypeError:
        what = "an object with the buffer protocol, such as a NumPy array or bytes"
        raise TypeError(f"host memory is {what}, not {reprlib.repr(obj)}") from None
    if writable and view.readonly:
        raise BufferError(f"the {type(obj).__name__} to copy into is read-only")
    if not view.contiguous:
        raise ValueError(f"the {type(obj).__name__} of shape {view.shape} is not contiguous: copy it first")
    if view.nbytes == 0:
        return memoryview(b"") if view.readonly else memoryview(bytearray())
    if view.c_contiguous and view.format in NATIVE_FORMATS:
        return view.cast("B")
    if "O" in view.format:
        raise TypeError("an array of Python objects has no bytes that a device could use")
    array = np.asarray(obj).reshape(-1, order="A").view(np.uint8)
    return array.data


def packed(content: memoryview, where: Rectangle) -> memoryview:
    """Return the bytes of a rectangle of host memory without gaps; copied only if there are some."""
    if where.is_dense:
        return content[where.start : where.start + where.size]
    return np.ascontiguousarray(_strided(content, where)).reshape(-1).data


def unpack(dense: memoryview, content: memoryview, where: Rectangle) -> None:
    """Write bytes without gaps to a rectangle of host memory."""
    _strided(content, where)[...] = np.frombuffer(dense, np.uint8).reshape(where.region[::-1])


def _strided(content: memoryview, where: Rectangle) -> npt.NDArray[np.uint8]:
    """Return a rectangle of host memory, which lies within, as an array of slices, rows and bytes."""
    flat = np.frombuffer(content, np.uint8)[where.start :]
    strides = (where.slice_pitch, where.row_pitch, 1)
    return np.lib.stride_tricks.as_strided(flat, where.region[::-1], strides)


def array_over(
    owner: Any,
    memory: np.ndarray[Any, Any],
    shape: int | tuple[int, ...],
    dtype: np.dtype[Any],
    order: Any = "C",
    strides: tuple[int, ...] | None = None,
    *,
    writable: bool = True,
) -> np.ndarray[Any, Any]:
    """Return an array over memory, whose `base` is the object that the memory belongs to.

    NumPy makes an array's base only of what offers it the array interface: for the moment, the owner does.

    Args:
        owner: Keeps the memory alive; its attribute `__array_interface__` is free for this.
        memory: The bytes, uint8.
        shape: As of `numpy.ndarray`, and so are:
        dtype: without Python objects,
        order: "C" or "F",
        strides: within the memory.
        writable: Whether the array may be written to.

    Raises:
        TypeError: The memory has no room for such an array.
        ValueError: It has none for these strides.
    """
    laid_out: np.ndarray[Any, Any] = np.ndarray(shape, dtype, memory, strides=strides, order=order)
    with _offering:
        owner.__array_interface__ = {
            "shape": laid_out.shape,
            "strides": laid_out.strides,
            "typestr": dtype.str,
            "descr": dtype.descr,
            "data": (laid_out.ctypes.data, not writable),
            "version": 3,
        }
        try:
            array: np.ndarray[Any, Any] = np.asarray(owner)  # no view of it: its base would be an array
        finally:
            del owner.__array_interface__
    if array.dtype != dtype:
        array.dtype = dtype  # type: ignore[misc]  # the interface has no padding, but a field in its place
    return array
