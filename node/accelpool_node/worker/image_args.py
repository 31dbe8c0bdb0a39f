"""Kernel arguments that are images and samplers: drivers crash on one in the place of another."""

from __future__ import annotations

from accelpool_node.worker.objects import ImageObject
from accelpool_node.worker.wanted_args import IMAGE_TYPE, READ_ONLY, READ_WRITE, WRITE_ONLY
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for
from accelpool_wire.image_layout import (
    IMAGE1D,
    IMAGE1D_ARRAY,
    IMAGE1D_BUFFER,
    IMAGE2D,
    IMAGE2D_ARRAY,
    IMAGE3D,
)

ROUTINE = "clSetKernelArg"
PIPE = 1 << 3  # a type qualifier
CANNOT_READ, CANNOT_WRITE = 1 << 1, 1 << 2  # flags of an image: WRITE_ONLY, READ_ONLY
FORBIDDEN = {READ_ONLY: CANNOT_READ, WRITE_ONLY: CANNOT_WRITE, READ_WRITE: CANNOT_READ | CANNOT_WRITE}
TYPES = {
    "image1d": IMAGE1D,
    "image1d_array": IMAGE1D_ARRAY,
    "image1d_buffer": IMAGE1D_BUFFER,
    "image2d": IMAGE2D,
    "image2d_array": IMAGE2D_ARRAY,
    "image3d": IMAGE3D,
}


def check_image(info: m.KernelInfo, index: int, image: ImageObject) -> None:
    """Refuse an image of another type than the argument's, or that the kernel may not use so.

    What type the argument has behind a typedef only the driver knows.

    Raises:
        LogicError: INVALID_MEM_OBJECT, INVALID_ARG_VALUE.
    """
    known = info.args[index]
    found = IMAGE_TYPE.search(known.type_name)
    told = f"argument {index} ({known.type_name} {known.name}) of kernel {info.name}"
    is_pipe = known.type_qualifier & PIPE
    if is_pipe or (found is not None and TYPES.get(found[1]) != image.layout.image_type):
        what = f"{told} cannot be an image of type {image.layout.image_type:#x}"
        raise error_for(ROUTINE, ErrorCode.INVALID_MEM_OBJECT, what)
    if image.flags & FORBIDDEN.get(known.access_qualifier, 0):
        what = f"{told} cannot be an image with flags {image.flags:#x}"
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_VALUE, what)
