"""Mapping images into host memory; `mapping` has the rule for when the two agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from accelpool.constants import command_type
from accelpool.coordinates import origin_of, region_of
from accelpool.enqueue import usable
from accelpool.enqueue_image import read_image, write_image
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.host import packed
from accelpool.image import Image
from accelpool.mapping import Bytes, MemoryMap, check_map_flags, mapped_array, sizes_of, standing_memory
from accelpool.memory import MemoryObjectHolder
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.rectangles import Rectangle

MAP = "clEnqueueMapImage"


class ImagePart:
    """A region of an image.

    Args:
        image: The image.
        origin: Where the region begins, in pixels.
        region: Its pixels.
        where: Where its bytes are in the mapped memory, from 0 on.
    """

    command_type = command_type.MAP_IMAGE

    def __init__(self, image: Image, origin: list[int], region: list[int], where: Rectangle) -> None:
        self.memory: MemoryObjectHolder = image
        self._image = image
        self._origin = origin
        self._region = region
        self._where = where

    def read(self, queue: CommandQueue, flat: Bytes, wait_for: WaitList, is_blocking: bool) -> Event:
        """Enqueue a copy to host memory."""
        return read_image(
            queue, self._image, flat, *self._places(), wait_for=wait_for, is_blocking=is_blocking
        )

    def write(self, queue: CommandQueue, flat: Bytes, wait_for: WaitList) -> Event:
        """Enqueue a copy from host memory."""
        return write_image(queue, self._image, flat, *self._places(), wait_for=wait_for)

    def post(self, queue: CommandQueue, flat: Bytes) -> None:
        """Post a copy from host memory whose event nobody needs."""
        message = m.EnqueueWriteImage(queue._handle, self._image._handle, self._origin, self._region)
        queue._session.connection.post(message, packed(flat.data, self._where))

    def _places(self) -> tuple[list[int], list[int], int, int]:
        return self._origin, self._region, self._where.row_pitch, self._where.slice_pitch


def enqueue_map_image(
    queue: CommandQueue,
    img: MemoryObjectHolder,
    flags: int,
    origin: Sequence[int],
    region: Sequence[int],
    shape: int | tuple[int, ...],
    dtype: Any,
    order: Literal["C", "F"] = "C",
    strides: tuple[int, ...] | None = None,
    wait_for: WaitList = None,
    is_blocking: bool = True,
) -> tuple[np.ndarray[Any, Any], Event, int, int]:
    """Map a region of an image into host memory as an array.

    Host memory and device memory agree at the mapping (with READ or WRITE) and at its release (with WRITE or
    WRITE_INVALIDATE_REGION), and nowhere else. With USE_HOST_PTR the array aliases the image's `hostbuf`;
    with ALLOC_HOST_PTR its memory is the same for all mappings of the image.

    Args:
        queue: The queue to enqueue to.
        img: The image.
        flags: Bits of `map_flags`; 0 for READ. An array that is not mapped for writing is read-only.
        origin: Where the region begins, in pixels; up to three ints, those left out are 0.
        region: Its pixels; up to three ints, those left out are 1.
        shape: The array's shape.
        dtype: The array's dtype, without Python objects.
        order: "C" or "F".
        strides: In bytes per dimension, within the region; None for a contiguous array. Where the region has
            gaps between its rows they are what the pitches say.
        wait_for: Events to wait for.
        is_blocking: Whether the bytes are in place on return; else the event's `wait` has them in place.

    Returns:
        The array, whose `base` is the `MemoryMap`; the mapping's event; the bytes from a row to the next, and
        from a slice or layer to the next, 0 where there are none.

    Raises:
        LogicError: INVALID_VALUE: a region beyond the image, an array beyond the region, flags that exclude
            each other; INVALID_OPERATION: the image's flags forbid the host to read or write;
            INVALID_MEM_OBJECT: it is no image, or released.

    Source: OpenCL 3.0 API, clEnqueueMapImage.
    """
    flags = int(flags)
    usable(queue, img, MAP)
    if not isinstance(img, Image):
        raise LogicError(MAP, ErrorCode.INVALID_MEM_OBJECT, f"{img!r} is no image")
    check_map_flags(flags, img, MAP)
    start, extent = origin_of("origin", origin), region_of("region", region)
    img._layout.check_region(start, extent, MAP)
    sizes, dtype, _ = sizes_of(shape, dtype, MAP)
    flat, where = _host_memory(img, start, extent)
    mapping = MemoryMap(queue, ImagePart(img, start, extent, where), flags, flat)
    array = mapped_array(mapping, sizes, dtype, order, strides, MAP)
    slice_pitch = where.slice_pitch if img.slice_pitch else 0
    if img.array_size and not img.height:
        slice_pitch = where.row_pitch  # of a 1D array each row is a layer
    return array, mapping._begin(wait_for, is_blocking), where.row_pitch, slice_pitch


def _host_memory(image: Image, origin: list[int], region: list[int]) -> tuple[Bytes, Rectangle]:
    """Return the bytes to map a region into, and where its pixels are in them."""
    pixel = image._layout.pixel_bytes
    width, height, depth = (region[0] * pixel, region[1], region[2])
    memory = standing_memory(image)
    if memory is None:
        where = _where(width, height, depth, width, width * height)
        return np.empty(where.size, np.uint8), where
    full_width, full_height, _ = image._layout.extent
    row_pitch, slice_pitch = full_width * pixel, full_width * pixel * full_height
    if image._host_rectangle is not None and image.hostbuf is not None:
        row_pitch, slice_pitch = image._host_rectangle.row_pitch, image._host_rectangle.slice_pitch
    where = _where(width, height, depth, row_pitch, slice_pitch)
    start = origin[0] * pixel + origin[1] * row_pitch + origin[2] * slice_pitch
    return memory[start : start + where.span], where


def _where(width: int, height: int, depth: int, row_pitch: int, slice_pitch: int) -> Rectangle:
    region = (width, height, depth)
    return Rectangle(origin=(0, 0, 0), region=region, row_pitch=row_pitch, slice_pitch=slice_pitch)
