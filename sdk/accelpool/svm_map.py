"""Mapping shared virtual memory: where a pointer is, what is mapped there, and its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from accelpool.constants import command_type
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.mapping import BufferPart, MemoryMap, check_map_flags
from accelpool.queue import CommandQueue
from accelpool.session import Session
from accelpool.svm_memory import SharedMemory
from accelpool_wire.codes import ErrorCode

if TYPE_CHECKING:
    from accelpool.svm import SVMPointer

MAP, UNMAP = "clEnqueueSVMMap", "clEnqueueSVMUnmap"


class SVMMap:
    """A mapping, as `SVMPointer.map` returns it; as a context manager it yields the array and releases.

    Attributes:
        svm: What is mapped; None once it is released.
        array: The memory here.
        queue: The queue of the mapping.
        event: The mapping's event.
    """

    def __init__(self, svm: SVMPointer | None, array: Any, queue: CommandQueue, event: Event) -> None:
        self.svm = svm
        self.array = array
        self.queue = queue
        self.event = event

    def release(self, queue: CommandQueue | None = None, wait_for: WaitList = None) -> Event:
        """End the mapping, writing back what it maps if that is what it is for; return the event.

        Args:
            queue: The queue to enqueue to; None for that of the mapping.
            wait_for: Events to wait for.

        Raises:
            LogicError: INVALID_VALUE: it is released already.
        """
        if self.svm is None:
            raise LogicError(UNMAP, ErrorCode.INVALID_VALUE, "the mapping is released already")
        event = self.svm._enqueue_unmap(queue or self.queue, wait_for)
        self.svm = None
        return event

    def __enter__(self) -> Any:
        return self.array

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        svm = getattr(self, "svm", None)
        if svm is not None:
            with contextlib.suppress(LogicError):  # the memory is released
                mapping_of(svm, self.queue)  # dropped, it writes back what it maps before the next command


def place_of(pointer: SVMPointer, session: Session, routine: str) -> tuple[SharedMemory, int]:
    """Return in which of a session's memory a pointer is, and where there.

    Raises:
        LogicError: INVALID_VALUE: in none.
    """
    found = find(pointer, session)
    if found is None:
        what = f"{pointer!r} is no shared virtual memory of this context, or is released"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    return found


def find(pointer: SVMPointer, session: Session) -> tuple[SharedMemory, int] | None:
    """Return in which of a session's memory a pointer is, and where there; None if in none."""
    address = pointer.svm_ptr
    memory = session.shared_memories.find(address, int(pointer.size or 0))
    if memory is None or not memory.buffer._handle:
        return None
    return memory, address - memory.address


def enqueue_map(
    queue: CommandQueue,
    pointer: SVMPointer,
    flags: int,
    size: int | None,
    wait_for: WaitList,
    is_blocking: bool,
) -> Event:
    """Map memory from a pointer on; return the event."""
    memory, offset = place_of(pointer, queue._session, MAP)
    check_map_flags(int(flags), memory.buffer, MAP)
    limit = int(pointer.size or 0)
    size = limit if size is None else size
    if not 0 < size <= limit:
        what = f"user-provided size too large for specified SVM buffer: {size} of {limit} bytes"
        raise LogicError(MAP, ErrorCode.INVALID_VALUE, what)
    content = memory.content[offset : offset + size]
    mapping = MemoryMap(queue, BufferPart(memory.buffer, offset), int(flags), content)
    event = mapping._begin(wait_for, is_blocking)
    event._type = command_type.SVM_MAP
    memory.mappings.setdefault(pointer.svm_ptr, []).append(mapping)
    return event


def mapping_of(pointer: SVMPointer, queue: CommandQueue) -> MemoryMap:
    """Take out the newest mapping that begins at a pointer.

    Raises:
        LogicError: INVALID_VALUE: there is none.
    """
    memory, _ = place_of(pointer, queue._session, UNMAP)
    mappings = memory.mappings.get(pointer.svm_ptr)
    if not mappings:
        raise LogicError(UNMAP, ErrorCode.INVALID_VALUE, f"{pointer!r} is not mapped")
    mapping = mappings.pop()
    if not mappings:
        del memory.mappings[pointer.svm_ptr]
    return mapping
