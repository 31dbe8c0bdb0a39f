"""Making images and samplers: what a client asks for, checked before a driver sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from accelpool_node.backends.base import Backend
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import BufferObject, ContextObject, ImageObject, SamplerObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for
from accelpool_wire.image_layout import (
    IMAGE1D_BUFFER,
    IMAGE2D,
    IMAGE_SUPPORT,
    LIMITS,
    ImageLayout,
    checked_layout,
    devices_with_images,
)

CREATE = "clCreateImage"
FLAGS = (1 << 0 | 1 << 1 | 1 << 2, 1 << 7 | 1 << 8 | 1 << 9)  # of each at most one
USE_HOST_PTR, COPY_HOST_PTR = 1 << 3, 1 << 5
KNOWN_FLAGS = FLAGS[0] | FLAGS[1] | USE_HOST_PTR | 1 << 4 | COPY_HOST_PTR | 1 << 12
ADDRESSING_MODES, FILTER_MODES = range(0x1130, 0x1135), range(0x1140, 0x1142)


class Images:
    """Makes a session's images and samplers.

    Args:
        backend: Where they live.
        holdings: The session's objects.
        reply: Sends answers.
    """

    def __init__(self, backend: Backend, holdings: Holdings, reply: Callable[[m.Message], None]) -> None:
        self._backend = backend
        self._holdings = holdings
        self._reply = reply

    def check_content(self, message: m.CreateImage, size: int) -> None:
        """Refuse a payload that cannot become an image's content, before it is received."""
        context, layout = self._layout(message)
        if size != layout.size or message.buffer:
            what = f"a payload of {size} bytes for an image of {layout.size} bytes"
            raise error_for(CREATE, ErrorCode.INVALID_VALUE, what)
        self._holdings.ledger.check(context, size, CREATE)

    def create_image(self, message: m.CreateImage, content: memoryview | None) -> None:
        """Make an image within the share of each device of its context, or over a buffer."""
        holdings = self._holdings
        holdings.images.claim(message.image, CREATE)
        context, layout = self._layout(message)
        parent = self._parent(message, layout, context) if message.buffer else None
        if parent is None:
            handle, size = self._make_counted(message, context, layout, content)
        else:
            handle, size = self._make(message, context, layout, None, parent.handle), layout.size
            parent.holders += 1
        holdings.images.items[message.image] = ImageObject(
            handle=handle,
            size=size,
            context=context,
            parent=parent,
            format=message.format,
            layout=layout,
            flags=message.flags,
        )

    def _make_counted(
        self, message: m.CreateImage, context: ContextObject, layout: ImageLayout, content: memoryview | None
    ) -> tuple[Any, int]:
        """Return an image with memory of its own, and how much the driver has taken: that is counted."""
        ledger, taken = self._holdings.ledger, layout.size
        ledger.take(context, taken, CREATE)
        try:
            handle = self._make(message, context, layout, content, None)
            padding = self._backend.image_size(handle, layout) - taken
            if content is None:
                self._holdings.zeroing.clear_image(context, handle, layout.extent, CREATE)
            ledger.take(context, padding, CREATE)
        except Exception:
            ledger.give(context, taken)
            raise
        return handle, taken + padding

    def _make(
        self,
        message: m.CreateImage,
        context: ContextObject,
        layout: ImageLayout,
        content: memoryview | None,
        buffer: Any,
    ) -> Any:
        return self._backend.create_image(
            context.handle, message.flags, message.format, layout, content, buffer, message.row_pitch
        )

    def create_sampler(self, message: m.CreateSampler) -> None:
        """Make a sampler."""
        routine = "clCreateSamplerWithProperties"
        self._holdings.samplers.claim(message.sampler, routine)
        context = self._holdings.contexts.get(message.context, routine)
        devices_with_images((share.device.info for share in context.shares), routine)
        addressing, filtering = message.addressing_mode, message.filter_mode
        if addressing not in ADDRESSING_MODES or filtering not in FILTER_MODES:
            what = f"addressing mode {addressing:#x}, filter mode {filtering:#x}"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        handle = self._backend.create_sampler(context.handle, message.is_normalized, addressing, filtering)
        self._holdings.samplers.items[message.sampler] = SamplerObject(handle=handle)

    def get_supported_image_formats(self, message: m.GetSupportedImageFormats, command: int) -> None:
        """Answer with the formats of a type of image; with none where no device has images."""
        routine = "clGetSupportedImageFormats"
        context = self._holdings.contexts.get(message.context, routine)
        if message.image_type not in LIMITS:
            what = f"{message.image_type:#x} is no type of image"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        _check_flags(message.flags, routine)
        formats: list[m.ImageFormat] = []
        if any(share.device.info.get(IMAGE_SUPPORT) for share in context.shares):
            formats = self._backend.supported_image_formats(context.handle, message.flags, message.image_type)
        self._reply(m.ImageFormats(command, formats))

    def _layout(self, message: m.CreateImage) -> tuple[ContextObject, ImageLayout]:
        """Return an image's context and layout, checked against the context's devices."""
        context = self._holdings.contexts.get(message.context, CREATE)
        _check_flags(message.flags, CREATE)
        layout = checked_layout(
            message.image_type,
            message.format.channel_order,
            message.format.channel_type,
            message.extent,
            (share.device.info for share in context.shares),
        )
        if message.image_type == IMAGE1D_BUFFER and not message.buffer:
            raise _refused("a 1D buffer image without a buffer")
        if message.row_pitch and not message.buffer:
            raise _refused("a row pitch without a buffer; pixels come without gaps")
        return context, layout

    def _parent(self, message: m.CreateImage, layout: ImageLayout, context: ContextObject) -> BufferObject:
        """Return the buffer that an image is to be over."""
        parent = self._holdings.buffers.get(message.buffer, CREATE)
        if parent.context is not context:
            raise error_for(CREATE, ErrorCode.INVALID_CONTEXT, f"buffer {message.buffer} is of another one")
        if message.image_type not in (IMAGE1D_BUFFER, IMAGE2D):
            raise _refused("an image over a buffer is a 1D buffer image or a 2D image")
        width, height, _ = layout.extent
        least = width * layout.pixel_bytes
        row_pitch = message.row_pitch or least
        if row_pitch < least or row_pitch % layout.pixel_bytes or row_pitch * height > parent.size:
            what = f"{height} rows of {least} bytes, {row_pitch} apart, over a buffer of {parent.size} bytes"
            raise _refused(what)
        return parent


def _check_flags(flags: int, routine: str) -> None:
    """Refuse flags that exclude each other or are none."""
    if flags < 0 or flags & ~KNOWN_FLAGS or any((flags & choice).bit_count() > 1 for choice in FLAGS):
        raise error_for(routine, ErrorCode.INVALID_VALUE, f"flags {flags:#x} are not possible")


def _refused(what: str) -> Error:
    return error_for(CREATE, ErrorCode.INVALID_IMAGE_DESCRIPTOR, what)
