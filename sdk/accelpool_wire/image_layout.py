"""Images as both ends see them: bytes per pixel, extents, and what a device can have.

An *extent*, an *origin* and a *region* have three numbers, in pixels or layers:

    image            extent
    1D, 1D buffer    [width, 1, 1]
    1D array         [width, layers, 1]
    2D               [width, height, 1]
    2D array         [width, height, layers]
    3D               [width, height, depth]

Between the ends pixels travel without gaps, row after row, whatever pitches there are at either end.

Source: OpenCL 3.0 API specification, clCreateImage and the image copying commands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

IMAGE2D, IMAGE3D, IMAGE2D_ARRAY, IMAGE1D, IMAGE1D_ARRAY, IMAGE1D_BUFFER = range(0x10F1, 0x10F7)
IMAGE_SUPPORT = 0x1016
ROUTINE = "clCreateImage"
AXES = 3

# Numbers of the device infos that limit an image's extent, per axis; None where an image has no such axis.
WIDTH_2D, HEIGHT_2D, WIDTH_3D, HEIGHT_3D, DEPTH_3D = range(0x1011, 0x1016)
BUFFER_PIXELS, LAYERS = 0x1040, 0x1041
LIMITS: dict[int, tuple[int | None, int | None, int | None]] = {
    IMAGE1D: (WIDTH_2D, None, None),
    IMAGE1D_BUFFER: (BUFFER_PIXELS, None, None),
    IMAGE1D_ARRAY: (WIDTH_2D, LAYERS, None),
    IMAGE2D: (WIDTH_2D, HEIGHT_2D, None),
    IMAGE2D_ARRAY: (WIDTH_2D, HEIGHT_2D, LAYERS),
    IMAGE3D: (WIDTH_3D, HEIGHT_3D, DEPTH_3D),
}

# Channels that a pixel has by its channel order, and bytes of a channel by its type.
CHANNELS: dict[int, int] = {
    **dict.fromkeys((0x10B0, 0x10B1, 0x10B8, 0x10B9, 0x10BA, 0x10BD), 1),  # R A INTENSITY LUMINANCE Rx DEPTH
    **dict.fromkeys((0x10B2, 0x10B3, 0x10BB), 2),  # RG RA RGx
    **dict.fromkeys((0x10B4, 0x10BC, 0x10BF), 3),  # RGB RGBx sRGB
    **dict.fromkeys((0x10B5, 0x10B6, 0x10B7, 0x10C0, 0x10C1, 0x10C2, 0x10C3), 4),  # RGBA BGRA ARGB sRGBx ...
}
CHANNEL_BYTES: dict[int, int] = {
    **dict.fromkeys((0x10D0, 0x10D2, 0x10D7, 0x10DA), 1),  # 8 bits
    **dict.fromkeys((0x10D1, 0x10D3, 0x10D8, 0x10DB, 0x10DD), 2),  # 16 bits
    **dict.fromkeys((0x10D9, 0x10DC, 0x10DE), 4),  # 32 bits
}
PACKED_BYTES = {0x10D4: 2, 0x10D5: 2, 0x10D6: 4, 0x10E0: 4}  # all channels in one: 565, 555, 101010, 101010_2


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageLayout:
    """What an image is made of.

    Attributes:
        image_type: OpenCL's number, `IMAGE2D` or another.
        pixel_bytes: Bytes of a pixel.
        extent: Pixels and layers along its three axes.
    """

    image_type: int
    pixel_bytes: int
    extent: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Bytes of all pixels."""
        return math.prod(self.extent) * self.pixel_bytes

    def region_bytes(self, region: Sequence[int]) -> int:
        """Return the bytes of a region's pixels."""
        return math.prod(region) * self.pixel_bytes

    def check_region(self, origin: Sequence[int], region: Sequence[int], routine: str) -> None:
        """Refuse a region that has no pixels, or some beyond the image.

        Raises:
            LogicError: INVALID_VALUE.
        """
        if len(origin) == len(region) == AXES and all(
            first >= 0 and count >= 1 and first + count <= most
            for first, count, most in zip(origin, region, self.extent, strict=True)
        ):
            return
        what = f"a region of {list(region)} from {list(origin)} in an image of {list(self.extent)}"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)


def pixel_bytes(channel_order: int, channel_type: int) -> int:
    """Return the bytes of a pixel of an image format.

    Raises:
        LogicError: INVALID_IMAGE_FORMAT_DESCRIPTOR: OpenCL has no such format.
    """
    count = CHANNELS.get(channel_order)
    size = PACKED_BYTES.get(channel_type) or (count or 0) * CHANNEL_BYTES.get(channel_type, 0)
    if count is None or not size:
        what = f"no image format has channel order {channel_order:#x} and channel type {channel_type:#x}"
        raise error_for(ROUTINE, ErrorCode.INVALID_IMAGE_FORMAT_DESCRIPTOR, what)
    return size


def checked_layout(
    image_type: int,
    channel_order: int,
    channel_type: int,
    extent: Sequence[int],
    devices: Iterable[Mapping[int, Any]],
) -> ImageLayout:
    """Return the layout of an image to be made, if one of some devices can have it.

    Args:
        image_type: OpenCL's number.
        channel_order: Of its format.
        channel_type: Of its format.
        extent: As this module's table says.
        devices: The infos of the context's devices.

    Raises:
        LogicError: INVALID_OPERATION: no device has images; INVALID_IMAGE_DESCRIPTOR: no such type, or an
            extent that its type does not have; INVALID_IMAGE_FORMAT_DESCRIPTOR: no such format;
            INVALID_IMAGE_SIZE: too large for every device.
    """
    able = devices_with_images(devices, ROUTINE)
    limits = LIMITS.get(image_type)
    if limits is None:
        what = f"{image_type:#x} is no type of image"
        raise error_for(ROUTINE, ErrorCode.INVALID_IMAGE_DESCRIPTOR, what)
    size = pixel_bytes(channel_order, channel_type)
    if len(extent) != AXES or any(
        count < 1 or (limit is None and count != 1) for count, limit in zip(extent, limits, strict=True)
    ):
        what = f"an image of type {image_type:#x} cannot be {list(extent)} pixels"
        raise error_for(ROUTINE, ErrorCode.INVALID_IMAGE_DESCRIPTOR, what)
    if not any(_fits(extent, limits, device) for device in able):
        what = f"{list(extent)} pixels are more than any device of the context has in such an image"
        raise error_for(ROUTINE, ErrorCode.INVALID_IMAGE_SIZE, what)
    width, height, depth = extent
    return ImageLayout(image_type=image_type, pixel_bytes=size, extent=(width, height, depth))


def devices_with_images(devices: Iterable[Mapping[int, Any]], routine: str) -> list[Mapping[int, Any]]:
    """Return the infos of those devices that have images and samplers.

    Raises:
        LogicError: INVALID_OPERATION: there are none.
    """
    able = [device for device in devices if device.get(IMAGE_SUPPORT)]
    if not able:
        what = "no device of the context has images (IMAGE_SUPPORT is false)"
        raise error_for(routine, ErrorCode.INVALID_OPERATION, what)
    return able


def _fits(extent: Sequence[int], limits: Sequence[int | None], device: Mapping[int, Any]) -> bool:
    known = [(count, device.get(limit)) for count, limit in zip(extent, limits, strict=True) if limit]
    return all(most is None or count <= most for count, most in known)
