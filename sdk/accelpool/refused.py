"""What PyOpenCL has and a pool cannot honour: shared virtual memory and pipes. All of it refuses, saying why.

Shared virtual memory is memory that host and device address alike. A pool's host and device are two machines.
Copies of it at both ends, kept alike at mappings and launches, would be no such memory: the addresses within
would be wrong at one end, and to be without these is why programs use it. A pipe exists for kernels that run
at once and has no use without an order that only one driver can keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from accelpool.context import Context
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.memory import MemoryObject
from accelpool.queue import CommandQueue
from accelpool_wire.codes import ErrorCode

Array = np.ndarray[Any, Any]


def _refuse_svm(routine: str) -> NoReturn:
    what = (
        "host and device of a pool are two machines, which share no memory: use a Buffer, "
        "with enqueue_copy or enqueue_map_buffer; Device.svm_capabilities is 0"
    )
    raise LogicError(routine, ErrorCode.INVALID_OPERATION, what)


class SVMPointer:
    """Shared virtual memory, of which a pool has none; here for `isinstance`.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """

    def __init__(self) -> None:
        _refuse_svm("SVMPointer")


class SVM(SVMPointer):
    """Refuses: a pool has no shared virtual memory.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """

    def __init__(self, arg: object, /) -> None:
        _refuse_svm("SVM")


class SVMAllocation(SVMPointer):
    """Refuses: a pool has no shared virtual memory.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """

    def __init__(
        self, context: Context, size: int, alignment: int, flags: int, queue: CommandQueue | None = None
    ) -> None:
        _refuse_svm("clSVMAlloc")


class PooledSVM(SVMPointer):
    """Shared virtual memory of a pool, of which there is none; here for `isinstance`.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """


class SVMAllocator:
    """Refuses: a pool has no shared virtual memory; `accelpool.tools.ImmediateAllocator` makes buffers.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """

    def __init__(
        self, context: Context, alignment: int = 0, flags: int = 1, queue: CommandQueue | None = None
    ) -> None:
        _refuse_svm("clSVMAlloc")


class SVMPool:
    """Refuses: a pool has no shared virtual memory; `accelpool.tools.MemoryPool` keeps buffers.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """

    def __init__(self, allocator: SVMAllocator, leading_bits_in_bin_id: int = 4) -> None:
        _refuse_svm("SVMPool")


class SVMMap:
    """Refuses: a pool has no shared virtual memory.

    Raises:
        LogicError: INVALID_OPERATION, always.
    """

    def __init__(self, svm: SVMPointer, array: Array, queue: CommandQueue, event: Event) -> None:
        _refuse_svm("clEnqueueSVMMap")


def enqueue_svm_memfill(
    queue: CommandQueue,
    dest: SVMPointer,
    pattern: Any,
    byte_count: int | None = None,
    wait_for: WaitList = None,
) -> Event:
    """Refuse: a pool has no shared virtual memory; `enqueue_fill_buffer` fills a buffer."""
    _refuse_svm("clEnqueueSVMMemFill")


def enqueue_svm_migrate_mem(
    queue: CommandQueue, svms: Sequence[SVMPointer], flags: int, wait_for: WaitList = None
) -> Event:
    """Refuse: a pool has no shared virtual memory; `enqueue_migrate_mem_objects` moves buffers."""
    _refuse_svm("clEnqueueSVMMigrateMem")


def svm_empty(
    ctx: Context,
    flags: int,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: str = "C",
    alignment: int | None = None,
    queue: CommandQueue | None = None,
) -> Array:
    """Refuse: a pool has no shared virtual memory; `accelpool.array.empty` is an array on a device."""
    _refuse_svm("clSVMAlloc")


def svm_empty_like(ctx: Context, flags: int, ary: Array, alignment: int | None = None) -> Array:
    """Refuse: a pool has no shared virtual memory; `accelpool.array.empty_like` is an array on a device."""
    _refuse_svm("clSVMAlloc")


def csvm_empty(
    ctx: Context,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: str = "C",
    alignment: int | None = None,
    queue: CommandQueue | None = None,
) -> Array:
    """Refuse: a pool has no shared virtual memory; `accelpool.array.empty` is an array on a device."""
    _refuse_svm("clSVMAlloc")


def csvm_empty_like(ctx: Context, ary: Array, alignment: int | None = None) -> Array:
    """Refuse: a pool has no shared virtual memory; `accelpool.array.empty_like` is an array on a device."""
    _refuse_svm("clSVMAlloc")


def fsvm_empty(
    ctx: Context,
    shape: int | tuple[int, ...],
    dtype: Any,
    order: str = "C",
    alignment: int | None = None,
    queue: CommandQueue | None = None,
) -> Array:
    """Refuse: a pool has no shared virtual memory; `accelpool.array.empty` is an array on a device."""
    _refuse_svm("clSVMAlloc")


def fsvm_empty_like(ctx: Context, ary: Array, alignment: int | None = None) -> Array:
    """Refuse: a pool has no shared virtual memory; `accelpool.array.empty_like` is an array on a device."""
    _refuse_svm("clSVMAlloc")


class Pipe(MemoryObject):
    """Refuses: a pool has no pipes; `Device.pipe_support` is 0.

    Raises:
        LogicError: INVALID_OPERATION, always, as PyOpenCL on a device without pipes.
    """

    __slots__ = ()

    def __init__(
        self,
        context: Context,
        flags: int,
        packet_size: int,
        max_packets: int,
        properties: Sequence[int] = (),
    ) -> None:
        what = "a pool has no pipes: let one kernel write to a Buffer and the next one read it"
        raise LogicError("Pipe", ErrorCode.INVALID_OPERATION, what)


def have_gl() -> bool:
    """Return False: images of OpenGL are in the memory of another machine.

    As in a PyOpenCL without OpenGL, its names are not here.
    """
    return False
