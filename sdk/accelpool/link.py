"""Programs made of others, or of what devices have built in."""

from __future__ import annotations

from collections.abc import Sequence

from accelpool.build_options import Options
from accelpool.constants import device_info
from accelpool.context import Context
from accelpool.device import Device, Platform
from accelpool.errors import LogicError
from accelpool.program import Program
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode


def link_program(
    context: Context,
    programs: Sequence[Program],
    options: Options = None,
    devices: Sequence[Device] | None = None,
) -> Program:
    """Return a program linked from compiled ones: one round trip.

    Args:
        context: Of all the programs.
        programs: What `Program.compile` compiled, libraries, or programs from their binaries.
        options: The linker's, as a string or a list; with `-create-library` a library is made.
        devices: What to link for; None for all of the context's.

    Raises:
        RuntimeError: LINK_PROGRAM_FAILURE: a function is missing, or is there twice.
        LogicError: INVALID_VALUE: no program; INVALID_OPERATION: one that is not compiled; INVALID_PROGRAM:
            one of another context; INVALID_LINKER_OPTIONS.

    Source: OpenCL 3.0 API, clLinkProgram.
    """
    routine = "clLinkProgram"
    if not programs:
        raise LogicError(routine, ErrorCode.INVALID_VALUE, "no program to link")
    for program in programs:
        if program._session is not context._session or program._context._handle != context._handle:
            raise LogicError(routine, ErrorCode.INVALID_PROGRAM, f"{program!r} is of another context")
    made = Program._made(context, devices)
    made._link(programs, options)
    return made


def create_program_with_built_in_kernels(
    context: Context, devices: Sequence[Device], kernel_names: str | Sequence[str]
) -> Program:
    """Return a program of kernels that devices have built in; it is to be built before it is used.

    Args:
        context: Where its kernels work.
        devices: Devices of the context that have all the kernels.
        kernel_names: Names out of `device.built_in_kernels`: a list, or joined by semicolons.

    Raises:
        LogicError: INVALID_VALUE: a device has no such kernel, or there is no device.

    Source: OpenCL 3.0 API, clCreateProgramWithBuiltInKernels.
    """
    routine = "clCreateProgramWithBuiltInKernels"
    names = kernel_names.split(";") if isinstance(kernel_names, str) else list(kernel_names)
    if not devices or not names:
        raise LogicError(routine, ErrorCode.INVALID_VALUE, "one device or more, one name or more is needed")
    made = Program._made(context, devices)
    for device in made._devices:
        known = str(device._info.get(device_info.BUILT_IN_KERNELS) or "").split(";")
        for name in names:
            if not name or name not in known:
                what = f"{device!r} has no built-in kernel {name!r}, but {known}"
                raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
    made._from_built_in(";".join(names))
    return made


def unload_platform_compiler(platform: Platform, /) -> None:
    """Let a platform's compiler free what it holds, on the nodes where this process has sessions; a hint.

    Args:
        platform: Of a context's device. Of a platform that the pool only lists, there is nothing to free.

    Source: OpenCL 3.0 API, clUnloadPlatformCompiler.
    """
    told = set()
    for device in platform._devices:
        session = None if device._session is None else device._session()
        if session is not None and session.is_open and id(session) not in told:
            told.add(id(session))
            session.post(m.UnloadPlatformCompiler(session.devices.index(device)))
