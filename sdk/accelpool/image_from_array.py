"""Images from NumPy arrays."""

from __future__ import annotations

import sys
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from accelpool.constants import channel_order, channel_type, mem_flags
from accelpool.context import Context
from accelpool.errors import RuntimeError
from accelpool.image import Image, create_image
from accelpool.image_format import ImageFormat
from accelpool_wire.codes import ErrorCode

PLAIN = {
    "f4": channel_type.FLOAT,
    "f2": channel_type.HALF_FLOAT,
    "i1": channel_type.SIGNED_INT8,
    "i2": channel_type.SIGNED_INT16,
    "i4": channel_type.SIGNED_INT32,
    "u1": channel_type.UNSIGNED_INT8,
    "u2": channel_type.UNSIGNED_INT16,
    "u4": channel_type.UNSIGNED_INT32,
}
NORMALIZED = {
    "i1": channel_type.SNORM_INT8,
    "i2": channel_type.SNORM_INT16,
    "u1": channel_type.UNORM_INT8,
    "u2": channel_type.UNORM_INT16,
}
ORDERS = {1: channel_order.R, 2: channel_order.RG, 3: channel_order.RGB, 4: channel_order.RGBA}
ACCESS = {"r": mem_flags.READ_ONLY, "w": mem_flags.WRITE_ONLY}


def image_from_array(
    ctx: Context,
    ary: npt.NDArray[Any],
    num_channels: int | None = None,
    mode: Literal["r", "w"] = "r",
    norm_int: bool = False,
) -> Image:
    """Return an image that holds an array; its width is the length of the array's last axis of pixels.

    Args:
        ctx: Where it is used.
        ary: C order; float16, float32, or integers of 8, 16 or 32 bits.
        num_channels: The length of the last axis, if that counts channels; 1 for an array of single channels;
            None: 1, or the length of the array's vector type.
        mode: Whether kernels read ("r") or write ("w") the image.
        norm_int: Whether integers stand for numbers from 0 or -1 to 1.

    Raises:
        ValueError: The array is not in C order, or there is no such mode.
        RuntimeError: The last axis has another length.
        KeyError: No channel has the array's type, or a pixel not so many channels.
        Error: As `Image`.
    """
    if not ary.flags.c_contiguous:
        raise ValueError("array must be C-contiguous")
    dtype, shape, strides = ary.dtype, ary.shape, ary.strides
    if num_channels is None:
        dtype, num_channels = _channels_of(dtype)
    elif num_channels != 1:
        if ary.shape[-1] != num_channels:
            what = f"the last dimension is {ary.shape[-1]}, not the number of channels, {num_channels}"
            raise RuntimeError("image_from_array", ErrorCode.INVALID_VALUE, what)
        shape, strides = ary.shape[:-1], ary.strides[:-1]
    if mode not in ACCESS:
        raise ValueError(f"invalid value {mode!r} for 'mode'")
    kind = (NORMALIZED if norm_int else PLAIN)[dtype.str.lstrip("<|")]
    return create_image(
        ctx,
        ACCESS[mode] | mem_flags.COPY_HOST_PTR,
        ImageFormat(ORDERS[num_channels], kind),
        shape=shape[::-1],
        pitches=strides[::-1][1:],
        hostbuf=ary,
    )


def _channels_of(dtype: np.dtype[Any]) -> tuple[np.dtype[Any], int]:
    """Return a vector type's parts; such types exist only where the module that makes them is loaded."""
    vectors = getattr(sys.modules.get("accelpool.cltypes"), "vec_type_to_scalar_and_count", {})
    found: tuple[Any, int] = vectors.get(dtype, (dtype, 1))
    return np.dtype(found[0]), found[1]
