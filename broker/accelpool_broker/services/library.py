"""Launches of the kernel library's kernels: what follows from the catalogue need not be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from accelpool_kernels import catalogue
from accelpool_kernels.description import OPENCL, Argument, Entry, Role
from accelpool_kernels.errors import InvalidArgument, UnknownApi, UnknownKernel
from accelpool_wire.errors import Invalid, NotFound

Args = Sequence[Mapping[str, Any] | None]
Sizes = Sequence[int] | None


def source(name: str, api: str = OPENCL) -> str:
    """Return the source of a kernel of the library.

    Args:
        name: The kernel.
        api: "opencl" for OpenCL C, "cuda" for CUDA C++.

    Raises:
        NotFound: There is no such kernel, or it has no source for that.
    """
    try:
        return catalogue.source(entry(name).name, api)
    except UnknownApi as error:
        raise NotFound(str(error), instance=f"/kernels/{name}") from error


def entry(name: str) -> Entry:
    """Return the catalogue's entry of a kernel of the library.

    Raises:
        NotFound: There is no such kernel.
    """
    try:
        return catalogue.entry(name)
    except UnknownKernel as error:
        raise NotFound(str(error), instance=f"/kernels/{name}") from error


def fill_in(
    name: str,
    args: Args,
    global_size: Sizes,
    local_size: Sizes,
    buffer_sizes: Mapping[str, int],
    api: str = OPENCL,
) -> tuple[Args, Sizes, Sizes]:
    """Return a launch's arguments and sizes with what the catalogue knows: types, local memory, the NDRange.

    Args:
        name: The kernel.
        args: As in the REST API; null for local memory takes what the kernel needs.
        global_size: None takes the kernel's own rule, and its local size with it.
        local_size: None takes the rule's only together with its global size.
        buffer_sizes: Bytes of the session's buffers, by id.
        api: What it is launched by. CUDA's kernels have no parameter for local memory, but a launch takes it
            as one more argument, so the arguments are the same.

    Raises:
        Invalid: A size among the arguments is missing or out of range, or a buffer is too small for them.
    """
    found = catalogue.entry(name)
    if len(args) != len(found.arguments):
        return args, global_size or (1,), local_size  # the count is refused later, by name
    scalars = {
        argument.name: arg["value"]
        for argument, arg in zip(found.arguments, args, strict=True)
        if argument.role is Role.SCALAR and arg is not None and "value" in arg
    }
    try:
        needed, local = found.buffer_bytes(**scalars), found.local_bytes(**scalars)
        rule = found.ndrange(api, **scalars)
    except InvalidArgument as error:
        raise Invalid(str(error)) from error
    filled = [_filled(argument, arg, local) for argument, arg in zip(found.arguments, args, strict=True)]
    _check_buffers(found, filled, needed, buffer_sizes)
    if global_size is None:
        return filled, rule.global_size, rule.local_size if local_size is None else local_size
    return filled, global_size, local_size


def _filled(
    argument: Argument, arg: Mapping[str, Any] | None, local: Mapping[str, int]
) -> Mapping[str, Any] | None:
    """Return an argument with its type, which not every compiler keeps, or its local memory."""
    if arg is None:
        return {"local_bytes": local[argument.name]} if argument.role is Role.LOCAL else None
    return {"type": argument.type, **arg} if "value" in arg else arg


def _check_buffers(found: Entry, args: Args, needed: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    for place, (argument, arg) in enumerate(zip(found.arguments, args, strict=True)):
        size = sizes.get(str(arg.get("buffer"))) if arg is not None else None
        if argument.role.is_buffer and size is not None and size < needed[argument.name]:
            raise Invalid(
                f"argument {place} ({argument.name}) of kernel {found.name} needs a buffer of at least "
                f"{needed[argument.name]} bytes; {arg and arg['buffer']} has {size}"
            )
