"""What images are made from: formats and descriptors."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from accelpool.constants import channel_order, channel_type
from accelpool.context import Context
from accelpool.coordinates import pitches_of, region_of
from accelpool.errors import LogicError
from accelpool.memory import MemoryObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import CHANNEL_BYTES, CHANNELS, PACKED_BYTES

ORDERS = "R A RG RA RGB RGBA BGRA INTENSITY LUMINANCE"
TYPES = (
    "SNORM_INT8 SNORM_INT16 UNORM_INT8 UNORM_INT16 UNORM_SHORT_565 UNORM_SHORT_555 UNORM_INT_101010 "
    "SIGNED_INT8 SIGNED_INT16 SIGNED_INT32 UNSIGNED_INT8 UNSIGNED_INT16 UNSIGNED_INT32 HALF_FLOAT FLOAT"
)
CHANNEL_COUNTS = {number: CHANNELS[number] for number in (getattr(channel_order, n) for n in ORDERS.split())}
DTYPE_SIZES = {
    number: PACKED_BYTES.get(number) or CHANNEL_BYTES[number]
    for number in (getattr(channel_type, name) for name in TYPES.split())
}


class ImageFormat:
    """What a pixel is.

    Attributes:
        channel_order: Which channels it has, in which order: a `channel_order`.
        channel_data_type: What a channel is: a `channel_type`.
    """

    __slots__ = ("channel_data_type", "channel_order")

    def __init__(self, channel_order: int, channel_data_type: int, /) -> None:
        for number in (channel_order, channel_data_type):
            if not 0 <= operator.index(number) < 1 << 32:
                raise TypeError(f"ImageFormat takes a channel_order and a channel_type, not {number!r}")
        self.channel_order: int = int(channel_order)
        self.channel_data_type: int = int(channel_data_type)

    @property
    def channel_count(self) -> int:
        """How many channels a pixel has.

        Raises:
            LogicError: INVALID_VALUE: not known for this channel order.
        """
        return _known(CHANNEL_COUNTS, self.channel_order, "channel order")

    @property
    def dtype_size(self) -> int:
        """Bytes of a channel; of a pixel where its channels are packed.

        Raises:
            LogicError: INVALID_VALUE: not known for this channel type.
        """
        return _known(DTYPE_SIZES, self.channel_data_type, "channel data type")

    @property
    def itemsize(self) -> int:
        """`channel_count` times `dtype_size`."""
        return self.channel_count * self.dtype_size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageFormat) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((ImageFormat, *self._key()))

    def __repr__(self) -> str:
        order = channel_order.to_string(self.channel_order, "<unknown channel order 0x%x>")
        kind = channel_type.to_string(self.channel_data_type, "<unknown channel data type 0x%x>")
        return f"ImageFormat({order}, {kind})"

    def _key(self) -> tuple[int, int]:
        return self.channel_order, self.channel_data_type

    def _message(self) -> m.ImageFormat:
        return m.ImageFormat(self.channel_order, self.channel_data_type)


class ImageDescriptor:
    """What an image is to be: its type, its extent, the pitches of its host memory, its buffer.

    `shape`, `pitches` and `buffer` can be set only; they read as None.

    Attributes:
        image_type: A `mem_object_type`.
        array_size: Layers of an array; setting `shape` sets it too.
        num_mip_levels: Must be 0.
        num_samples: Must be 0.
    """

    __slots__ = ("_buffer", "_pitches", "_shape", "array_size", "image_type", "num_mip_levels", "num_samples")

    def __init__(self) -> None:
        self.image_type: int = 0
        self.array_size: int = 0
        self.num_mip_levels: int = 0
        self.num_samples: int = 0
        self._shape = [0, 0, 0]
        self._pitches = [0, 0]
        self._buffer: MemoryObject | None = None

    @property
    def shape(self) -> Any:
        """Width, height and depth, up to three ints; the third is the array's size as well."""
        return None

    @shape.setter
    def shape(self, value: Sequence[int]) -> None:
        self._shape = region_of("shape", value)
        self.array_size = self._shape[2]

    @property
    def pitches(self) -> Any:
        """Bytes from a row to the next, and from a slice to the next, of the host memory."""
        return None

    @pitches.setter
    def pitches(self, value: Sequence[int]) -> None:
        self._pitches = pitches_of("pitches", value)

    @property
    def buffer(self) -> Any:
        """The buffer that the image is to be over, or None."""
        return None

    @buffer.setter
    def buffer(self, buffer: MemoryObject | None) -> None:
        if buffer is not None and not isinstance(buffer, MemoryObject):
            raise TypeError(f"ImageDescriptor.buffer is a memory object or None, not {buffer!r}")
        self._buffer = buffer


def get_supported_image_formats(context: Context, flags: int, image_type: int, /) -> list[ImageFormat]:
    """Return the formats that images of a type can have in a context: one round trip, then none.

    Args:
        context: Where they would be used.
        flags: The `mem_flags` that they would be made with.
        image_type: A `mem_object_type`.

    Raises:
        LogicError: INVALID_VALUE: flags or type are not possible.
    """
    found = supported_formats(context, int(flags), int(image_type))
    return [ImageFormat(known.channel_order, known.channel_type) for known in found]


def supported_formats(context: Context, flags: int, image_type: int) -> list[m.ImageFormat]:
    """Return the same as messages have them; asked once."""
    known = context._image_formats
    if (flags, image_type) not in known:
        question = m.GetSupportedImageFormats(context._handle, flags, image_type)
        known[flags, image_type] = context._session.ask(question, m.ImageFormats).formats
    return known[flags, image_type]


def _known(sizes: dict[int, int], number: int, noun: str) -> int:
    if number not in sizes:
        raise LogicError("ImageFormat.channel_dtype_size", ErrorCode.INVALID_VALUE, f"unrecognized {noun}")
    return sizes[number]
