"""Telling devices which memory objects they will need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from accelpool.constants import command_type, mem_migration_flags
from accelpool.device import Platform
from accelpool.enqueue import enqueue_marker, usable
from accelpool.errors import LogicError
from accelpool.event import Event, WaitList
from accelpool.memory import MemoryObjectHolder
from accelpool.objects import wait_list
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

KNOWN = mem_migration_flags.HOST | mem_migration_flags.CONTENT_UNDEFINED


def enqueue_migrate_mem_objects(
    queue: CommandQueue,
    mem_objects: Sequence[MemoryObjectHolder],
    flags: int = 0,
    wait_for: WaitList = None,
) -> Event:
    """Have the queue's device bring memory objects to itself ahead of the commands that need them: a hint.

    Args:
        queue: The queue to enqueue to.
        mem_objects: One memory object or more of its context.
        flags: Bits of `mem_migration_flags`. With HOST nothing moves: the content stays with the node, and
            the event is that of a marker.
        wait_for: Events to wait for.

    Raises:
        LogicError: INVALID_VALUE: no memory objects, or too many, or unknown flags; INVALID_CONTEXT: one of
            another context; INVALID_MEM_OBJECT: one that is released.

    Source: OpenCL 3.0 API, clEnqueueMigrateMemObjects.
    """
    routine, flags = "clEnqueueMigrateMemObjects", int(flags)
    handles = [usable(queue, mem_object, routine) for mem_object in mem_objects]
    session = queue._session
    most = session.connection.limits.wait_list
    if not 1 <= len(handles) <= most or flags & ~KNOWN:
        what = f"{len(handles)} memory objects with flags {flags:#x}; 1 to {most} and {KNOWN:#x} are possible"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    if flags & mem_migration_flags.HOST:
        event = enqueue_marker(queue, wait_for)
        event._type = command_type.MIGRATE_MEM_OBJECTS
        return event
    waits = wait_list(wait_for, session, routine)
    handle = session.new_handle()
    session.post(m.EnqueueMigrateMemObjects(queue._handle, handles, flags, handle, waits))
    return Event(session, handle, queue, command_type.MIGRATE_MEM_OBJECTS)


def enqueue_copy_buffer_p2p_amd(
    platform: Platform,  # noqa: ARG001 - none of them can matter
    queue: CommandQueue,  # noqa: ARG001
    src: MemoryObjectHolder,  # noqa: ARG001
    dst: MemoryObjectHolder,  # noqa: ARG001
    byte_count: int | None = None,  # noqa: ARG001
    wait_for: WaitList = None,  # noqa: ARG001
) -> NoReturn:
    """Refuse, as PyOpenCL does where the driver has no cl_amd_copy_buffer_p2p; use `enqueue_copy`.

    Raises:
        LogicError: INVALID_VALUE, always.
    """
    what = "clEnqueueCopyBufferP2PAMD is not available; enqueue_copy copies between buffers"
    raise LogicError("clGetExtensionFunctionAddressForPlatform", ErrorCode.INVALID_VALUE, what)
