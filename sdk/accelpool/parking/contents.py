"""What is in a session's memory objects, read to this process and made their first content again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
import numpy as np

from accelpool.connections import SessionConnection
from accelpool.constants import mem_flags
from accelpool.errors import ParkingError
from accelpool.parking.journal import Journal, Step
from accelpool_wire import messages as m
from accelpool_wire.image_layout import ImageLayout, pixel_bytes

Content: TypeAlias = "np.ndarray[Any, np.dtype[np.uint8]]"

UNREADABLE = mem_flags.HOST_WRITE_ONLY | mem_flags.HOST_NO_ACCESS
READ_BYTES = 64 << 20


def contents(
    connection: SessionConnection, journal: Journal, keep_bytes: int, new_handle: Callable[[], int]
) -> dict[int, Content]:
    """Return what is in all buffers and images, by their handles.

    Args:
        connection: The session's.
        journal: What there is in it.
        keep_bytes: How much is kept at most.
        new_handle: Returns a handle for a command queue, which is given back.

    Raises:
        ParkingError: That is more, or the host may not read one of them.
    """
    places = {
        step.owner: step.message.devices[0]
        for step in journal.steps()
        if isinstance(step.message, m.CreateContext)
    }
    memories = [step for step in journal.steps() if size_of(step)]
    _check(memories, keep_bytes)
    kept: dict[int, Content] = {}
    for context in dict.fromkeys(step.message.context for step in memories):  # type: ignore[attr-defined]
        queue = new_handle()
        connection.post(m.CreateCommandQueue(queue, context, places[context]))
        mine = [step for step in memories if context in step.needs]
        try:
            kept.update((step.owner, _read(connection, queue, step)) for step in mine)
        finally:
            connection.release(queue)
    return kept


def size_of(step: Step) -> int:
    """Return the bytes of what a step makes; 0 if it is no memory, or another object's."""
    made = step.message
    if isinstance(made, m.CreateBuffer):
        return made.size
    if isinstance(made, m.CreateImage) and not made.buffer:
        return _layout(made).size
    return 0


def filled(step: Step, kept: dict[int, Content]) -> tuple[m.Message, bytes | memoryview | None]:
    """Return the message that makes a step's object with its content, and the content."""
    made, content = step.message, kept.get(step.owner)
    if content is None or not isinstance(made, (m.CreateBuffer, m.CreateImage)):
        return made, step.payload
    flags = made.flags | mem_flags.COPY_HOST_PTR
    return msgspec.structs.replace(made, flags=flags), content.data


def _check(memories: list[Step], keep_bytes: int) -> None:
    for step in memories:
        if step.message.flags & UNREADABLE:  # type: ignore[attr-defined]  # all memory has flags
            raise ParkingError("memory with HOST_WRITE_ONLY or HOST_NO_ACCESS is not for the host to read")
    total = sum(map(size_of, memories))
    if total > keep_bytes:
        raise ParkingError(f"{total:,} bytes are in buffers and images; {keep_bytes:,} are kept at most")


def _read(connection: SessionConnection, queue: int, step: Step) -> Content:
    made, content = step.message, np.empty(size_of(step), np.uint8)
    view = content.data
    if isinstance(made, m.CreateImage):
        whole = m.EnqueueReadImage(queue, made.image, [0, 0, 0], list(made.extent))
        connection.read(whole, view).wait()
        return content
    for start in range(0, content.nbytes, READ_BYTES):
        part = view[start : start + READ_BYTES]
        message = m.EnqueueReadBuffer(queue, step.owner, start, part.nbytes, is_blocking=True)
        connection.read(message, part).wait()
    return content


def _layout(made: m.CreateImage) -> ImageLayout:
    width, height, depth = made.extent
    return ImageLayout(
        image_type=made.image_type,
        pixel_bytes=pixel_bytes(made.format.channel_order, made.format.channel_type),
        extent=(width, height, depth),
    )
