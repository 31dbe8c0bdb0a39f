"""Setting kernel arguments: what differs from what is set, checked before a driver can crash on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base import Backend, LocalSize
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.image_args import check_image
from accelpool_node.worker.objects import (
    Argument,
    BufferObject,
    ImageObject,
    KernelObject,
    PartOfWhole,
    SamplerObject,
    SVMObject,
    SVMPlace,
)
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

ROUTINE = "clSetKernelArg"
UNSET = object()
WHOLE = PartOfWhole()
NOUNS = {
    BufferObject: ("a buffer", ErrorCode.INVALID_MEM_OBJECT),
    ImageObject: ("an image", ErrorCode.INVALID_MEM_OBJECT),
    SVMObject: ("shared virtual memory", ErrorCode.INVALID_MEM_OBJECT),
    SamplerObject: ("a sampler", ErrorCode.INVALID_SAMPLER),
}


def set_args(
    backend: Backend,
    holdings: Holdings,
    kernel: KernelObject,
    first: int,
    args: Sequence[m.KernelArg],
    local_limit: int,
) -> None:
    """Set a kernel's arguments from place `first` on, skipping those set to the same value already.

    Args:
        backend: Where the kernel is.
        holdings: The session's objects.
        kernel: Whose arguments.
        first: The place of the first.
        args: What they are set to.
        local_limit: Bytes of local memory that a device has.

    Raises:
        LogicError: INVALID_ARG_INDEX, INVALID_ARG_VALUE, INVALID_ARG_SIZE, INVALID_MEM_OBJECT or
            INVALID_SAMPLER, naming the argument and what was expected.
        RuntimeError: OUT_OF_RESOURCES: more local memory than a device has.
    """
    known, known_buffers = kernel.args, holdings.buffers.items
    for index, arg in enumerate(args, first):
        if type(arg) is int:
            if arg in known_buffers and known.get(index) is known_buffers[arg]:
                continue
        elif known.get(index, UNSET) == arg:
            continue
        known.pop(index, None)
        if type(arg) is m.LocalMemory:
            _check_local(kernel, index, arg.size, local_limit)
        known[index] = _set_arg(backend, holdings, kernel, index, arg)


def set_all_args(
    backend: Backend,
    holdings: Holdings,
    kernel: KernelObject,
    args: Sequence[m.KernelArg],
    local_limit: int,
    routine: str,
) -> None:
    """Set all of a kernel's arguments for a launch.

    Args:
        backend: Where the kernel is.
        holdings: The session's objects.
        kernel: Whose arguments.
        args: What they are set to; of CUDA's kernels, perhaps all parameters in one piece, and shared memory.
        local_limit: Bytes of local memory that a device has.
        routine: What wants them.

    Raises:
        LogicError: INVALID_KERNEL_ARGS: there are more or fewer than the kernel takes; or as `set_args`.
        RuntimeError: As `set_args`.
    """
    count = kernel.info.num_args
    if len(args) == count and not kernel.takes_whole:
        set_args(backend, holdings, kernel, 0, args, local_limit)
        return
    has_shared = kernel.takes_whole and bool(args) and isinstance(args[-1], m.LocalMemory)
    parameters = args[:-1] if has_shared else args
    is_whole = kernel.takes_whole and len(parameters) == 1 and isinstance(parameters[0], bytes)
    if len(parameters) != count and not is_whole:
        what = f"kernel {kernel.info.name} takes {count}, not {len(args)}"
        raise error_for(routine, ErrorCode.INVALID_KERNEL_ARGS, what)
    if is_whole and count == 0:
        _check_empty(kernel, parameters[0], routine)
    elif is_whole and count > 1:
        _set_whole(backend, kernel, parameters[0])
    else:
        set_args(backend, holdings, kernel, 0, parameters, local_limit)
    if has_shared:
        set_args(backend, holdings, kernel, count, args[-1:], local_limit)
    elif kernel.args.pop(count, None) is not None:
        backend.set_kernel_arg(kernel.handle, count, LocalSize(size=0))


def check_args(kernel: KernelObject, routine: str) -> None:
    """Refuse a launch with an argument that is not set, or an object that was released since it was set."""
    args = kernel.args
    if len(args) - (kernel.info.num_args in args) < kernel.info.num_args:
        missing = [index for index in range(kernel.info.num_args) if index not in args]
        what = f"of kernel {kernel.info.name}'s {kernel.info.num_args} arguments these are not set: {missing}"
        raise error_for(routine, ErrorCode.INVALID_KERNEL_ARGS, what)
    for index, arg in args.items():
        if isinstance(arg, SVMPlace):
            arg = arg.svm
        if isinstance(arg, (BufferObject, SamplerObject)) and arg.handle is None:
            noun, code = NOUNS[type(arg)]
            what = f"argument {index} of kernel {kernel.info.name} is {noun} that was released"
            raise error_for(routine, code, what)


def _set_arg(
    backend: Backend, holdings: Holdings, kernel: KernelObject, index: int, arg: m.KernelArg
) -> Argument:
    """Set one argument; return what it is now."""
    info = kernel.info
    is_shared = kernel.takes_whole and index == info.num_args and isinstance(arg, m.LocalMemory)
    if not 0 <= index < info.num_args and not is_shared:
        what = f"kernel {info.name} has {info.num_args} arguments, none at place {index}"
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_INDEX, what)
    if kernel.wanted:
        _check_kind(kernel, index, arg)
    known: Argument
    value: Any
    if isinstance(arg, int):
        known = _object(holdings, kernel, index, arg)
        value = known.handle
    elif isinstance(arg, dict):
        known = value = _svm_place(holdings, info, index, arg)
    else:
        known = arg
        value = LocalSize(size=arg.size) if isinstance(arg, m.LocalMemory) else arg
    try:
        if isinstance(value, SVMPlace):
            backend.set_kernel_arg_svm(kernel.handle, index, value.svm.address + value.offset)
        else:
            backend.set_kernel_arg(kernel.handle, index, value)
    except Error as error:
        what = f"argument {index} of kernel {info.name}: {error.what or _kind_of(arg)}"
        raise error_for(error.routine, error.code, what) from error
    return known


def _set_whole(backend: Backend, kernel: KernelObject, content: m.KernelArg) -> None:
    """Set all parameters in one piece; what each is then, nobody here knows."""
    shared = kernel.args.get(kernel.info.num_args)
    kernel.args.clear()
    if shared is not None:
        kernel.args[kernel.info.num_args] = shared
    try:
        backend.set_kernel_arg(kernel.handle, 0, content)
    except Error as error:
        what = f"the parameters of kernel {kernel.info.name}: {error.what}"
        raise error_for(error.routine, error.code, what) from error
    kernel.args.update(dict.fromkeys(range(kernel.info.num_args), WHOLE))


def _check_empty(kernel: KernelObject, content: m.KernelArg, routine: str) -> None:
    if content:
        what = f"kernel {kernel.info.name} takes no parameters"
        raise error_for(routine, ErrorCode.INVALID_KERNEL_ARGS, what)


def _svm_place(holdings: Holdings, info: m.KernelInfo, index: int, arg: dict[int, int]) -> SVMPlace:
    """Return what a handle and an offset of shared virtual memory name: an address within it."""
    what = f"argument {index} of kernel {info.name}: {arg} is no place in shared virtual memory"
    if len(arg) != 1:
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_VALUE, what)
    ((handle, offset),) = arg.items()
    svm = holdings.buffers.get(handle, ROUTINE)
    if not isinstance(svm, SVMObject) or not 0 <= offset < svm.size:
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_VALUE, what)
    return SVMPlace(svm=svm, offset=offset)


def _object(
    holdings: Holdings, kernel: KernelObject, index: int, handle: int
) -> BufferObject | SamplerObject:
    """Return the object of a handle; of the argument's kind, where that is known."""
    if not kernel.wanted:
        tables = (holdings.images, holdings.samplers)
        found = next((table.items[handle] for table in tables if handle in table.items), None)
        return found or holdings.buffers.get(handle, ROUTINE)
    wanted = kernel.wanted[index]
    if wanted.is_sampler:
        return holdings.samplers.get(handle, ROUTINE)
    if wanted.is_image:
        image = holdings.images.get(handle, ROUTINE)
        check_image(kernel.info, index, image)
        return image
    return holdings.buffers.get(handle, ROUTINE)


