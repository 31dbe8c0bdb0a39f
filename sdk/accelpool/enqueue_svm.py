"""Copies, fills and migration hints of shared virtual memory: the node's, as kernels see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool.constants import command_type
from accelpool.enqueue import enqueue_copy, enqueue_fill_buffer
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.host import flat_bytes
from accelpool.migration import enqueue_migrate_mem_objects
from accelpool.queue import CommandQueue
from accelpool.svm import SVM, SVMPointer
from accelpool.svm_map import find, place_of
from accelpool_wire.codes import ErrorCode

COPY, FILL, MIGRATE = "_enqueue_svm_memcpy", "enqueue_svm_memfill", "clEnqueueSVMMigrateMem"


def copy_svm(
    queue: CommandQueue,
    dest: Any,
    src: Any,
    *,
    byte_count: int | None = None,
    src_offset: int = 0,
    dst_offset: int = 0,
    is_blocking: bool = True,
    wait_for: WaitList = None,
) -> Event:
    """Copy between shared virtual memory, and between it and host memory; see `enqueue_copy`.

    Raises:
        LogicError: INVALID_VALUE: the two have not the same size, or `byte_count` is larger; neither is
            shared virtual memory of the queue's context.
        TypeError: Neither is a pointer into such memory.
        ValueError: An offset; PyOpenCL knows none here.
    """
    if not isinstance(dest, SVMPointer) and not isinstance(src, SVMPointer):
        raise TypeError("enqueue_copy needs a memory object on one side; NumPy copies from host to host")
    if src_offset or dst_offset:
        raise ValueError(f"{'src' if src_offset else 'dst'}_offset must be 0")
    source, source_size = _side(queue, src, writable=False)
    target, target_size = _side(queue, dest, writable=True)
    size = _size(source_size, target_size, byte_count)
    options: dict[str, Any] = {"wait_for": wait_for}
    if isinstance(source, memoryview) and isinstance(target, memoryview):
        what = f"neither {dest!r} nor {src!r} is shared virtual memory of this context, or it is released"
        raise LogicError(COPY, ErrorCode.INVALID_VALUE, what)
    if isinstance(source, memoryview):
        event = enqueue_copy(queue, target[0].buffer, source[:size], dst_offset=target[1], **options)
    elif isinstance(target, memoryview):
        options["is_blocking"] = is_blocking
        event = enqueue_copy(queue, target[:size], source[0].buffer, src_offset=source[1], **options)
    else:
        options |= {"byte_count": size, "src_offset": source[1], "dst_offset": target[1]}
        event = enqueue_copy(queue, target[0].buffer, source[0].buffer, **options)
    event._type = command_type.SVM_MEMCPY
    return event


def _side(queue: CommandQueue, side: Any, *, writable: bool) -> tuple[Any, int]:
    """Return one side of a copy, memory with an offset or host memory, and its size."""
    if not isinstance(side, SVMPointer):
        content = flat_bytes(side, writable=writable)
        return content, content.nbytes
    size = int(side.size or 0)
    found = find(side, queue._session)
    if found is None and isinstance(side, SVM):
        return flat_bytes(side.mem, writable=writable), size
    return found or place_of(side, queue._session, COPY), size


def _size(source: int, target: int, byte_count: int | None) -> int:
    if byte_count is None and source != target:
        what = "sizes of source and destination buffer do not match"
        raise LogicError(COPY, ErrorCode.INVALID_VALUE, f"{what}: {source} and {target} bytes")
    size = min(source, target) if byte_count is None else byte_count
    if not 0 < size <= min(source, target):
        what = "specified byte_count larger than size of source or destination buffers"
        raise LogicError(COPY, ErrorCode.INVALID_VALUE, f"{what}, or nothing to copy: {size} bytes")
    return size


def enqueue_svm_memfill(
    queue: CommandQueue,
    dest: Any,
    pattern: Any,
    byte_count: int | None = None,
    wait_for: WaitList = None,
) -> Event:
    """Fill shared virtual memory with a repeated pattern.

    Args:
        queue: The queue to enqueue to.
        dest: An `SVMPointer`, or an array in shared virtual memory.
        pattern: 1, 2, 4, ... or 128 bytes: a NumPy scalar, an array, bytes.
        byte_count: How many bytes to fill; None for all.
        wait_for: Events to wait for.

    Raises:
        LogicError: INVALID_VALUE: no such memory, or a pattern or size that is not possible.

    Source: OpenCL 3.0 API, clEnqueueSVMMemFill.
    """
    pointer = dest if isinstance(dest, SVMPointer) else SVM(dest)
    memory, offset = place_of(pointer, queue._session, FILL)
    size = int(pointer.size or 0)
    if byte_count is not None and byte_count > size:
        what = f"byte_count too large for specified SVM buffer: {byte_count} of {size} bytes"
        raise LogicError(FILL, ErrorCode.INVALID_VALUE, what)
    event = enqueue_fill_buffer(
        queue, memory.buffer, pattern, offset, size if byte_count is None else byte_count, wait_for
    )
    event._type = command_type.SVM_MEMFILL
    return event


def fill_svm(
    queue: CommandQueue, dest: Any, pattern: Any, size: int, offset: int, wait_for: WaitList
) -> Event:
    """Fill what a pointer points to; see `enqueue_fill`."""
    if not isinstance(dest, SVMPointer):
        raise TypeError(f"enqueue_fill does not know how to fill '{type(dest)}'")
    if offset:
        raise NotImplementedError("enqueue_fill with SVM does not yet support offsets")
    return enqueue_svm_memfill(queue, dest, pattern, size, wait_for)


def enqueue_svm_migrate_mem(
    queue: CommandQueue, svms: Sequence[Any], flags: int, wait_for: WaitList = None
) -> Event:
    """Have the queue's device bring shared virtual memory to itself before commands need it: a hint.

    Args:
        queue: The queue to enqueue to.
        svms: One `SVMPointer`, or array in shared virtual memory, or more; each stands for all of its
            allocation.
        flags: Bits of `mem_migration_flags`.
        wait_for: Events to wait for.

    Raises:
        LogicError: INVALID_VALUE: no such memory, or unknown flags.

    Source: OpenCL 3.0 API, clEnqueueSVMMigrateMem.
    """
    pointers = [svm if isinstance(svm, SVMPointer) else SVM(svm) for svm in svms]
    places = [place_of(pointer, queue._session, MIGRATE) for pointer in pointers]
    buffers = list({memory.address: memory.buffer for memory, _ in places}.values())
    event = enqueue_migrate_mem_objects(queue, buffers, int(flags or 0), wait_for)
    event._type = command_type.SVM_MIGRATE_MEM
    return event
