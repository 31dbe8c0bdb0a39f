"""Copies and fills of device memory, by address.

    host → device     posted; the bytes are with the socket when the call returns: the source may change
    device → host     a round trip; with `_async` into page-locked memory none: in place after the stream
    device → device   posted
    fills             posted

As with CUDA's own driver, an asynchronous copy into memory that is not page-locked has the bytes in place
when it returns.
"""

from __future__ import annotations

import operator
from typing import Any

from accelpool.cuda.contexts import current
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.host_memory import is_pagelocked
from accelpool.cuda.streams import Stream
from accelpool.host import flat_bytes
from accelpool_wire import messages as m


def memcpy_htod(dest: Any, src: Any) -> None:
    """Copy host memory to device memory.

    Args:
        dest: An address, or anything that has one.
        src: Anything contiguous with the buffer protocol; all of it is copied.

    Raises:
        LogicError: CUDA_ERROR_INVALID_VALUE: it does not fit in what is at the address.
    """
    memcpy_htod_async(dest, src)


def memcpy_htod_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    """As `memcpy_htod`, in a stream; `src` may be changed at once."""
    routine, content = "cuMemcpyHtoD", flat_bytes(src)
    if not content.nbytes:
        return
    context = current(routine)
    lane, lanes = context._lane(stream, routine), context._lanes
    buffer, offset = context._addresses.find(operator.index(dest), content.nbytes, routine)
    with calling(routine), lanes.lock:
        waits = lanes.before(lane)
        message = m.EnqueueWriteBuffer(lane.queue._handle, buffer._use(routine), offset, 0, waits)
        context._lower._session.post(message, content)


def memcpy_dtoh(dest: Any, src: Any) -> None:
    """Copy device memory to host memory: one round trip.

    Args:
        dest: Writable and contiguous, with the buffer protocol; all of it is filled.
        src: An address, or anything that has one.

    Raises:
        LogicError: CUDA_ERROR_INVALID_VALUE: there is not so much at the address.
        Error: A command before it failed, and how.
    """
    _read(dest, src, None, is_blocking=True)


def memcpy_dtoh_async(dest: Any, src: Any, stream: Stream | None = None) -> None:
    """As `memcpy_dtoh`, in a stream; into page-locked memory, without waiting."""
    _read(dest, src, stream, is_blocking=not is_pagelocked(dest))


def _read(dest: Any, src: Any, stream: Stream | None, is_blocking: bool) -> None:
    routine, into = "cuMemcpyDtoH", flat_bytes(dest, writable=True)
    if not into.nbytes:
        return
    context = current(routine)
    lane, lanes, session = context._lane(stream, routine), context._lanes, context._lower._session
    buffer, offset = context._addresses.find(operator.index(src), into.nbytes, routine)
    with calling(routine):
        with lanes.lock:
            waits = lanes.before(lane)
            event = 0 if is_blocking else session.new_handle()
            handles = (lane.queue._handle, buffer._use(routine))
            message = m.EnqueueReadBuffer(
                *handles, offset, into.nbytes, event, waits, is_blocking=is_blocking
            )
            pending = session.read(message, into)
        if event:
            session.release(event)  # its number still says what comes before what
            return
        session.finish_read(pending)
        lanes.finish_reads(lane)


def memcpy_dtod(dest: Any, src: Any, size: int) -> None:
    """Copy within device memory.

    Args:
        dest: An address, or anything that has one.
        src: Likewise.
        size: In bytes.

    Raises:
        LogicError: CUDA_ERROR_INVALID_VALUE: one of them has not so much.
    """
    memcpy_dtod_async(dest, src, size)


def memcpy_dtod_async(dest: Any, src: Any, size: int, stream: Stream | None = None) -> None:
    """As `memcpy_dtod`, in a stream."""
    routine, count = "cuMemcpyDtoD", operator.index(size)
    if not count:
        return
    context = current(routine)
    lane, lanes = context._lane(stream, routine), context._lanes
    source, source_offset = context._addresses.find(operator.index(src), count, routine)
    target, target_offset = context._addresses.find(operator.index(dest), count, routine)
    with calling(routine), lanes.lock:
        waits = lanes.before(lane)
        handles = (lane.queue._handle, source._use(routine), target._use(routine))
        context._lower._session.post(
            m.EnqueueCopyBuffer(*handles, source_offset, target_offset, count, 0, waits)
        )


def memset_d8(dest: Any, data: int, size: int) -> None:
    """Set bytes.

    Args:
        dest: An address, or anything that has one.
        data: What each becomes.
        size: How many.
    """
    _fill("cuMemsetD8", dest, data, size, 1, None)


