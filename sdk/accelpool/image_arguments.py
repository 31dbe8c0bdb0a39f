"""Kernel arguments that are images and samplers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from accelpool.argument_place import Place
from accelpool.constants import kernel_arg_access_qualifier, mem_flags, mem_object_type
from accelpool.image import Image
from accelpool.memory import MemoryObjectHolder
from accelpool.sampler import Sampler
from accelpool.session import Session
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

IMAGE_TYPE = re.compile(r"\b(image(?:1d|2d|3d)(?:_array|_buffer)?)\w*_t\b")
TYPES = {
    "image1d": mem_object_type.IMAGE1D,
    "image1d_array": mem_object_type.IMAGE1D_ARRAY,
    "image1d_buffer": mem_object_type.IMAGE1D_BUFFER,
    "image2d": mem_object_type.IMAGE2D,
    "image2d_array": mem_object_type.IMAGE2D_ARRAY,
    "image3d": mem_object_type.IMAGE3D,
}
FORBIDDEN = {
    kernel_arg_access_qualifier.READ_ONLY: mem_flags.WRITE_ONLY,
    kernel_arg_access_qualifier.WRITE_ONLY: mem_flags.READ_ONLY,
    kernel_arg_access_qualifier.READ_WRITE: mem_flags.READ_ONLY | mem_flags.WRITE_ONLY,
}


def image_type_of(info: m.ArgInfo) -> int | None:
    """Return the `mem_object_type` of an argument that is an image, else None."""
    found = IMAGE_TYPE.search(info.type_name)
    return None if found is None else TYPES.get(found[1])


def image_packer(place: Place, session: Session, image_type: int) -> Callable[[Any], m.KernelArg]:
    """Return what packs an image of a type."""
    told_type = mem_object_type.to_string(image_type, "%d")
    forbidden = FORBIDDEN.get(place.info.access_qualifier, 0) if place.info is not None else 0

    def pack(value: Any) -> m.KernelArg:
        if not isinstance(value, Image) or value.type != image_type:
            is_object = value is None or isinstance(value, (MemoryObjectHolder, Sampler))
            code = ErrorCode.INVALID_MEM_OBJECT if is_object else ErrorCode.INVALID_ARG_SIZE
            raise place.refuse(code, f"an Image ({told_type})", value)
        if value._flags & forbidden:
            expected = f"an Image without {mem_flags.to_string(value._flags & forbidden)}"
            raise place.refuse(ErrorCode.INVALID_ARG_VALUE, expected, value)
        return pack_object(place, session, value)

    return pack


def sampler_packer(place: Place, session: Session) -> Callable[[Any], m.KernelArg]:
    """Return what packs a sampler."""

    def pack(value: Any) -> m.KernelArg:
        if not isinstance(value, Sampler):
            is_object = value is None or isinstance(value, MemoryObjectHolder)
            code = ErrorCode.INVALID_SAMPLER if is_object else ErrorCode.INVALID_ARG_SIZE
            raise place.refuse(code, "a Sampler", value)
        return pack_object(place, session, value)

    return pack


def pack_object(place: Place, session: Session, value: Image | Sampler) -> int:
    """Return the handle of an image or a sampler of the kernel's session."""
    if value._session is not session:
        is_image = isinstance(value, Image)
        code = ErrorCode.INVALID_MEM_OBJECT if is_image else ErrorCode.INVALID_SAMPLER
        raise place.refuse(code, f"a {type(value).__name__} of the kernel's context", value)
    return value._use("clSetKernelArg") if isinstance(value, Image) else value._handle
