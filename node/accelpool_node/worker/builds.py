"""Programs on their way to kernels: building, compiling, linking, and what can be asked of them.

What a client sends is checked here before a driver sees it: compilers crash, hang or end their process on
more than they refuse.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import Any

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.loaded_images import LoadedImages
from accelpool_node.worker.objects import ContextObject, ProgramObject
from accelpool_node.worker.prebuilt import Prebuilt
from accelpool_node.worker.spirv import check_spirv
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

MAX_LOG = 256 * 1024  # characters of a build log that are sent
MAX_OPTIONS = 1 << 20  # characters of a compiler's options
MAX_HEADERS = 4096  # of one compilation, and programs linked into one
MAX_NAME = 4096  # characters of a header's name
MAX_CONSTANT_BYTES = 8  # of a specialization constant: a long or a double
BUILT_IN_KERNELS = 0x103F
LIBRARY_OPTION = "-create-library"


class Builds:
    """Makes, builds, compiles and links a session's programs, and tells what came of it.

    Args:
        backend: Where the programs are.
        holdings: The session's objects.
        prebuilt: Makes programs of products, where there are any.
        loaded_images: Takes note of binaries that are built for devices.
        reply: Sends answers.
    """

    def __init__(
        self,
        backend: Backend,
        holdings: Holdings,
        prebuilt: Prebuilt,
        loaded_images: LoadedImages,
        reply: Callable[[m.Message], None],
    ) -> None:
        self._backend = backend
        self._holdings = holdings
        self._prebuilt = prebuilt
        self._loaded_images = loaded_images
        self._reply = reply

    # ---- making ------------------------------------------------------------------------------------------

    def create_program_with_il(self, message: m.CreateProgramWithIL, content: memoryview | None) -> None:
        """Make a program from SPIR-V, if it is SPIR-V as far as its words tell."""
        routine = "clCreateProgramWithIL"
        self._holdings.programs.claim(message.program, routine)
        context = self._holdings.contexts.get(message.context, routine)
        il = bytes(content or b"")
        check_spirv(il, routine)
        handle = self._backend.create_program_with_il(context.handle, il)
        self._holdings.programs.items[message.program] = ProgramObject(handle=handle, context=context)

    def create_program_with_built_in_kernels(self, message: m.CreateProgramWithBuiltInKernels) -> None:
        """Make a program from kernels that each of its devices says to have built in."""
        routine = "clCreateProgramWithBuiltInKernels"
        self._holdings.programs.claim(message.program, routine)
        context = self._holdings.contexts.get(message.context, routine)
        devices = self._devices(context, message.devices, routine) or context.devices
        names = message.names.split(";")
        for device in devices:
            known = str(device.info.get(BUILT_IN_KERNELS) or "").split(";")
            for name in names:
                if not name or name not in known:
                    what = f"{device.name} has no built-in kernel {name!r}, but {known}"
                    raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        handle = self._backend.create_program_with_built_in_kernels(context.handle, devices, message.names)
        self._holdings.programs.items[message.program] = ProgramObject(handle=handle, context=context)

    def set_specialization_constant(self, message: m.SetProgramSpecializationConstant, command: int) -> None:
        """Set a specialization constant of a program from SPIR-V."""
        routine = "clSetProgramSpecializationConstant"
        program = self._holdings.programs.get(message.program, routine)
        if not 0 <= message.constant < 1 << 32:
            what = f"constant {message.constant} is no id of 32 bits"
            raise error_for(routine, ErrorCode.INVALID_SPEC_ID, what)
        if not 0 < len(message.value) <= MAX_CONSTANT_BYTES:
            what = f"a value of {len(message.value)} bytes; 1 to {MAX_CONSTANT_BYTES} are possible"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        self._backend.set_specialization_constant(program.handle, message.constant, message.value)
        self._reply(m.Done(command))

    # ---- compiling ---------------------------------------------------------------------------------------

    def build_program(self, message: m.BuildProgram, command: int) -> None:
        """Compile and link a program; answer with its kernels and build logs."""
        routine = "clBuildProgram"
        program = self._holdings.programs.get(message.program, routine)
        devices = self._devices(program.context, message.devices, routine)
        _check_options(message.options, routine, ErrorCode.INVALID_BUILD_OPTIONS)
        self.build(program, devices, message.options)
        self._answer(command, program)

    def build(self, program: ProgramObject, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link a program for devices of its context; its kernels are known afterwards.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE, with the build logs in `what`.
        """
        if self._prebuilt.load(program, devices, options):
            program.is_linkable = False
            return
        self._prebuilt.unload(program, devices, "clBuildProgram")
        self._backend.build_program(program.handle, devices, options)
        self._loaded_images.note_build(devices, program.binary_hashes)
        program.kernels = {kernel.name: kernel for kernel in self._backend.program_kernels(program.handle)}
        program.is_linkable = False

    def compile_program(self, message: m.CompileProgram, command: int) -> None:
        """Compile a program, to be linked; answer with its build logs."""
        routine = "clCompileProgram"
        program = self._holdings.programs.get(message.program, routine)
        devices = self._devices(program.context, message.devices, routine) or program.context.devices
        _check_options(message.options, routine, ErrorCode.INVALID_COMPILER_OPTIONS)
        headers, names = message.headers or [], message.header_names or []
        if len(headers) != len(names) or len(headers) > MAX_HEADERS:
            what = f"{len(headers)} headers with {len(names)} names; {MAX_HEADERS} at most, one name each"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        for name in names:
            _check_name(name, routine)
        sources = [self._of_context(program.context, header, routine) for header in headers]
        if any(source.source is None for source in sources):
            raise error_for(routine, ErrorCode.INVALID_PROGRAM, "a header is a program from source")
        self._prebuilt.unload(program, devices, routine)
        handles = [self._prebuilt.source_handle(source) for source in sources]
        included = list(zip(names, handles, strict=True))
        self._backend.compile_program(program.handle, devices, message.options, included)
        program.kernels, program.is_linkable = {}, True
        self._answer(command, program)

    def link_program(self, message: m.LinkProgram, command: int) -> None:
        """Link compiled programs into one; answer with its kernels and build logs."""
        routine, holdings = "clLinkProgram", self._holdings
        holdings.programs.claim(message.program, routine)
        context = holdings.contexts.get(message.context, routine)
        devices = self._devices(context, message.devices, routine) or context.devices
        _check_options(message.options, routine, ErrorCode.INVALID_LINKER_OPTIONS)
        if not 0 < len(message.programs) <= MAX_HEADERS:
            what = f"{len(message.programs)} programs to link; 1 to {MAX_HEADERS} are possible"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        parts = [self._of_context(context, handle, routine) for handle in message.programs]
        if not all(part.is_linkable for part in parts):
            what = "a program to link is a compiled one, a library, or one of their binaries"
            raise error_for(routine, ErrorCode.INVALID_OPERATION, what)
        handles = [part.handle for part in parts]
        handle = self._backend.link_program(context.handle, handles, devices, message.options)
        is_library = LIBRARY_OPTION in message.options.split()
        program = ProgramObject(handle=handle, context=context, is_linkable=is_library)
        if not is_library:
            program.kernels = {kernel.name: kernel for kernel in self._backend.program_kernels(handle)}
        holdings.programs.items[message.program] = program
        self._answer(command, program)

    def _answer(self, command: int, program: ProgramObject) -> None:
        logs = [log[:MAX_LOG] for log in self._prebuilt.logs(program)]
        self._reply(m.Built(command, list(program.kernels.values()), logs))

    # ---- asking ------------------------------------------------------------------------------------------

    def set_kernel_attribute(self, message: m.SetKernelAttribute, command: int) -> None:
        """Set an attribute of a kernel, where the backend's have any."""
        kernel = self._holdings.kernels.get(message.kernel, "clSetKernelExecInfo")
        self._backend.set_kernel_attribute(kernel.handle, message.name, message.value)
        self._reply(m.Done(command))

    def get_info(self, message: m.GetInfo, command: int) -> None:
        """Answer with a value that only the driver knows."""
        self._reply(m.Info(command, self._info(message)))

    def _info(self, message: m.GetInfo) -> Any:
        holdings, backend, name = self._holdings, self._backend, message.name
        if message.about == m.PROGRAM:
            program = holdings.programs.get(message.handle, "clGetProgramInfo")
            return backend.program_info(program.handle, name)
        if message.about == m.BUILD:
            routine = "clGetProgramBuildInfo"
            program = holdings.programs.get(message.handle, routine)
            device = holdings.device_of(program.context, message.device, routine)
            return self._prebuilt.build_info(program, device, name)
        if message.about == m.TIMERS:
            return list(backend.device_and_host_timer(holdings.device(message.device)))
        routine = "clGetKernelWorkGroupInfo" if message.about == m.WORK_GROUP else "clGetKernelSubGroupInfo"
        kernel = holdings.kernels.get(message.handle, routine)
        device = holdings.device_of(kernel.context, message.device, routine)
        if message.about == m.WORK_GROUP:
            return backend.work_group_info(kernel.handle, device, name)
        if message.about != m.SUB_GROUP or len(message.input or ()) > 3:
            what = f"nothing is known about {message.about} with {message.input}"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        return backend.sub_group_info(kernel.handle, device, name, message.input or [])

    def get_program_binaries(self, message: m.GetProgramBinaries) -> list[bytes]:
        """Return a program's binaries, one per device of it."""
        program = self._holdings.programs.get(message.program, "clGetProgramInfo")
        return self._backend.program_binaries(program.handle)

    # ---- finding -----------------------------------------------------------------------------------------

    def _devices(self, context: ContextObject, places: list[int], routine: str) -> list[BackendDevice]:
        """Return devices of a context, each once; none means all, to drivers too."""
        return [self._holdings.device_of(context, place, routine) for place in dict.fromkeys(places)]

    def _of_context(self, context: ContextObject, handle: int, routine: str) -> ProgramObject:
        program = self._holdings.programs.get(handle, routine)
        if program.context is not context:
            raise error_for(routine, ErrorCode.INVALID_PROGRAM, f"program {handle} is of another context")
        return program


def _check_name(name: str, routine: str) -> None:
    """Refuse a header's name that is no file's in a folder of headers: drivers write it wherever it leads."""
    if not 0 < len(name) <= MAX_NAME or "\0" in name:
        what = f"a header's name has 1 to {MAX_NAME} characters, none of them NUL"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)
    first = posixpath.normpath(name).partition("/")[0]
    if first in ("", ".", "..") or name.endswith(("/", "/.", "/..")):
        what = f"a header's name is relative and does not lead out of its folder, as {name[:300]!r} does"
        raise error_for(routine, ErrorCode.INVALID_VALUE, what)


def _check_options(options: str, routine: str, code: int) -> None:
    """Refuse options that no compiler was made for."""
    if len(options) > MAX_OPTIONS or "\0" in options:
        what = f"options of {len(options)} characters; {MAX_OPTIONS} are possible, none of them NUL"
        raise error_for(routine, code, what)
