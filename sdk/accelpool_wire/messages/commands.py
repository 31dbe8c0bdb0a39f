"""What goes through a command queue.

`event` is the handle that the client chose for the command's event, 0 for none.
"""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, Posted, Reply, Synchronous
from accelpool_wire.messages.programs import KernelArg
from accelpool_wire.messages.replies import Done


class EnqueueNDRangeKernel(Posted, frozen=True, tag=20):
    """Launch a kernel; `args`, if any, first become all its arguments, from place 0 on."""

    queue: Handle
    kernel: Handle
    global_size: list[int]
    local_size: list[int] | None = None
    event: Handle = 0
    args: list[KernelArg] | None = None
    wait_for: list[Handle] | None = None
    offset: list[int] | None = None


class EnqueueWriteBuffer(Posted, frozen=True, tag=21):
    """Write the payload to a buffer."""

    has_payload: ClassVar[bool] = True

    queue: Handle
    buffer: Handle
    offset: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class Data(Reply, frozen=True, tag=62):
    """The payload is what EnqueueReadBuffer read; `times` as in EventState."""

    has_payload: ClassVar[bool] = True

    times: list[int] | None = None


class EnqueueReadBuffer(Synchronous, frozen=True, tag=22):
    """Read from a buffer; answered by Data, or Failed, when the command is complete, in any order.

    `is_blocking` says that the client enqueues nothing more on the queue before it has the answer: the worker
    may then send device memory itself, and holds the queue while it does.
    """

    answer: ClassVar[type[Reply]] = Data

    queue: Handle
    buffer: Handle
    offset: int
    size: int
    event: Handle = 0
    wait_for: list[Handle] | None = None
    is_blocking: bool = False


class EnqueueCopyBuffer(Posted, frozen=True, tag=23):
    """Copy between buffers of the session."""

    queue: Handle
    source: Handle
    target: Handle
    source_offset: int
    target_offset: int
    size: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueFillBuffer(Posted, frozen=True, tag=24):
    """Fill a region with a repeated pattern."""

    queue: Handle
    buffer: Handle
    pattern: bytes
    offset: int
    size: int
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueMarker(Posted, frozen=True, tag=25):
    """An event complete when the given ones are, or all before it in the queue."""

    queue: Handle
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueBarrier(Posted, frozen=True, tag=26):
    """As EnqueueMarker, and later commands of the queue wait for it."""

    queue: Handle
    event: Handle = 0
    wait_for: list[Handle] | None = None


class EnqueueMigrateMemObjects(Posted, frozen=True, tag=38):
    """Tell the device of the queue to have memory objects at hand; `flags` is OpenCL's bit field."""

    queue: Handle
    mem_objects: list[Handle]
    flags: int = 0
    event: Handle = 0
    wait_for: list[Handle] | None = None


class Flush(Posted, frozen=True, tag=27):
    """Submit what is enqueued."""

    queue: Handle


class Finish(Synchronous, frozen=True, tag=40):
    """Answered by Done when all commands of the queue are complete, or by Failed."""

    answer: ClassVar[type[Reply]] = Done

    queue: Handle


class Sync(Synchronous, frozen=True, tag=44):
    """Answered by Done once all earlier messages are carried out, or by Failed with the oldest failure."""

    answer: ClassVar[type[Reply]] = Done
