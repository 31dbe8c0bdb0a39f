"""From what a caller says of an image to what is sent, checked as clCreateImage checks it.

Source of the rules: OpenCL 3.0 API specification, clCreateImage and cl_image_desc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from accelpool.constants import mem_flags, mem_object_type
from accelpool.context import Context
from accelpool.errors import LogicError, RuntimeError
from accelpool.host import flat_bytes, packed
from accelpool.image_format import ImageDescriptor, ImageFormat, supported_formats
from accelpool.memory import Buffer
from accelpool.memory_flags import HOST_PTR, KERNEL_ACCESS, check_flags
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import (
    IMAGE1D,
    IMAGE1D_ARRAY,
    IMAGE1D_BUFFER,
    IMAGE2D,
    ImageLayout,
    checked_layout,
)
from accelpool_wire.rectangles import Rectangle

ROUTINE = "clCreateImage"
WRITING = mem_flags.READ_WRITE | mem_flags.WRITE_ONLY


@dataclass(frozen=True, kw_only=True)
class CheckedImage:
    """An image that can be made.

    Attributes:
        layout: What it is made of.
        content: Its first content without gaps, or None.
        parent: The buffer that it is over, or None.
        row_pitch: Bytes from a row to the next in that buffer; 0 for no gaps.
        where: Where its pixels are in host memory, if that is what it is made from.
    """

    layout: ImageLayout
    content: memoryview | None
    parent: Buffer | None
    row_pitch: int
    where: Rectangle | None


def described(
    shape: Sequence[int], pitches: Sequence[int] | None, is_array: bool, buffer: Buffer | None
) -> ImageDescriptor:
    """Return the descriptor of an image by its shape.

    Raises:
        TypeError, ValueError: There are no such images.
    """
    if buffer is not None and is_array:
        raise ValueError("'buffer' and 'is_array' are mutually exclusive")
    dimensions = len(shape)
    if not 1 <= dimensions <= 3:
        raise ValueError("images cannot have more than three dimensions, or none")
    if buffer is not None and dimensions > 1:
        raise TypeError(f"'buffer' argument is not supported for {dimensions}D arrays")
    if is_array and dimensions == 1:
        raise TypeError("array of zero-dimensional images not supported")
    kinds = {
        1: (mem_object_type.IMAGE1D if buffer is None else mem_object_type.IMAGE1D_BUFFER, 0),
        2: (mem_object_type.IMAGE2D, mem_object_type.IMAGE1D_ARRAY),
        3: (mem_object_type.IMAGE3D, mem_object_type.IMAGE2D_ARRAY),
    }
    desc = ImageDescriptor()
    desc.image_type = kinds[dimensions][is_array]
    desc.shape = shape
    desc.pitches = () if pitches is None else pitches
    desc.buffer = buffer
    return desc


def image_of(
    context: Context, flags: int, format: ImageFormat, desc: ImageDescriptor, hostbuf: Any
) -> CheckedImage:
    """Return the image that a descriptor stands for.

    Raises:
        Error: As `Image`.
    """
    check_flags(flags, ROUTINE)
    if (hostbuf is not None) != bool(flags & HOST_PTR):
        what = "hostbuf needs COPY_HOST_PTR or USE_HOST_PTR, and they need it"
        raise LogicError(ROUTINE, ErrorCode.INVALID_HOST_PTR, what)
    if desc.num_mip_levels or desc.num_samples:
        raise _refused("there are no mip levels and no samples here")
    layout = checked_layout(
        desc.image_type,
        format.channel_order,
        format.channel_data_type,
        _extent(desc),
        (device._info for device in context._devices),
    )
    access = flags & KERNEL_ACCESS or mem_flags.READ_WRITE
    if format._message() not in supported_formats(context, access, layout.image_type):
        what = f"{format!r} is not supported in {context!r}"
        raise RuntimeError(ROUTINE, ErrorCode.IMAGE_FORMAT_NOT_SUPPORTED, what)
    parent, content, row_pitch, where = _parent(context, desc, layout), None, 0, None
    if parent is not None:
        row_pitch = desc._pitches[0]
    elif hostbuf is not None:
        where = _host_rectangle(layout, *desc._pitches)
        content = _content(flags, where, hostbuf)
    elif any(desc._pitches):
        raise _refused("pitches are those of hostbuf, which there is not")
    return CheckedImage(layout=layout, content=content, parent=parent, row_pitch=row_pitch, where=where)


def _extent(desc: ImageDescriptor) -> list[int]:
    """Return an image's extent; numbers that its type does not use are left out of account."""
    width, height, depth = desc._shape
    if desc.image_type in (IMAGE1D, IMAGE1D_BUFFER):
        return [width, 1, 1]
    if desc.image_type == IMAGE1D_ARRAY:
        return [width, desc.array_size, 1]
    if desc.image_type == IMAGE2D:
        return [width, height, 1]
    if desc.image_type == mem_object_type.IMAGE2D_ARRAY:
        return [width, height, desc.array_size]
    return [width, height, depth]


def _parent(context: Context, desc: ImageDescriptor, layout: ImageLayout) -> Buffer | None:
    """Return the buffer that an image is to be over, if its rows lie within."""
    parent = desc._buffer
    if parent is None:
        if layout.image_type == IMAGE1D_BUFFER:
            raise _refused("a 1D buffer image needs its buffer")
        return None
    if not isinstance(parent, Buffer) or layout.image_type not in (IMAGE1D_BUFFER, IMAGE2D):
        raise _refused("only 1D buffer images and 2D images are over something: over a Buffer")
    if parent._context is not context:
        raise LogicError(ROUTINE, ErrorCode.INVALID_CONTEXT, f"{parent!r} is of another context")
    width, height, _ = layout.extent
    row = width * layout.pixel_bytes
    row_pitch = desc._pitches[0] or row
    if row_pitch < row or row_pitch % layout.pixel_bytes or row_pitch * height > parent._size:
        raise _refused(f"{height} rows of {row} bytes, {row_pitch} apart, do not lie in {parent!r}")
    return parent


def _content(flags: int, where: Rectangle, hostbuf: Any) -> memoryview:
    """Return the pixels in host memory, without gaps."""
    is_writable = bool(flags & mem_flags.USE_HOST_PTR and (flags & WRITING or not flags & KERNEL_ACCESS))
    content = flat_bytes(hostbuf, writable=is_writable)
    if where.span > content.nbytes:
        what = f"hostbuf has {content.nbytes} bytes; the image takes {where.span} of it"
        raise LogicError("Image", ErrorCode.INVALID_VALUE, what)
    return packed(content, where)


def _host_rectangle(layout: ImageLayout, row_pitch: int, slice_pitch: int) -> Rectangle:
    """Return where an image's pixels are in host memory."""
    width, height, depth = layout.extent
    row = width * layout.pixel_bytes
    if layout.image_type == IMAGE1D_ARRAY:
        row_pitch, slice_pitch = slice_pitch or row_pitch, 0
    if height == depth == 1:
        row_pitch = slice_pitch = 0
    elif layout.image_type == IMAGE2D:
        slice_pitch = 0
    rows = row_pitch or row
    slices = slice_pitch or rows * height
    if rows < row or rows % layout.pixel_bytes or slices < rows * height or slices % rows:
        raise _refused(f"pitches of {row_pitch} and {slice_pitch} bytes for rows of {row} bytes")
    return Rectangle(origin=(0, 0, 0), region=(row, height, depth), row_pitch=rows, slice_pitch=slices)


def _refused(what: str) -> LogicError:
    return LogicError(ROUTINE, ErrorCode.INVALID_IMAGE_DESCRIPTOR, what)
