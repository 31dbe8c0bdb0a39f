"""Images and samplers: host memory."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.null.objects import MEMORY_BYTES, NullBuffer, NullEvent, complete, refused
from accelpool_node.backends.null.rectangles import gather, scatter
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import ImageLayout
from accelpool_wire.messages import ImageFormat
from accelpool_wire.rectangles import Rectangle

# Channel orders by which components of a color they keep, in order; channel types by how a color has them,
# how a pixel has them, and the largest value of a normalised one.
ORDERS = {0x10B0: (0,), 0x10B2: (0, 1), 0x10B5: (0, 1, 2, 3), 0x10B6: (2, 1, 0, 3)}  # R RG RGBA BGRA
TYPES = {
    0x10D0: ("f", "b", 127), 0x10D1: ("f", "h", 32767), 0x10D2: ("f", "B", 255), 0x10D3: ("f", "H", 65535),
    0x10D7: ("i", "b", 0), 0x10D8: ("i", "h", 0), 0x10D9: ("i", "i", 0),
    0x10DA: ("I", "B", 0), 0x10DB: ("I", "H", 0), 0x10DC: ("I", "I", 0),
    0x10DD: ("f", "e", 0), 0x10DE: ("f", "f", 0),
}  # fmt: skip
SIGNED, WIDE = "bhi", "fiI"
LARGEST_HALF = 65504.0


class NullImage(NullBuffer):
    """Host memory that stands for an image.

    Args:
        content: Its bytes.
        layout: What it is made of.
        image_format: What its pixels are.
        row_pitch: Bytes from a row to the next; 0 for no gaps.
    """

    def __init__(
        self, content: memoryview, layout: ImageLayout, image_format: ImageFormat, row_pitch: int
    ) -> None:
        super().__init__(content=content)
        width, self._height, _ = layout.extent
        self.format = image_format
        self._pixel_bytes = layout.pixel_bytes
        self._row_pitch = row_pitch or width * layout.pixel_bytes

    def where(self, origin: Sequence[int], region: Sequence[int]) -> Rectangle:
        """Return where a region's bytes are."""
        (x, y, z), (width, height, depth) = origin, region
        return Rectangle(
            origin=(x * self._pixel_bytes, y, z),
            region=(width * self._pixel_bytes, height, depth),
            row_pitch=self._row_pitch,
            slice_pitch=self._row_pitch * self._height,
        )


class Images:
    """Images and samplers."""

    def supported_image_formats(self, context: Any, flags: int, image_type: int) -> list[ImageFormat]:
        """Return every format that can be filled."""
        return [ImageFormat(order, kind) for order in ORDERS for kind in TYPES]

    def create_image(
        self,
        context: Any,
        flags: int,
        image_format: ImageFormat,
        layout: ImageLayout,
        content: Bytes | None,
        buffer: NullBuffer | None,
        row_pitch: int,
    ) -> NullImage:
        """Return zeroed or filled host memory, or that of the buffer."""
        if image_format.channel_order not in ORDERS or image_format.channel_type not in TYPES:
            raise refused("clCreateImage", ErrorCode.IMAGE_FORMAT_NOT_SUPPORTED, str(image_format))
        if layout.size > MEMORY_BYTES:
            raise refused("clCreateImage", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, f"{layout.size} bytes")
        if buffer is not None:
            return NullImage(buffer.content, layout, image_format, row_pitch)
        memory = bytearray(layout.size) if content is None else bytearray(content)
        return NullImage(memoryview(memory), layout, image_format, 0)

    def image_size(self, image: NullImage, layout: ImageLayout) -> int:
        """Return the bytes of the pixels: there are no gaps."""
        return layout.size

    def create_sampler(
        self, context: Any, is_normalized: bool, addressing_mode: int, filter_mode: int
    ) -> Any:
        """Return the modes."""
        return is_normalized, addressing_mode, filter_mode

    def enqueue_write_image(
        self,
        queue: Any,
        image: NullImage,
        content: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy in."""
        scatter(image.content, image.where(origin, region), content)
        return complete(queue)

    def enqueue_read_image(
        self,
        queue: Any,
        image: NullImage,
        target: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy out."""
        memoryview(target)[:] = gather(image.content, image.where(origin, region))
        return complete(queue)

    def enqueue_copy_image(
        self,
        queue: Any,
        source: NullImage,
        target: NullImage,
        source_origin: Sequence[int],
        target_origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy."""
        content = gather(source.content, source.where(source_origin, region))
        scatter(target.content, target.where(target_origin, region), content)
        return complete(queue)

    def enqueue_copy_image_to_buffer(
        self,
        queue: Any,
        image: NullImage,
        buffer: NullBuffer,
        origin: Sequence[int],
        region: Sequence[int],
        offset: int,
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy out of the image."""
        content = gather(image.content, image.where(origin, region))
        buffer.content[offset : offset + len(content)] = content
        return complete(queue)

    def enqueue_copy_buffer_to_image(
        self,
        queue: Any,
        buffer: NullBuffer,
        image: NullImage,
        offset: int,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Copy into the image."""
        where = image.where(origin, region)
        scatter(image.content, where, buffer.content[offset : offset + where.size])
        return complete(queue)

    def enqueue_fill_image(
        self,
        queue: Any,
        image: NullImage,
        color: bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[NullEvent] | None,
    ) -> NullEvent:
        """Repeat the pixel."""
        where = image.where(origin, region)
        pixel = pixel_of(color, image.format)
        scatter(image.content, where, pixel * (where.size // len(pixel)))
        return complete(queue)


def pixel_of(color: bytes, image_format: ImageFormat) -> bytes:
    """Return a color as a pixel of a format.

    Source: OpenCL 3.0 API specification, clEnqueueFillImage; OpenCL C 3.0, 8.3.1 for normalised channels.
    """
    given, kept, scale = TYPES[image_format.channel_type]
    values = struct.unpack(f"<4{given}", color)
    parts = [values[place] for place in ORDERS[image_format.channel_order]]
    if scale:
        least = -1.0 if kept in SIGNED else 0.0
        parts = [0 if math.isnan(part) else round(min(max(part, least), 1.0) * scale) for part in parts]
    elif kept == "e":
        parts = [math.copysign(math.inf, part) if abs(part) > LARGEST_HALF else part for part in parts]
    elif kept not in WIDE:
        size = 8 * struct.calcsize(kept)
        low, high = (-(1 << size - 1), (1 << size - 1) - 1) if kept in SIGNED else (0, (1 << size) - 1)
        parts = [min(max(part, low), high) for part in parts]
    return struct.pack(f"<{len(parts)}{kept}", *parts)
