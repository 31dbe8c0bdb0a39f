"""Copies from, to and between images, and fills of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool.constants import command_type
from accelpool.coordinates import origin_of, region_of
from accelpool.enqueue import usable
from accelpool.errors import LogicError, RuntimeError
from accelpool.event import Event, NannyEvent, WaitList
from accelpool.host import flat_bytes, packed
from accelpool.image import Image
from accelpool.memory import MemoryObjectHolder, check_region
from accelpool.objects import wait_list
from accelpool.queue import CommandQueue
from accelpool.rectangles import read_rectangle
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.rectangles import Rectangle, rectangle

COLOR_BYTES = 16


def copy_with_image(queue: CommandQueue, dest: Any, src: Any, **kwargs: Any) -> Event:
    """Copy to or from an image; see `enqueue_copy`."""
    if isinstance(dest, MemoryObjectHolder) and isinstance(src, MemoryObjectHolder):
        if not isinstance(dest, Image):
            return copy_image_to_buffer(queue, src, dest, **kwargs)
        copy = copy_image if isinstance(src, Image) else copy_buffer_to_image
        return copy(queue, src, dest, **kwargs)
    origin, region = kwargs.pop("origin"), kwargs.pop("region")
    row_pitch, slice_pitch = _pair(kwargs.pop("pitches", (0, 0)))
    places = (origin, region, row_pitch, slice_pitch)
    if isinstance(dest, Image):
        return write_image(queue, dest, src, *places, **kwargs)
    return read_image(queue, src, dest, *places, **kwargs)


def write_image(
    queue: CommandQueue,
    image: Image,
    hostbuf: Any,
    origin: Sequence[int],
    region: Sequence[int],
    row_pitch: int = 0,
    slice_pitch: int = 0,
    *,
    wait_for: WaitList = None,
    is_blocking: bool = True,  # noqa: ARG001 - either way the bytes are with the socket on return
) -> NannyEvent:
    """Copy host memory to a region of an image."""
    routine = "clEnqueueWriteImage"
    handle, start, extent = _region(queue, image, origin, region, routine)
    content = flat_bytes(hostbuf)
    where = _host_rectangle(image, extent, row_pitch, slice_pitch, routine)
    where.check_within(content.nbytes, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    message = m.EnqueueWriteImage(queue._handle, handle, start, extent, event, waits)
    session.post(message, packed(content, where))
    return NannyEvent(session, event, queue, command_type.WRITE_IMAGE, hostbuf)


def read_image(
    queue: CommandQueue,
    image: Image,
    hostbuf: Any,
    origin: Sequence[int],
    region: Sequence[int],
    row_pitch: int = 0,
    slice_pitch: int = 0,
    *,
    wait_for: WaitList = None,
    is_blocking: bool = True,
) -> NannyEvent:
    """Copy a region of an image to host memory."""
    routine = "clEnqueueReadImage"
    handle, start, extent = _region(queue, image, origin, region, routine)
    content = flat_bytes(hostbuf, writable=True)
    where = _host_rectangle(image, extent, row_pitch, slice_pitch, routine)
    where.check_within(content.nbytes, routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = 0 if is_blocking else session.new_handle()
    message = m.EnqueueReadImage(queue._handle, handle, start, extent, event, waits)
    return read_rectangle(queue, message, content, where, command_type.READ_IMAGE, hostbuf)


def copy_image(
    queue: CommandQueue,
    src: MemoryObjectHolder,
    dest: MemoryObjectHolder,
    *,
    src_origin: Sequence[int],
    dest_origin: Sequence[int],
    region: Sequence[int],
    wait_for: WaitList = None,
) -> Event:
    """Copy between images of one format, or within one image."""
    routine = "clEnqueueCopyImage"
    source, source_start, extent = _region(queue, src, src_origin, region, routine)
    target, target_start, _ = _region(queue, dest, dest_origin, region, routine)
    if _image(src, routine)._format != _image(dest, routine)._format:
        raise RuntimeError(routine, ErrorCode.IMAGE_FORMAT_MISMATCH, f"{src!r} and {dest!r}")
    pairs = zip(source_start, target_start, extent, strict=True)
    if source == target and all(abs(one - other) < count for one, other, count in pairs):
        what = f"{extent} from {source_start} to {target_start} of the same image overlap"
        raise RuntimeError(routine, ErrorCode.MEM_COPY_OVERLAP, what)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    session.post(
        m.EnqueueCopyImage(queue._handle, source, target, source_start, target_start, extent, event, waits)
    )
    return Event(session, event, queue, command_type.COPY_IMAGE)


def copy_image_to_buffer(
    queue: CommandQueue,
    src: MemoryObjectHolder,
    dest: MemoryObjectHolder,
    *,
    origin: Sequence[int],
    region: Sequence[int],
    offset: int,
    wait_for: WaitList = None,
) -> Event:
    """Copy a region of an image to a buffer, without gaps."""
    routine = "clEnqueueCopyImageToBuffer"
    source, start, extent = _region(queue, src, origin, region, routine)
    target = usable(queue, dest, routine)
    check_region(dest, offset, _image(src, routine)._layout.region_bytes(extent), routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    session.post(
        m.EnqueueCopyImageToBuffer(queue._handle, source, target, start, extent, offset, event, waits)
    )
    return Event(session, event, queue, command_type.COPY_IMAGE_TO_BUFFER)


def copy_buffer_to_image(
    queue: CommandQueue,
    src: MemoryObjectHolder,
    dest: MemoryObjectHolder,
    *,
    offset: int,
    origin: Sequence[int],
    region: Sequence[int],
    wait_for: WaitList = None,
) -> Event:
    """Copy bytes of a buffer, without gaps, to a region of an image."""
    routine = "clEnqueueCopyBufferToImage"
    source = usable(queue, src, routine)
    target, start, extent = _region(queue, dest, origin, region, routine)
    check_region(src, offset, _image(dest, routine)._layout.region_bytes(extent), routine)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    session.post(
        m.EnqueueCopyBufferToImage(queue._handle, source, target, offset, start, extent, event, waits)
    )
    return Event(session, event, queue, command_type.COPY_BUFFER_TO_IMAGE)


def enqueue_fill_image(
    queue: CommandQueue,
    mem: MemoryObjectHolder,
    color: Any,
    origin: Sequence[int],
    region: Sequence[int],
    wait_for: WaitList = None,
) -> Event:
    """Fill a region of an image with a color.

    Args:
        queue: The queue to enqueue to.
        mem: The image.
        color: (4,) float32, int32 or uint32, by the image's channel type: red, green, blue, alpha.
        origin: Where the region begins, in pixels; up to three ints, those left out are 0.
        region: Its pixels; up to three ints, those left out are 1.
        wait_for: Events to wait for.

    Raises:
        LogicError: INVALID_VALUE: the region is not within the image, or the color has less than 16 bytes;
            INVALID_MEM_OBJECT: it is no image.

    Source: OpenCL 3.0 API, clEnqueueFillImage.
    """
    routine = "clEnqueueFillImage"
    handle, start, extent = _region(queue, mem, origin, region, routine)
    content = bytes(flat_bytes(color))[:COLOR_BYTES]
    if len(content) < COLOR_BYTES:
        what = f"a color of {len(content)} bytes, not {COLOR_BYTES}: four float32, int32 or uint32"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    session = queue._session
    waits = wait_list(wait_for, session, routine)
    event = session.new_handle()
    session.post(m.EnqueueFillImage(queue._handle, handle, content, start, extent, event, waits))
    return Event(session, event, queue, command_type.FILL_IMAGE)


def _image(mem: MemoryObjectHolder, routine: str) -> Image:
    if not isinstance(mem, Image):
        raise LogicError(routine, ErrorCode.INVALID_MEM_OBJECT, f"{mem!r} is no image")
    return mem


def _region(
    queue: CommandQueue,
    mem: MemoryObjectHolder,
    origin: Sequence[int],
    region: Sequence[int],
    routine: str,
) -> tuple[int, list[int], list[int]]:
    """Return an image's handle and a region of it, checked: where it begins, how many pixels it has."""
    handle = usable(queue, mem, routine)
    start, extent = origin_of("origin", origin), region_of("region", region)
    _image(mem, routine)._layout.check_region(start, extent, routine)
    return handle, start, extent


def _host_rectangle(
    image: Image, extent: list[int], row_pitch: int, slice_pitch: int, routine: str
) -> Rectangle:
    """Return where a region's pixels are in host memory; a pitch that nothing is apart by counts nothing."""
    width, height, depth = extent
    row = width * image._layout.pixel_bytes
    rows = row_pitch if height > 1 or depth > 1 else 0
    slices = slice_pitch if depth > 1 else 0
    return rectangle([0, 0, 0], [row, height, depth], rows, slices, routine)


def _pair(pitches: Sequence[int]) -> tuple[int, int]:
    """Return a row's and a slice's pitch; one alone is a row's."""
    if len(pitches) == 1:
        return pitches[0], 0
    row_pitch, slice_pitch = pitches
    return row_pitch, slice_pitch
