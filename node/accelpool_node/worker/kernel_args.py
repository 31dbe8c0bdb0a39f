"""Setting kernel arguments: what differs from what is set, checked before a driver can crash on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base import Backend, LocalSize
from accelpool_node.worker.objects import BufferObject, KernelObject, Table
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

ROUTINE = "clSetKernelArg"
GLOBAL, LOCAL, CONSTANT, PRIVATE = 0x119B, 0x119C, 0x119D, 0x119E
EXPECTED = {GLOBAL: "a buffer", CONSTANT: "a buffer", LOCAL: "local memory", PRIVATE: "a value"}


def set_args(
    backend: Backend,
    buffers: Table[BufferObject],
    kernel: KernelObject,
    first: int,
    args: Sequence[m.KernelArg],
) -> None:
    """Set a kernel's arguments from place `first` on, skipping those set to the same value already.

    Raises:
        LogicError: INVALID_ARG_INDEX, INVALID_ARG_VALUE, INVALID_ARG_SIZE or INVALID_MEM_OBJECT, naming the
            argument and what was expected.
    """
    known = kernel.args
    for index, arg in enumerate(args, first):
        if index in known and known[index] == arg and type(known[index]) is type(arg):
            continue
        known.pop(index, None)
        _set_arg(backend, buffers, kernel, index, arg)
        known[index] = arg


def check_buffers(buffers: Table[BufferObject], kernel: KernelObject, routine: str) -> None:
    """Refuse a launch whose arguments name buffers that were released since they were set."""
    for index, arg in kernel.args.items():
        if type(arg) is int and arg not in buffers.items:
            what = f"argument {index} of kernel {kernel.info.name} is a buffer that was released"
            raise error_for(routine, ErrorCode.INVALID_MEM_OBJECT, what)


def _set_arg(
    backend: Backend, buffers: Table[BufferObject], kernel: KernelObject, index: int, arg: m.KernelArg
) -> None:
    info = kernel.info
    if not 0 <= index < info.num_args:
        what = f"kernel {info.name} has {info.num_args} arguments, none at place {index}"
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_INDEX, what)
    if info.args:
        _check_kind(info, index, arg)
    if isinstance(arg, int):
        value: Any = buffers.get(arg, ROUTINE).handle
    elif isinstance(arg, m.LocalMemory):
        value = LocalSize(size=arg.size)
    else:
        value = arg
    try:
        backend.set_kernel_arg(kernel.handle, index, value)
    except Error as error:
        what = f"argument {index} of kernel {info.name}: {error.what or _kind_of(arg)}"
        raise error_for(error.routine, error.code, what) from error


def _check_kind(info: m.KernelInfo, index: int, arg: m.KernelArg) -> None:
    """Refuse an argument of the wrong kind: drivers crash on some."""
    known = info.args[index]
    fits = {
        GLOBAL: isinstance(arg, int) or arg is None,
        CONSTANT: isinstance(arg, int) or arg is None,
        LOCAL: isinstance(arg, m.LocalMemory),
        PRIVATE: isinstance(arg, bytes),
    }
    if not fits.get(known.address_qualifier, True):
        what = (
            f"argument {index} ({known.type_name} {known.name}) of kernel {info.name} must be "
            f"{EXPECTED[known.address_qualifier]}, not {_kind_of(arg)}"
        )
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_VALUE, what)


def _kind_of(arg: m.KernelArg) -> str:
    if isinstance(arg, bytes):
        return f"a value of {len(arg)} bytes"
    if isinstance(arg, m.LocalMemory):
        return f"local memory of {arg.size} bytes"
    return "a null buffer" if arg is None else f"buffer {arg}"
