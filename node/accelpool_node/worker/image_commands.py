"""What goes through a command queue to, from and between images; every region is checked here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.bands import Band, Bulk
from accelpool_node.worker.commands import Commands
from accelpool_node.worker.holdings import Holdings, check_region
from accelpool_node.worker.objects import ImageObject, QueueObject
from accelpool_node.worker.transfers import Intake, Outlet
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

COLOR_BYTES = 16


class ImageCommands:
    """Enqueues for one session; every method raises OpenCL's error if a command cannot be enqueued.

    Args:
        backend: Whose queues these are.
        holdings: The session's objects.
        commands: The session's other commands.
    """

    def __init__(self, backend: Backend, holdings: Holdings, commands: Commands) -> None:
        self._backend = backend
        self._holdings = holdings
        self._commands = commands

    def open_write(self, message: m.EnqueueWriteImage, size: int) -> Intake:
        """Return where the payload of a write goes."""
        queue, image, wait_for = self._write_target(message, size)

        def enqueue(view: memoryview, band: Band, waits: Sequence[Any] | None) -> Any:
            return self._backend.enqueue_write_image(
                queue.handle, image.handle, view, band.origin, band.region, waits
            )

        bulk = _bulk(message, image, enqueue)
        return self._commands.open_bulk_write(message, queue, bulk, wait_for, "clEnqueueWriteImage")

    def enqueue_write_image(self, message: m.EnqueueWriteImage, intake: Intake | None, command: int) -> None:
        """Enqueue a write whose payload has arrived."""
        queue = self._write_target(message, intake.size if intake else 0)[0]
        if intake is not None:
            self._commands.end(message, queue, intake.close(), command)

    def _write_target(
        self, message: m.EnqueueWriteImage, size: int
    ) -> tuple[QueueObject, ImageObject, list[Any] | None]:
        routine = "clEnqueueWriteImage"
        image = self._image(message.image, message.origin, message.region, routine)
        expected = image.layout.region_bytes(message.region)
        if size != expected:
            what = f"a payload of {size} bytes for a region of {expected} bytes"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        queue, wait_for = self._commands.begin(message, routine)
        return queue, image, wait_for

    def enqueue_read_image(self, message: m.EnqueueReadImage, command: int) -> Outlet:
        """Enqueue a read; return where its bytes will be."""
        routine = "clEnqueueReadImage"
        image = self._image(message.image, message.origin, message.region, routine)
        queue, wait_for = self._commands.begin(message, routine)

        def enqueue(view: memoryview, band: Band, waits: Sequence[Any] | None) -> Any:
            return self._backend.enqueue_read_image(
                queue.handle, image.handle, view, band.origin, band.region, waits
            )

        bulk = _bulk(message, image, enqueue)
        return self._commands.bulk_read(message, queue, bulk, wait_for, routine, command)

    def enqueue_copy_image(self, message: m.EnqueueCopyImage, command: int) -> None:
        """Copy between images of one format."""
        routine = "clEnqueueCopyImage"
        source = self._image(message.source, message.source_origin, message.region, routine)
        target = self._image(message.target, message.target_origin, message.region, routine)
        if source.format != target.format:
            what = f"image {message.source} has {source.format}, image {message.target} {target.format}"
            raise error_for(routine, ErrorCode.IMAGE_FORMAT_MISMATCH, what)
        if source is target and all(
            abs(one - other) < count
            for one, other, count in zip(
                message.source_origin, message.target_origin, message.region, strict=True
            )
        ):
            what = f"{message.region} from {message.source_origin} to {message.target_origin} overlap"
            raise error_for(routine, ErrorCode.MEM_COPY_OVERLAP, what)
        queue, wait_for = self._commands.begin(message, routine)
        event = self._backend.enqueue_copy_image(
            queue.handle,
            source.handle,
            target.handle,
            message.source_origin,
            message.target_origin,
            message.region,
            wait_for,
        )
        self._commands.end(message, queue, event, command)

    def enqueue_copy_image_to_buffer(self, message: m.EnqueueCopyImageToBuffer, command: int) -> None:
        """Copy a region's pixels to a buffer."""
        routine = "clEnqueueCopyImageToBuffer"
        image = self._image(message.image, message.origin, message.region, routine)
        buffer = self._holdings.buffers.get(message.buffer, routine)
        check_region(buffer, message.offset, image.layout.region_bytes(message.region), routine)
        queue, wait_for = self._commands.begin(message, routine)
        event = self._backend.enqueue_copy_image_to_buffer(
            queue.handle,
            image.handle,
            buffer.handle,
            message.origin,
            message.region,
            message.offset,
            wait_for,
        )
        self._commands.end(message, queue, event, command)

    def enqueue_copy_buffer_to_image(self, message: m.EnqueueCopyBufferToImage, command: int) -> None:
        """Copy a buffer's bytes to a region."""
        routine = "clEnqueueCopyBufferToImage"
        image = self._image(message.image, message.origin, message.region, routine)
        buffer = self._holdings.buffers.get(message.buffer, routine)
        check_region(buffer, message.offset, image.layout.region_bytes(message.region), routine)
        queue, wait_for = self._commands.begin(message, routine)
        event = self._backend.enqueue_copy_buffer_to_image(
            queue.handle,
            buffer.handle,
            image.handle,
            message.offset,
            message.origin,
            message.region,
            wait_for,
        )
        self._commands.end(message, queue, event, command)

    def enqueue_fill_image(self, message: m.EnqueueFillImage, command: int) -> None:
        """Fill a region with a color."""
        routine = "clEnqueueFillImage"
        image = self._image(message.image, message.origin, message.region, routine)
        if len(message.color) != COLOR_BYTES:
            what = f"a color of {len(message.color)} bytes, not {COLOR_BYTES}"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        queue, wait_for = self._commands.begin(message, routine)
        event = self._backend.enqueue_fill_image(
            queue.handle, image.handle, message.color, message.origin, message.region, wait_for
        )
        self._commands.end(message, queue, event, command)

    def _image(self, handle: int, origin: list[int], region: list[int], routine: str) -> ImageObject:
        """Return an image that has a region."""
        image = self._holdings.images.get(handle, routine)
        image.layout.check_region(origin, region, routine)
        return image


def _bulk(
    message: m.EnqueueWriteImage | m.EnqueueReadImage,
    image: ImageObject,
    enqueue: Callable[[memoryview, Band, Sequence[Any] | None], Any],
) -> Bulk:
    size = image.layout.region_bytes(message.region)
    return Bulk(message.origin, message.region, image.layout.pixel_bytes, size, enqueue)