def _check_kind(kernel: KernelObject, index: int, arg: m.KernelArg) -> None:
    """Refuse an argument of the wrong kind, or a value of the wrong size: drivers crash on some."""
    wanted = kernel.wanted[index]
    if type(arg) not in wanted.types:
        if wanted.is_sampler:
            code = ErrorCode.INVALID_SAMPLER
        else:
            code = ErrorCode.INVALID_MEM_OBJECT if wanted.is_image else ErrorCode.INVALID_ARG_VALUE
        what = f"{_told(kernel, index)} must be {wanted.noun}, not {_kind_of(arg)}"
        raise error_for(ROUTINE, code, what)
    if type(arg) is bytes and wanted.size not in (None, len(arg)):
        what = f"{_told(kernel, index)} has {wanted.size} bytes, not {len(arg)}"
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_SIZE, what)


def _told(kernel: KernelObject, index: int) -> str:
    known = kernel.info.args[index]
    return f"argument {index} ({known.type_name} {known.name}) of kernel {kernel.info.name}"


def _check_local(kernel: KernelObject, index: int, size: int, limit: int) -> None:
    """Refuse local memory that no device has: drivers crash on it at the launch."""
    what = f"argument {index} of kernel {kernel.info.name}: local memory of {size} bytes, not 1 to {limit}"
    if size <= 0:
        raise error_for(ROUTINE, ErrorCode.INVALID_ARG_SIZE, what)
    if size > limit:
        raise error_for(ROUTINE, ErrorCode.OUT_OF_RESOURCES, what)


def _kind_of(arg: m.KernelArg) -> str:
    if isinstance(arg, bytes):
        return f"a value of {len(arg)} bytes"
    if isinstance(arg, m.LocalMemory):
        return f"local memory of {arg.size} bytes"
    if isinstance(arg, dict):
        return "shared virtual memory"
    return "a null buffer" if arg is None else f"buffer {arg}"