def memset_d16(dest: Any, data: int, size: int) -> None:
    """As `memset_d8`, of `size` numbers of 2 bytes."""
    _fill("cuMemsetD16", dest, data, size, 2, None)


def memset_d32(dest: Any, data: int, size: int) -> None:
    """As `memset_d8`, of `size` numbers of 4 bytes."""
    _fill("cuMemsetD32", dest, data, size, 4, None)


def memset_d8_async(dest: Any, data: int, size: int, stream: Stream | None = None) -> None:
    """As `memset_d8`, in a stream."""
    _fill("cuMemsetD8Async", dest, data, size, 1, stream)


def memset_d16_async(dest: Any, data: int, size: int, stream: Stream | None = None) -> None:
    """As `memset_d16`, in a stream."""
    _fill("cuMemsetD16Async", dest, data, size, 2, stream)


def memset_d32_async(dest: Any, data: int, size: int, stream: Stream | None = None) -> None:
    """As `memset_d32`, in a stream."""
    _fill("cuMemsetD32Async", dest, data, size, 4, stream)


def memset_d2d8(dest: Any, pitch: int, data: int, width: int, height: int) -> None:
    """Set rows of bytes.

    Args:
        dest: The address of the first row.
        pitch: Bytes from a row to the next.
        data: What each number becomes.
        width: Numbers of a row.
        height: How many rows.
    """
    _fill_rows("cuMemsetD2D8", dest, pitch, data, width, height, 1)


def memset_d2d16(dest: Any, pitch: int, data: int, width: int, height: int) -> None:
    """As `memset_d2d8`, of numbers of 2 bytes."""
    _fill_rows("cuMemsetD2D16", dest, pitch, data, width, height, 2)


def memset_d2d32(dest: Any, pitch: int, data: int, width: int, height: int) -> None:
    """As `memset_d2d8`, of numbers of 4 bytes."""
    _fill_rows("cuMemsetD2D32", dest, pitch, data, width, height, 4)


def memset_d2d8_async(
    dest: Any, pitch: int, data: int, width: int, height: int, stream: Stream | None = None
) -> None:
    """As `memset_d2d8`, in a stream."""
    _fill_rows("cuMemsetD2D8Async", dest, pitch, data, width, height, 1, stream)


def memset_d2d16_async(
    dest: Any, pitch: int, data: int, width: int, height: int, stream: Stream | None = None
) -> None:
    """As `memset_d2d16`, in a stream."""
    _fill_rows("cuMemsetD2D16Async", dest, pitch, data, width, height, 2, stream)


def memset_d2d32_async(
    dest: Any, pitch: int, data: int, width: int, height: int, stream: Stream | None = None
) -> None:
    """As `memset_d2d32`, in a stream."""
    _fill_rows("cuMemsetD2D32Async", dest, pitch, data, width, height, 4, stream)


def _fill_rows(
    routine: str,
    dest: Any,
    pitch: int,
    data: int,
    width: int,
    height: int,
    width_bytes: int,
    stream: Stream | None = None,
) -> None:
    if pitch == width * width_bytes:
        _fill(routine, dest, data, width * height, width_bytes, stream)
        return
    for row in range(height):
        _fill(routine, operator.index(dest) + row * pitch, data, width, width_bytes, stream)


def _fill(routine: str, dest: Any, data: int, size: int, width_bytes: int, stream: Stream | None) -> None:
    number = operator.index(data)
    if not -(1 << 8 * width_bytes - 1) <= number < 1 << 8 * width_bytes:
        raise OverflowError(f"{routine}: {number} is no number of {width_bytes} bytes")
    pattern = (number % (1 << 8 * width_bytes)).to_bytes(width_bytes, "little")
    address, count = operator.index(dest), operator.index(size) * width_bytes
    context = current(routine)
    lane, lanes = context._lane(stream, routine), context._lanes
    if not count:
        return
    buffer, offset = context._addresses.find(address, count, routine)
    if offset % width_bytes:
        raise failed(routine, "INVALID_VALUE", f"{address:#x} is no multiple of {width_bytes} bytes")
    with calling(routine), lanes.lock:
        waits = lanes.before(lane)
        handles = (lane.queue._handle, buffer._use(routine))
        context._lower._session.post(m.EnqueueFillBuffer(*handles, pattern, offset, count, 0, waits))


def to_device(bf_obj: Any) -> Any:
    """Return new device memory with the content of host memory."""
    from accelpool.cuda.allocations import mem_alloc

    content = memoryview(bf_obj).tobytes()
    made = mem_alloc(len(content))
    memcpy_htod(made, content)
    return made
