"""Images and samplers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyopencl as cl

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.opencl.core import raw, translated
from accelpool_wire.image_layout import IMAGE1D_ARRAY, ImageLayout
from accelpool_wire.messages import ImageFormat


class Images:
    """Images and samplers."""

    @translated("clGetSupportedImageFormats")
    def supported_image_formats(self, context: Any, flags: int, image_type: int) -> list[ImageFormat]:
        """Ask the driver."""
        found = raw.get_supported_image_formats(context, flags, image_type)
        return [ImageFormat(int(known.channel_order), int(known.channel_data_type)) for known in found]

    @translated("clCreateImage")
    def create_image(
        self,
        context: Any,
        flags: int,
        image_format: ImageFormat,
        layout: ImageLayout,
        content: Bytes | None,
        buffer: Any | None,
        row_pitch: int,
    ) -> Any:
        """Return a `pyopencl.Image`; its pitches are the driver's choice."""
        flags &= ~(cl.mem_flags.USE_HOST_PTR | cl.mem_flags.COPY_HOST_PTR)
        if content is not None:
            flags |= cl.mem_flags.COPY_HOST_PTR
        described: Any = raw.ImageDescriptor()
        described.image_type = layout.image_type
        described.shape = layout.extent
        described.array_size = layout.extent[1 if layout.image_type == IMAGE1D_ARRAY else 2]
        described.pitches = (row_pitch, 0)
        described.num_mip_levels = described.num_samples = 0
        described.buffer = buffer
        known = raw.ImageFormat(image_format.channel_order, image_format.channel_type)
        image = raw.Image(context, flags, known, desc=described, hostbuf=content)
        image.over = buffer  # not every driver keeps it alive
        return image

    @translated("clGetImageInfo")
    def image_size(self, image: Any, layout: ImageLayout) -> int:
        """Ask for the size and the pitches, and believe whatever is the largest."""
        _, height, depth = layout.extent
        layers = height if layout.image_type == IMAGE1D_ARRAY else depth
        size = _told(image.get_info, cl.mem_info.SIZE)
        rows = _told(image.get_image_info, cl.image_info.ROW_PITCH) * height * depth
        slices = _told(image.get_image_info, cl.image_info.SLICE_PITCH) * layers
        return max(layout.size, size, rows, slices)

    @translated("clCreateSamplerWithProperties")
    def create_sampler(
        self, context: Any, is_normalized: bool, addressing_mode: int, filter_mode: int
    ) -> Any:
        """Return a `pyopencl.Sampler`."""
        return raw.Sampler(context, is_normalized, addressing_mode, filter_mode)

    @translated("clEnqueueWriteImage")
    def enqueue_write_image(
        self,
        queue: Any,
        image: Any,
        content: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Write without blocking; the event keeps the content alive, and its end waits for completion."""
        return raw._enqueue_write_image(queue, image, origin, region, content, 0, 0, wait_for, False)

    @translated("clEnqueueReadImage")
    def enqueue_read_image(
        self,
        queue: Any,
        image: Any,
        target: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Read without blocking; the event keeps the target alive, and its end waits for completion."""
        return raw._enqueue_read_image(queue, image, origin, region, target, 0, 0, wait_for, False)

    @translated("clEnqueueCopyImage")
    def enqueue_copy_image(
        self,
        queue: Any,
        source: Any,
        target: Any,
        source_origin: Sequence[int],
        target_origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Copy between images."""
        return raw._enqueue_copy_image(queue, source, target, source_origin, target_origin, region, wait_for)

    @translated("clEnqueueCopyImageToBuffer")
    def enqueue_copy_image_to_buffer(
        self,
        queue: Any,
        image: Any,
        buffer: Any,
        origin: Sequence[int],
        region: Sequence[int],
        offset: int,
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Copy to a buffer."""
        return raw._enqueue_copy_image_to_buffer(queue, image, buffer, origin, region, offset, wait_for)

    @translated("clEnqueueCopyBufferToImage")
    def enqueue_copy_buffer_to_image(
        self,
        queue: Any,
        buffer: Any,
        image: Any,
        offset: int,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Copy from a buffer."""
        return raw._enqueue_copy_buffer_to_image(queue, buffer, image, offset, origin, region, wait_for)

    @translated("clEnqueueFillImage")
    def enqueue_fill_image(
        self,
        queue: Any,
        image: Any,
        color: bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[Any] | None,
    ) -> Any:
        """Fill a region."""
        return raw.enqueue_fill_image(queue, image, color, origin, region, wait_for)


def _told(ask: Callable[[int], int], name: int) -> int:
    """Return an info, or 0 where the driver does not tell it."""
    try:
        return ask(name)
    except cl.Error:
        return 0
