"""Copies between host and device, through pinned memory, and within a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from accelpool_node.backends.base.types import Bytes
from accelpool_node.backends.cuda import streams
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import refused
from accelpool_node.backends.cuda.events import has_ended
from accelpool_node.backends.cuda.objects import CudaBuffer, CudaEvent
from accelpool_wire.codes import ErrorCode

BAND_BYTES = 8 << 20  # of pinned memory at a time: blocks of one size are of use again
WORD_BYTES = 4  # the driver's longest pattern


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
    view, stream = np.frombuffer(content, np.uint8), stream_of(event)
    for start in range(0, view.nbytes, BAND_BYTES):
        band = view[start : start + BAND_BYTES]
        staged = _staged(event, band.nbytes)
        staged[:] = band
        streams.to_device(address + start, staged, stream)


def bring(event: CudaEvent, address: int, target: Bytes) -> None:
    """Put a copy from the device into a command's stream; its end brings the bytes to `target`."""
    view, stream = np.frombuffer(target, np.uint8), stream_of(event)
    bands: list[tuple[Any, Any]] = []
    for start in range(0, view.nbytes, BAND_BYTES):
        band = view[start : start + BAND_BYTES]
        staged = _staged(event, band.nbytes)
        streams.to_host(staged, address + start, stream)
        bands.append((band, staged))

    def arrive() -> None:
        for band, staged in bands:
            band[:] = staged

    event.arrive = arrive


def _staged(event: CudaEvent, size: int) -> Any:
    """Return pinned memory that a command keeps until its end."""
    block = pinned_for(event.context, size)
    event.blocks.append(block)
    return block[:size]


def write_now(context: CudaContext, address: int, content: Bytes) -> None:
    """Copy bytes to the device, and wait for it."""
    view = np.frombuffer(content, np.uint8)
    block, stream = pinned_for(context, view.nbytes), context.take_stream()
    block[: view.nbytes] = view
    streams.to_device(address, block[: view.nbytes], stream)
    stream.synchronize()
    context.pinned.give(block)
    context.give_stream(stream)


def stream_of(event: CudaEvent) -> Any:
    """Return the stream of a command."""
    assert event.queue is not None, "it is a command's"
    return event.queue.stream


def fill(stream: streams.Stream, address: int, pattern: bytes, size: int) -> None:
    """Put the filling of a region, a multiple of the pattern's size, into a stream.

    Patterns that are too long for the driver are written once, and that is copied behind itself until it is
    everywhere: each time twice as much.
    """
    if len(pattern) <= WORD_BYTES:
        streams.set_words(address, pattern, size // len(pattern), stream)
    else:
        for place in range(0, len(pattern), WORD_BYTES):
            streams.set_words(address + place, pattern[place : place + WORD_BYTES], 1, stream)
        done = len(pattern)
        while done < size:
            more = min(done, size - done)
            streams.on_device(address + done, address, more, stream)
            done += more
