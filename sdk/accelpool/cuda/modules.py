"""Modules: programs on the device, from source, PTX, cubin or fatbin."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from accelpool.constants import mem_flags, program_binary_type
from accelpool.cuda.addresses import Region
from accelpool.cuda.contexts import Context, current
from accelpool.cuda.errors import Error, calling, failed
from accelpool.cuda.functions import Function
from accelpool.cuda.missing import UNLINKED
from accelpool.errors import CompilerWarning
from accelpool.memory import Buffer
from accelpool.process_bound import ProcessBound
from accelpool.program import Program
from accelpool_wire import messages as m

MessageHandler = Callable[[bool, str, str], object]


class Module(ProcessBound):
    """A program on a context's device; `SourceModule` and `module_from_buffer` make it."""

    __slots__ = ("__weakref__", "_context", "_globals", "_program")

    def __init__(self, context: Context, program: Program) -> None:
        self._context = context
        self._program = program
        self._globals: dict[str, Region] = {}

    def get_function(self, name: str) -> Function:
        """Return a kernel by its name; nothing waits.

        Args:
            name: As the compiler has it: of C++ the mangled one, unless it is `extern "C"`.

        Raises:
            LogicError: CUDA_ERROR_NOT_FOUND: the module has no such kernel.
        """
        info = self._program._built.get(name)
        if info is None:
            known = ", ".join(self._program._built) or "none"
            raise failed(
                "cuModuleGetFunction", "NOT_FOUND", f"no kernel {name!r} in the module; it has {known}"
            )
        return Function(self, info)

    def get_global(self, name: str) -> tuple[int, int]:
        """Return the address and the size of a variable in device or constant memory: one round trip, once.

        Args:
            name: As of `get_function`.

        Raises:
            LogicError: The module has no such variable.
        """
        region = self._globals.get(name)
        if region is None:
            region = self._globals[name] = self._region(name)
            self._context._addresses.add(region)
        return region.address, region.size

    def get_texref(self, name: str) -> NoReturn:
        """Refuse: there are no texture references here, nor any from a compiler of CUDA 12.

        Raises:
            LogicError: CUDA_ERROR_NOT_SUPPORTED, always.
        """
        raise _gone("cuModuleGetTexRef", f"the texture reference {name!r}")

    def get_surfref(self, name: str) -> NoReturn:
        """Refuse, as `get_texref`."""
        raise _gone("cuModuleGetSurfRef", f"the surface reference {name!r}")

    def _region(self, name: str) -> Region:
        lower = self._context._lower
        session = lower._session
        handle = session.new_handle()
        with calling("cuModuleGetGlobal"):
            message = m.CreateVariableBuffer(handle, self._program._handle, name)
            told = session.ask(message, m.Address)
        buffer = Buffer._made(lower, handle, told.size, mem_flags.READ_WRITE)
        return Region(address=told.address, buffer=buffer)

    def __del__(self) -> None:
        for region in getattr(self, "_globals", {}).values():
            self._context._addresses.remove(region.address)

    def __repr__(self) -> str:
        return f"<accelpool.cuda.Module of {', '.join(self._program._built) or 'no kernels'}>"


def _gone(routine: str, what: str) -> Error:
    why = "no compiler since CUDA 12 makes such references; pass device memory to the kernel instead"
    return failed(routine, "NOT_SUPPORTED", f"{what}: {why}")


class Linker:
    """Refuses: nodes link nothing.

    Args:
        message_handler: As of `module_from_buffer`; never called.
        **options: PyCUDA's.

    Raises:
        LogicError: CUDA_ERROR_NOT_SUPPORTED, always, and what does instead.
    """

    def __init__(self, message_handler: MessageHandler | None = None, **options: object) -> None:  # noqa: ARG002
        raise failed("cuLinkCreate", "NOT_SUPPORTED", UNLINKED)


def module_from_buffer(
    buffer: Any,
    options: Iterable[tuple[int, Any]] = (),
    message_handler: MessageHandler | None = None,
) -> Module:
    """Return a module from its code: one round trip.

    Args:
        buffer: PTX, a cubin or a fatbin: anything with the buffer protocol.
        options: Pairs of `jit_option` and value, of no effect here.
        message_handler: Told whether it worked, what the compiler said, and what it said of errors.

    Raises:
        LogicError, RuntimeError: It is no code, or none for this device.
    """
    for _ in options:
        pass  # nodes compile with their own
    routine = "cuModuleLoadDataEx"
    context, code = current(routine), bytes(memoryview(buffer))
    if not code:
        raise failed(routine, "INVALID_IMAGE", "0 bytes of code")
    lower = context._lower
    try:
        with calling(routine):
            program = Program(lower, lower._devices, [code])
            build(program, "")
    except Error as error:
        if message_handler is not None:
            message_handler(False, "", str(error))
        raise
    if message_handler is not None:
        message_handler(True, "\n".join(program._logs()), "")
    return Module(context, program)


def module_from_file(filename: str) -> Module:
    """Return a module from a file of PTX, a cubin or a fatbin: one round trip; as `module_from_buffer`.

    Raises:
        RuntimeError: CUDA_ERROR_FILE_NOT_FOUND.
    """
    try:
        code = Path(filename).read_bytes()
    except OSError as error:
        raise failed("cuModuleLoad", "FILE_NOT_FOUND", str(error)) from error
    return module_from_buffer(code)


def program_from_source(context: Context, source: str, options: str) -> Program:
    """Return a built program from CUDA C++: one round trip.

    Raises:
        accelpool.RuntimeError: BUILD_PROGRAM_FAILURE: it does not compile; the build log says why.
    """
    program = Program(context._lower, source)
    program._send(source)
    build(program, options)
    said = "\n".join(log.strip() for log in program._logs() if "warning" in log.lower())
    if said:
        warnings.warn(f"the compiler warns:\n{said}", CompilerWarning, stacklevel=4)
    return program


def build(program: Program, options: str) -> None:
    """Have a program compiled and linked, with nothing of OpenCL's added."""
    places = program._places(None, "cuModuleLoadData")
    message = m.BuildProgram(program._handle, places, options)
    program._ask(message, places, options, program_binary_type.EXECUTABLE)
