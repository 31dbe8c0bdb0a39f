"""Images. What can be asked of one is known without asking the worker."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeVar

from accelpool.constants import image_info, mem_flags, mem_info, mem_object_type
from accelpool.context import Context
from accelpool.errors import Error, LogicError
from accelpool.image_descriptor import described, image_of
from accelpool.image_format import ImageDescriptor, ImageFormat
from accelpool.info import Info
from accelpool.memory import Buffer, MemoryObject
from accelpool.memory_flags import HOST_PTR, sent_flags
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import IMAGE1D_ARRAY, IMAGE2D, IMAGE2D_ARRAY, IMAGE3D, ImageLayout
from accelpool_wire.rectangles import Rectangle

Value = TypeVar("Value")


class ImageInfo(Info[Value]):
    """A read-only property whose value is that of an `image_info` number."""

    __slots__ = ()

    def _value(self, owner: Any) -> Value:
        value: Value = owner.get_image_info(self.number)
        return value


class Image(MemoryObject):
    """An image in device memory. Only the first of a type in a context awaits an answer: its formats.

    Args:
        context: Where it is used.
        flags: Bits of `mem_flags`; 0 for READ_WRITE.
        format: What its pixels are.
        shape: Its width, height and depth, or layers last; None for `hostbuf`'s shape.
        pitches: Of `hostbuf`: bytes from a row to the next, and from a slice to the next; None for no gaps.
        hostbuf: With COPY_HOST_PTR or USE_HOST_PTR: its first content.
        is_array: Whether the last number of `shape` counts layers.
        buffer: The buffer whose bytes a 1D image is over.
        desc: Says all of these but `hostbuf`; the only form that PyOpenCL does not warn of. `create_image`
            takes the others without a warning.

    Raises:
        LogicError: INVALID_IMAGE_DESCRIPTOR, INVALID_IMAGE_FORMAT_DESCRIPTOR: not possible;
            INVALID_IMAGE_SIZE: too large for the devices of the context; INVALID_OPERATION: they have no
            images; INVALID_HOST_PTR: `hostbuf` without its flag, or the flag without `hostbuf`;
            INVALID_VALUE: flags that exclude each other, or `hostbuf` is too small.
        RuntimeError: IMAGE_FORMAT_NOT_SUPPORTED.
        ValueError: `hostbuf` is not contiguous.
    """

    _is_image = True
    __slots__ = ("_format", "_host_rectangle", "_layout", "_row_pitch")

    _format: ImageFormat
    _host_rectangle: Rectangle | None
    _layout: ImageLayout
    _row_pitch: int

    def __init__(
        self,
        context: Context,
        flags: int,
        format: ImageFormat,
        shape: Sequence[int] | None = None,
        pitches: Sequence[int] | None = None,
        hostbuf: Any = None,
        is_array: bool = False,
        buffer: Buffer | None = None,
        *,
        desc: ImageDescriptor | None = None,
        _through_create_image: bool = False,
    ) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"Image: context is a Context, not {context!r}")
        if not isinstance(format, ImageFormat):
            raise TypeError(f"Image: format is an ImageFormat, not {format!r}")
        flags = int(flags)
        if hostbuf is not None and not flags & HOST_PTR:
            warnings.warn("'hostbuf' was passed, but no memory flags to make use of it.", stacklevel=2)
        if desc is None:
            desc = _descriptor(shape, pitches, hostbuf, is_array, buffer)
            if not _through_create_image:
                warnings.warn(
                    "Non-descriptor Image constructor called. Use create_image instead (with the same "
                    "arguments).",
                    DeprecationWarning,
                    stacklevel=2,
                )
        else:
            _check_alone(shape, pitches, is_array, buffer)
        made = image_of(context, flags, format, desc, hostbuf)
        session = context._session
        self._session = session
        self._context = context
        self._flags = flags or mem_flags.READ_WRITE
        self._origin = 0
        self._parent = made.parent
        self._size = made.layout.size
        self._hostbuf = hostbuf if flags & mem_flags.USE_HOST_PTR else None
        self._host_memory = None
        self._map_count = 0
        self._host_rectangle = made.where
        self._format = ImageFormat(format.channel_order, format.channel_data_type)
        self._layout = made.layout
        self._row_pitch = made.row_pitch or made.layout.extent[0] * made.layout.pixel_bytes
        handle = session.new_handle()
        message = m.CreateImage(
            handle,
            context._handle,
            sent_flags(self._flags),
            made.layout.image_type,
            format._message(),
            list(made.layout.extent),
            0 if made.parent is None else made.parent._use("clCreateImage"),
            made.row_pitch,
        )
        session.post(message, made.content)
        self._handle = handle

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `mem_info` number.

        Raises:
            LogicError: INVALID_VALUE: there is no such info here.
        """
        if arg == mem_info.TYPE:
            return self._layout.image_type
        return super().get_info(arg)

    def get_image_info(self, arg: int, /) -> Any:
        """Return the value of an `image_info` number.

        Pitches are those without gaps: a device's own are not told.

        Raises:
            LogicError: INVALID_VALUE: there is no such info.
        """
        layout, kind = self._layout, self._layout.image_type
        width, height, depth = layout.extent
        has_rows, has_layers = (
            kind in (IMAGE2D, IMAGE2D_ARRAY, IMAGE3D),
            kind in (IMAGE1D_ARRAY, IMAGE2D_ARRAY),
        )
        values: dict[int, Any] = {
            image_info.FORMAT: self._format,
            image_info.ELEMENT_SIZE: layout.pixel_bytes,
            image_info.ROW_PITCH: self._row_pitch,
            image_info.SLICE_PITCH: 0,
            image_info.WIDTH: width,
            image_info.HEIGHT: height if has_rows else 0,
            image_info.DEPTH: depth if kind == IMAGE3D else 0,
            image_info.ARRAY_SIZE: (depth if has_rows else height) if has_layers else 0,
            image_info.BUFFER: self._parent,
            image_info.NUM_MIP_LEVELS: 0,
            image_info.NUM_SAMPLES: 0,
        }
        if has_layers or kind == IMAGE3D:
            values[image_info.SLICE_PITCH] = self._row_pitch * (height if has_rows else 1)
        if arg not in values:
            raise LogicError("Image.get_image_info", ErrorCode.INVALID_VALUE, f"an image has no info {arg}")
        return values[arg]

    format: ImageInfo[ImageFormat] = ImageInfo(image_info.FORMAT)
    element_size: ImageInfo[int] = ImageInfo(image_info.ELEMENT_SIZE)
    row_pitch: ImageInfo[int] = ImageInfo(image_info.ROW_PITCH)
    slice_pitch: ImageInfo[int] = ImageInfo(image_info.SLICE_PITCH)
    width: ImageInfo[int] = ImageInfo(image_info.WIDTH)
    height: ImageInfo[int] = ImageInfo(image_info.HEIGHT)
    depth: ImageInfo[int] = ImageInfo(image_info.DEPTH)
    array_size: ImageInfo[int] = ImageInfo(image_info.ARRAY_SIZE)
    buffer: ImageInfo[Buffer | None] = ImageInfo(image_info.BUFFER)
    num_mip_levels: ImageInfo[int] = ImageInfo(image_info.NUM_MIP_LEVELS)
    num_samples: ImageInfo[int] = ImageInfo(image_info.NUM_SAMPLES)

    @property
    def shape(self) -> tuple[int, ...]:
        """Width and height of a 2D image, with the depth of a 3D image.

        Raises:
            LogicError: INVALID_VALUE: it is neither.
        """
        if self._layout.image_type == IMAGE2D:
            return self._layout.extent[:2]
        if self._layout.image_type == IMAGE3D:
            return self._layout.extent
        raise LogicError("Image.shape", ErrorCode.INVALID_VALUE, "only images have shapes")

    def __repr__(self) -> str:
        kind = mem_object_type.to_string(self._layout.image_type, "%d")
        return f"<accelpool.Image {self._handle}: {kind} {self._layout.extent} of {self._format!r}>"


