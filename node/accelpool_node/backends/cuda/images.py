"""Images and samplers: none. CUDA's textures and surfaces are other things than OpenCL's images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import refused
from accelpool_node.backends.cuda.objects import CudaBuffer, CudaEvent, CudaQueue
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import ImageLayout
from accelpool_wire.messages import ImageFormat


class Images:
    """Images and samplers; none can be made, so nothing else is ever asked for."""

    def supported_image_formats(self, context: CudaContext, flags: int, image_type: int) -> list[ImageFormat]:
        """Return none."""
        return []

    def create_image(
        self,
        context: CudaContext,
        flags: int,
        image_format: ImageFormat,
        layout: ImageLayout,
        content: Bytes | None,
        buffer: CudaBuffer | None,
        row_pitch: int,
    ) -> NoReturn:
        """Refuse."""
        _refuse("clCreateImage")

    def image_size(self, image: CudaBuffer, layout: ImageLayout) -> int:
        """Refuse."""
        _refuse("clGetMemObjectInfo")

    def create_sampler(
        self, context: CudaContext, is_normalized: bool, addressing_mode: int, filter_mode: int
    ) -> NoReturn:
        """Refuse."""
        _refuse("clCreateSampler")

    def enqueue_write_image(
        self,
        queue: CudaQueue,
        image: CudaBuffer,
        content: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Refuse."""
        _refuse("clEnqueueWriteImage")

    def enqueue_read_image(
        self,
        queue: CudaQueue,
        image: CudaBuffer,
        target: Bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Refuse."""
        _refuse("clEnqueueReadImage")

    def enqueue_copy_image(
        self,
        queue: CudaQueue,
        source: CudaBuffer,
        target: CudaBuffer,
        source_origin: Sequence[int],
        target_origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Refuse."""
        _refuse("clEnqueueCopyImage")

    def enqueue_copy_image_to_buffer(
        self,
        queue: CudaQueue,
        image: CudaBuffer,
        buffer: CudaBuffer,
        origin: Sequence[int],
        region: Sequence[int],
        offset: int,
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Refuse."""
        _refuse("clEnqueueCopyImageToBuffer")

    def enqueue_copy_buffer_to_image(
        self,
        queue: CudaQueue,
        buffer: CudaBuffer,
        image: CudaBuffer,
        offset: int,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Refuse."""
        _refuse("clEnqueueCopyBufferToImage")

    def enqueue_fill_image(
        self,
        queue: CudaQueue,
        image: CudaBuffer,
        color: bytes,
        origin: Sequence[int],
        region: Sequence[int],
        wait_for: Sequence[CudaEvent] | None,
    ) -> CudaEvent:
        """Refuse."""
        _refuse("clEnqueueFillImage")


def _refuse(routine: str) -> NoReturn:
    raise refused(routine, ErrorCode.INVALID_OPERATION, "a CUDA device has no images here")
