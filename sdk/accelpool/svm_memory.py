"""Shared virtual memory, coarse-grained: one memory on the node and one here, at the same address.

They agree where OpenCL has the two sides of coarse-grained memory agree, and nowhere else: at mappings and at
their ends. `accelpool.svm` is what users see of it.
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from accelpool.constants import device_info, device_svm_capabilities, mem_flags, svm_mem_flags
from accelpool.context import Context
from accelpool.errors import Error, LogicError, MemoryError, RuntimeError
from accelpool.mapping import MemoryMap
from accelpool.memory import Buffer
from accelpool.spanning.parts import SpanningStats
from accelpool.svm_mirror import IS_POSSIBLE, PAGE_BYTES, AddressTaken, Mirror, paged
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

ROUTINE = "clSVMAlloc"
TRIES = 8
MAX_ALIGNMENT = 65536
MAX_ALLOCATIONS = 16384  # of a session: Linux gives a process some 65000 mappings
ACCESSES = (svm_mem_flags.READ_WRITE, svm_mem_flags.WRITE_ONLY, svm_mem_flags.READ_ONLY)
FINE = svm_mem_flags.SVM_FINE_GRAIN_BUFFER | svm_mem_flags.SVM_ATOMICS


class SharedMemory:
    """An allocation.

    Attributes:
        buffer: The node's side, a buffer.
        content: This side, of the same bytes: its address is the node's.
        address: That of the first byte, at both ends.
        mappings: What is mapped, by address.
    """

    __slots__ = ("__weakref__", "address", "buffer", "content", "mappings")

    def __init__(self, buffer: Buffer, content: np.ndarray[Any, np.dtype[np.uint8]], address: int) -> None:
        self.buffer: Buffer = buffer
        self.content: np.ndarray[Any, np.dtype[np.uint8]] = content
        self.address: int = address
        self.mappings: dict[int, list[MemoryMap]] = {}


def allocate(context: Context, flags: int, size: int, alignment: int) -> SharedMemory:
    """Return new memory at an address that is free at both ends: one round trip, rarely more.

    Raises:
        MemoryError: MEM_OBJECT_ALLOCATION_FAILURE: the lease has no such memory left, or no address that the
            node had is free here.
        RuntimeError: OUT_OF_RESOURCES: the driver has no such memory, or none so aligned.
        LogicError: INVALID_OPERATION: there is none here, or none so fine-grained, and why; INVALID_VALUE.
        RemoteProtocolError: The node told an address that cannot be one.
    """
    flags, alignment = _checked(context, int(flags), size, alignment)
    session = context._session
    taken: list[str] = []
    handles: list[int] = []
    try:
        while len(handles) < TRIES:
            handle = session.new_handle()
            handles.append(handle)
            message = m.CreateSVM(handle, context._handle, flags, paged(size), alignment)
            try:
                address = session.ask(message, m.SVMCreated).address
                content = Mirror(address, size).content()
            except AddressTaken as why:
                taken.append(str(why))  # it stays held meanwhile: the next one is elsewhere
                continue
            except builtins.MemoryError as error:
                raise MemoryError(ROUTINE, ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, str(error)) from error
            handles.pop()
            memory = SharedMemory(_buffer(context, flags, size, handle, content), content, address)
            session.shared_memories.add(memory)
            return memory
    except Error as error:
        if not taken:
            raise
        raise _nowhere(size, taken) from error
    finally:
        for handle in handles:
            session.release(handle)
    raise _nowhere(size, taken)


def _nowhere(size: int, taken: list[str]) -> MemoryError:
    tried = "; ".join(taken)
    what = f"no address that the node had for {size} bytes is free in this process ({tried}); "
    what += "another lease has others"
    return MemoryError(ROUTINE, ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, what)


def _buffer(context: Context, flags: int, size: int, handle: int, content: Any) -> Buffer:
    """Return what commands take: a buffer that was made by another message, and is mapped to `content`."""
    buffer = Buffer.__new__(Buffer)
    buffer._session = context._session
    buffer._context = context
    buffer._flags = flags | mem_flags.USE_HOST_PTR
    buffer._origin = 0
    buffer._parent = None
    buffer._size = size
    buffer._host_memory = None
    buffer._map_count = 0
    buffer._hostbuf = content
    buffer._handle = handle
    return buffer


def _checked(context: Context, flags: int, size: int, alignment: int) -> tuple[int, int]:
    """Return the access flags and the alignment to ask for."""
    if flags & FINE:
        what = (
            "host and device of a pool are two machines: what one writes reaches the other at a mapping, and "
            "not before; coarse-grained memory is possible (csvm_empty)"
        )
        raise LogicError(ROUTINE, ErrorCode.INVALID_OPERATION, what)
    for device in context.devices:
        capabilities = int(device._info.get(device_info.SVM_CAPABILITIES) or 0)
        if not capabilities & device_svm_capabilities.COARSE_GRAIN_BUFFER:
            raise LogicError(ROUTINE, ErrorCode.INVALID_OPERATION, f"{device!r}: {_why_none(context)}")
    flags = flags or svm_mem_flags.READ_WRITE
    if flags not in ACCESSES:
        what = f"flags {svm_mem_flags.to_string(flags, '%#x')}: READ_WRITE, WRITE_ONLY or READ_ONLY"
        raise LogicError(ROUTINE, ErrorCode.INVALID_VALUE, what)
    largest = context._max_alloc_bytes
    if largest and size > largest:
        what = f"{size} bytes; {largest} are possible"
        raise RuntimeError(ROUTINE, ErrorCode.OUT_OF_RESOURCES, what)
    if not 0 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        what = f"an alignment of {alignment} bytes; 0 and powers of two up to {MAX_ALIGNMENT} are possible"
        raise RuntimeError(ROUTINE, ErrorCode.OUT_OF_RESOURCES, what)
    if len(context._session.shared_memories) >= MAX_ALLOCATIONS:
        what = f"a session has {MAX_ALLOCATIONS} allocations of shared virtual memory at most"
        raise MemoryError(ROUTINE, ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE, what)
    return flags, max(alignment, PAGE_BYTES)


def _why_none(context: Context) -> str:
    """Return why a device of a context has no shared virtual memory."""
    if not IS_POSSIBLE:
        return "shared virtual memory needs Linux and 64 bits here"
    if isinstance(context._session.connection.stats, SpanningStats):
        return "over several nodes there is no shared virtual memory; devices of one node may have it"
    return "its driver, or its node, has no coarse-grained shared virtual memory: use a Buffer"