def create_image(
    context: Context,
    flags: int,
    format: ImageFormat,
    shape: Sequence[int] | None = None,
    pitches: Sequence[int] | None = None,
    hostbuf: Any = None,
    is_array: bool = False,
    buffer: Buffer | None = None,
) -> Image:
    """Return an image; as `Image`, without its warning."""
    return Image(
        context, flags, format, shape, pitches, hostbuf, is_array, buffer, _through_create_image=True
    )


def _descriptor(
    shape: Sequence[int] | None,
    pitches: Sequence[int] | None,
    hostbuf: Any,
    is_array: bool,
    buffer: Buffer | None,
) -> ImageDescriptor:
    """Return the descriptor that the parameters stand for."""
    if shape is None and hostbuf is None:
        raise Error("Image", ErrorCode.INVALID_VALUE, "'shape' must be passed if 'hostbuf' is not given")
    if hostbuf is None and pitches is not None:
        raise Error("Image", ErrorCode.INVALID_VALUE, "'pitches' may only be given if 'hostbuf' is given")
    whole: Any = hostbuf
    return described(whole.shape if shape is None else shape, pitches, is_array, buffer)


def _check_alone(*others: Any) -> None:
    names = ("shape", "pitches", "is_array", "buffer")
    for name, value in zip(names, others, strict=True):
        if value is not None and value is not False:
            raise TypeError(f"{name} may not be passed when using descriptor")
