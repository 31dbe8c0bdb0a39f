"""Copies between host and device, through pinned memory, and within a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import cuda, refused
from accelpool_node.backends.cuda.events import has_ended
from accelpool_node.backends.cuda.objects import CudaBuffer, CudaEvent
from accelpool_wire.codes import ErrorCode


def region_of(routine: str, buffer: CudaBuffer, offset: int, size: int) -> int:
    """Return the address of a region of a buffer.

    Raises:
        LogicError: INVALID_VALUE: it does not lie within.
    """
    if offset < 0 or size <= 0 or offset + size > buffer.size:
        what = f"{size} bytes at {offset} of {buffer.size} bytes"
        raise refused(routine, ErrorCode.INVALID_VALUE, what)
    return buffer.address + offset


def pinned_for(context: CudaContext, size: int) -> Any:
    """Return a block of pinned memory; what copies have done with is taken first."""
    in_flight = context.in_flight
    while in_flight and has_ended(in_flight[0]):
        in_flight.popleft()
    return context.pinned.take(size)


def send(event: CudaEvent, address: int, content: Bytes) -> None:
    """Put a copy of bytes to the device into a command's stream."""
    view = np.frombuffer(content, np.uint8)
    event.block = pinned_for(event.context, view.nbytes)
    staged = event.block[: view.nbytes]
    staged[:] = view
    cuda.memcpy_htod_async(address, staged, stream_of(event))


def bring(event: CudaEvent, address: int, target: Bytes) -> None:
    """Put a copy from the device into a command's stream; its end brings the bytes to `target`."""
    view = np.frombuffer(target, np.uint8)
    event.block = pinned_for(event.context, view.nbytes)
    staged = event.block[: view.nbytes]

    def arrive() -> None:
        view[:] = staged

    cuda.memcpy_dtoh_async(staged, address, stream_of(event))
    event.arrive = arrive


def write_now(context: CudaContext, address: int, content: Bytes) -> None:
    """Copy bytes to the device, and wait for it."""
    view = np.frombuffer(content, np.uint8)
    block, stream = pinned_for(context, view.nbytes), context.take_stream()
    block[: view.nbytes] = view
    cuda.memcpy_htod_async(address, block[: view.nbytes], stream)
    stream.synchronize()
    context.pinned.give(block)
    context.give_stream(stream)


def stream_of(event: CudaEvent) -> Any:
    """Return the stream of a command."""
    assert event.queue is not None, "it is a command's"
    return event.queue.stream


def fill(stream: Any, address: int, pattern: bytes, size: int) -> None:
    """Put the filling of a region, a multiple of the pattern's size, into a stream.

    Patterns that are too long for the driver are written once, and that is copied behind itself until it is
    everywhere: each time twice as much.
    """
    if len(pattern) == 1:
        cuda.memset_d8_async(address, pattern[0], size, stream)
    elif len(pattern) == 2:
        cuda.memset_d16_async(address, int.from_bytes(pattern, "little"), size // 2, stream)
    elif len(pattern) == 4:
        cuda.memset_d32_async(address, int.from_bytes(pattern, "little"), size // 4, stream)
    else:
        words = [int.from_bytes(pattern[place : place + 4], "little") for place in range(0, len(pattern), 4)]
        for place, word in enumerate(words):
            cuda.memset_d32_async(address + 4 * place, word, 1, stream)
        done = len(pattern)
        while done < size:
            more = min(done, size - done)
            cuda.memcpy_dtod_async(address + done, address, more, stream)
            done += more
