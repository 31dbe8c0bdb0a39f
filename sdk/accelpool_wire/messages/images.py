"""Images and samplers.

An extent, an origin and a region are three numbers, in pixels or layers: `accelpool_wire.image_layout` has
the table. Pixels travel without gaps.
"""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Part, Posted, Reply, Synchronous
from accelpool_wire.messages.commands import Data


class ImageFormat(Part, frozen=True):
    """What a pixel is: OpenCL's channel order and channel type."""

    channel_order: int
    channel_type: int


class CreateImage(Posted, frozen=True, tag=80):
    """Make an image; a payload, if any, is its first content (COPY_HOST_PTR).

    With a `buffer` the image is over that buffer's bytes: a 1D buffer image, or a 2D image with `row_pitch`.
    """

    has_payload: ClassVar[bool] = True

    image: Handle
    context: Handle
    flags: int
    image_type: int
    format: ImageFormat
    extent: list[int]
    buffer: Handle = 0
    row_pitch: int = 0


class CreateSampler(Posted, frozen=True, tag=81):
    """Make a sampler; the modes are OpenCL's numbers."""

    sampler: Handle
    context: Handle
    is_normalized: bool
    addressing_mode: int
    filter_mode: int


class EnqueueWriteImage(Posted, frozen=True, tag=82):
    """Write the payload to a region of an image."""

    has_payload: ClassVar[bool] = True

    queue: Handle
    image: Handle
    origin: list[int]
    region: list[int]
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueReadImage(Synchronous, frozen=True, tag=83):
    """Read a region of an image; answered as EnqueueReadBuffer is."""

    answer: ClassVar[type[Reply]] = Data

    queue: Handle
    image: Handle
    origin: list[int]
    region: list[int]
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueCopyImage(Posted, frozen=True, tag=84):
    """Copy between images of the session."""

    queue: Handle
    source: Handle
    target: Handle
    source_origin: list[int]
    target_origin: list[int]
    region: list[int]
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueCopyImageToBuffer(Posted, frozen=True, tag=85):
    """Copy a region of an image to a buffer, without gaps."""

    queue: Handle
    image: Handle
    buffer: Handle
    origin: list[int]
    region: list[int]
    offset: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueCopyBufferToImage(Posted, frozen=True, tag=86):
    """Copy bytes of a buffer, without gaps, to a region of an image."""

    queue: Handle
    buffer: Handle
    image: Handle
    offset: int
    origin: list[int]
    region: list[int]
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueFillImage(Posted, frozen=True, tag=87):
    """Fill a region with a color: 16 bytes, four floats or ints by the image's format."""

    queue: Handle
    image: Handle
    color: bytes
    origin: list[int]
    region: list[int]
    event: Handle = 0
    wait_for: list[Handle] | None = None


class ImageFormats(Reply, frozen=True, tag=70):
    """The formats that images of a type can have."""

    formats: list[ImageFormat]


class GetSupportedImageFormats(Synchronous, frozen=True, tag=110):
    """Answered by ImageFormats; none where no device has images."""

    answer: ClassVar[type[Reply]] = ImageFormats

    context: Handle
    flags: int
    image_type: int
