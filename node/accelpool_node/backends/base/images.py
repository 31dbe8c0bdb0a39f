"""A backend's part of images and samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelpool_node.backends.base.types import Bytes, Context, Event, Memory, Queue, Sampler
from accelpool_wire.image_layout import ImageLayout
from accelpool_wire.messages import ImageFormat


class Images(Protocol):
    """Of a backend: images and samplers.

    Extents, origins and regions have three numbers, and callers have checked them against the image's layout;
    host memory has a region's pixels without gaps. See `accelpool_wire.image_layout`.
    """

    def supported_image_formats(self, context: Context, flags: int, image_type: int) -> list[ImageFormat]:
        """Return the formats that images of a type can have."""
        ...

    def create_image(
        self,
        context: Context,
        flags: int,
        image_format: ImageFormat,
        layout: ImageLayout,
        content: Bytes | None,
        buffer: Memory | None,
        row_pitch: int,
    ) -> Memory:
        """Return an image, holding `content` at first if given, or over a buffer's bytes."""
        ...

    def image_size(self, image: Memory, layout: ImageLayout) -> int:
        """Return the bytes that an image takes, the driver's padding included as far as it is told."""
        ...

    def create_sampler(
        self, context: Context, is_normalized: bool, addressing_mode: int, filter_mode: int
    ) -> Sampler:
        """Return a sampler."""
        ...

    def enqueue_write_image(
        self,
        queue: Queue,
        image: Memory,
        content: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Write a region; `content` stays untouched by the caller until the event is complete."""
        ...

    def enqueue_read_image(
        self,
        queue: Queue,
        image: Memory,
        target: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Read a region into `target` by the time the event is complete."""
        ...

    def enqueue_copy_image(
        self,
        queue: Queue,
        source: Memory,
        target: Memory,
        source_origin: Sequence[int],
        target_origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Copy between images of one format."""
        ...

    def enqueue_copy_image_to_buffer(
        self,
        queue: Queue,
        image: Memory,
        buffer: Memory,
        origin: Sequence[int],
        region: Sequence[int],
        offset: int,
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Copy a region's pixels to a buffer."""
        ...

    def enqueue_copy_buffer_to_image(
        self,
        queue: Queue,
        buffer: Memory,
        image: Memory,
        offset: int,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Copy a buffer's bytes to a region."""
        ...

    def enqueue_fill_image(
        self,
        queue: Queue,
        image: Memory,
        color: bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Event] | None,
    ) -> Event:
        """Fill a region with a color: 16 bytes, four floats, ints or unsigned ints by the image's format."""
        ...
