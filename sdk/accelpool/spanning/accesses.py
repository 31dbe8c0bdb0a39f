"""Which memory each command reads and writes.

A kernel reads and writes the memory objects that are its arguments, but only reads those that were made
READ_ONLY, and those whose argument is declared `const`, `__constant` or `read_only`. It may leave parts of
what it writes as they were, so it needs the content; a write, a fill or a copy over the whole of a buffer
does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from accelpool.constants import (
    kernel_arg_access_qualifier,
    kernel_arg_address_qualifier,
    kernel_arg_type_qualifier,
    mem_flags,
    mem_migration_flags,
)
from accelpool_wire import messages as m


class Access(NamedTuple):
    """One use of a memory object or a region of one by a command.

    Attributes:
        memory: Its handle.
        is_write: Whether it is written, perhaps read as well.
        written: Of what is surely written: offset and size in bytes; None if that is not known.
        is_discard: Whether its content may be lost, and nothing else happens to it.
    """

    memory: int
    is_write: bool = False
    written: tuple[int, int] | None = None
    is_discard: bool = False


Accesses: TypeAlias = Sequence[Access]


def _write(message: m.EnqueueWriteBuffer, payload_bytes: int) -> Accesses:
    return [Access(memory=message.buffer, is_write=True, written=(message.offset, payload_bytes))]


def _read(message: m.EnqueueReadBuffer | m.EnqueueReadBufferRect, _: int) -> Accesses:
    return [Access(memory=message.buffer)]


def _copy(message: m.EnqueueCopyBuffer, _: int) -> Accesses:
    written = (message.target_offset, message.size)
    return [
        Access(memory=message.source),
        Access(memory=message.target, is_write=True, written=written),
    ]


def _fill(message: m.EnqueueFillBuffer, _: int) -> Accesses:
    return [Access(memory=message.buffer, is_write=True, written=(message.offset, message.size))]


def _write_image(message: m.EnqueueWriteImage | m.EnqueueFillImage, _: int) -> Accesses:
    return [Access(memory=message.image, is_write=True)]


def _read_image(message: m.EnqueueReadImage, _: int) -> Accesses:
    return [Access(memory=message.image)]


def _copy_region(message: m.EnqueueCopyImage | m.EnqueueCopyBufferRect, _: int) -> Accesses:
    return [Access(memory=message.source), Access(memory=message.target, is_write=True)]


def _image_to_buffer(message: m.EnqueueCopyImageToBuffer, _: int) -> Accesses:
    return [Access(memory=message.image), Access(memory=message.buffer, is_write=True)]


def _buffer_to_image(message: m.EnqueueCopyBufferToImage, _: int) -> Accesses:
    return [Access(memory=message.buffer), Access(memory=message.image, is_write=True)]


def _write_rect(message: m.EnqueueWriteBufferRect, _: int) -> Accesses:
    return [Access(memory=message.buffer, is_write=True)]


def _migrate(message: m.EnqueueMigrateMemObjects, _: int) -> Accesses:
    is_discard = bool(message.flags & mem_migration_flags.CONTENT_UNDEFINED)
    return [Access(memory=handle, is_discard=is_discard) for handle in message.mem_objects]


def _nothing(_: object, __: int) -> Accesses:
    return ()


# Every command of a queue, but launches; one that is not here is refused.
ACCESSES: dict[type[m.Message], Callable[[Any, int], Accesses]] = {
    m.EnqueueWriteBuffer: _write,
    m.EnqueueReadBuffer: _read,
    m.EnqueueCopyBuffer: _copy,
    m.EnqueueFillBuffer: _fill,
    m.EnqueueWriteBufferRect: _write_rect,
    m.EnqueueReadBufferRect: _read,
    m.EnqueueCopyBufferRect: _copy_region,
    m.EnqueueWriteImage: _write_image,
    m.EnqueueReadImage: _read_image,
    m.EnqueueCopyImage: _copy_region,
    m.EnqueueFillImage: _write_image,
    m.EnqueueCopyImageToBuffer: _image_to_buffer,
    m.EnqueueCopyBufferToImage: _buffer_to_image,
    m.EnqueueMigrateMemObjects: _migrate,
    m.EnqueueMarker: _nothing,
    m.EnqueueBarrier: _nothing,
}


def read_only_arguments(info: m.KernelInfo | None) -> list[bool]:
    """Return for each argument of a kernel whether the compiler lets the kernel only read it."""
    if info is None:
        return []
    return [
        arg.address_qualifier == kernel_arg_address_qualifier.CONSTANT
        or arg.access_qualifier == kernel_arg_access_qualifier.READ_ONLY
        or bool(arg.type_qualifier & kernel_arg_type_qualifier.CONST)
        for arg in info.args
    ]


def argument_accesses(
    args: Sequence[m.KernelArg], read_only: Sequence[bool], flags_of: Callable[[int], int | None]
) -> list[Access]:
    """Return what a launch does to the memory objects among its arguments.

    Args:
        args: The arguments as they are sent: ints are handles.
        read_only: As of `read_only_arguments`; empty where the compiler keeps no argument info.
        flags_of: The flags of the memory object of a handle; None where it is none.
    """
    accesses = []
    for index, arg in enumerate(args):
        if isinstance(arg, int) and (flags := flags_of(arg)) is not None:
            is_read_only = bool(flags & mem_flags.READ_ONLY) or (index < len(read_only) and read_only[index])
            accesses.append(Access(memory=arg, is_write=not is_read_only))
    return accesses
