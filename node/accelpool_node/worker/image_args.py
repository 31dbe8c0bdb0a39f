"""Kernel arguments that are images and samplers: drivers crash on one in the place of another."""

from __future__ import annotations

import re

from accelpool_node.worker.objects import ImageObject
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
READ_ONLY, WRITE_ONLY, READ_WRITE = 0x11A0, 0x11A1, 0x11A2  # of an argument
PIPE = 1 << 3  # a type qualifier
CANNOT_READ, CANNOT_WRITE = 1 << 1, 1 << 2  # flags of an image: WRITE_ONLY, READ_ONLY
FORBIDDEN = {READ_ONLY: CANNOT_READ, WRITE_ONLY: CANNOT_WRITE, READ_WRITE: CANNOT_READ | CANNOT_WRITE}
IMAGE_TYPE = re.compile(r"\b(image(?:1d|2d|3d)(?:_array|_buffer)?)\w*_t\b")
TYPES = {
    "image1d": IMAGE1D,
    "image1d_array": IMAGE1D_ARRAY,
    "image1d_buffer": IMAGE1D_BUFFER,
    "image2d": IMAGE2D,
    "image2d_array": IMAGE2D_ARRAY,
    "image3d": IMAGE3D,
}


def is_image(known: m.ArgInfo) -> bool:
    """Whether an argument is an image or a pipe.

    Behind a typedef the type's name tells nothing, but only these have an access qualifier.
    """
    if "*" in known.type_name:
        return False
    return known.access_qualifier in FORBIDDEN or IMAGE_TYPE.search(known.type_name) is not None


def is_sampler(known: m.ArgInfo) -> bool:
    """Whether an argument is a sampler."""
    return known.type_name == "sampler_t"


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
