"""Programs: from source, SPIR-V or binaries to kernels."""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Sequence
from typing import Any, overload

from accelpool.build_options import Options, compiler_options, words_of
from accelpool.constants import device_info, program_binary_type, program_kind
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import CompilerWarning, Error, LogicError
from accelpool.includes import has_includes, with_includes
from accelpool.kernel import Kernel
from accelpool.kernel_core import KernelCore
from accelpool.program_infos import BUILT, FAILED, Build, ProgramInfos
from accelpool.progress_reports import build_progress
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

SPIRV_MAGIC = (b"\x03\x02\x23\x07", b"\x07\x23\x02\x03")


class Program(ProgramInfos):
    """A program; built, its kernels are its attributes: `program.saxpy(queue, size, None, a, x, y)`.

    Args:
        arg1: The context.
        arg2: OpenCL C source; SPIR-V, as bytes; or with `arg3` the devices.
        arg3: One binary per device.

    Raises:
        LogicError: INVALID_VALUE: not one binary per device; INVALID_OPERATION: SPIR-V, and no device of the
            context takes it.
    """

    __slots__ = ()

    @overload
    def __init__(self, arg1: Context, arg2: str | bytes) -> None: ...

    @overload
    def __init__(self, arg1: Context, arg2: Sequence[Device], arg3: Sequence[bytes]) -> None: ...

    def __init__(
        self,
        arg1: Context,
        arg2: str | bytes | Sequence[Device] | None = None,
        arg3: Sequence[bytes] | None = None,
    ) -> None:
        if not isinstance(arg1, Context):
            raise TypeError(f"Program: a context and a source are needed; {reprlib.repr(arg1)} is no Context")
        self._begin(arg1)
        if isinstance(arg2, bytes) and arg2.startswith(SPIRV_MAGIC):
            self._from_il(arg2)
        elif isinstance(arg2, (str, bytes)):
            self._from_source(arg2)
        elif arg2 is None or arg3 is None:
            raise TypeError(f"Program: the source is a string, or SPIR-V as bytes, not {arg2!r}")
        else:
            self._from_binaries(arg2, arg3)

    @classmethod
    def _made(cls, context: Context, devices: Sequence[Device] | None) -> Program:
        """Return a program that something else than the constructor gives a handle and a kind."""
        program = cls.__new__(cls)
        program._begin(context)
        if devices is not None:
            places = [context._place(device, "Program") for device in devices]
            program._devices = [context._session.devices[place] for place in places]
        return program

    def _from_source(self, source: str | bytes) -> None:
        self._kind = program_kind.SOURCE
        self._source = source.decode() if isinstance(source, bytes) else source
        if not has_includes(self._source):  # else it is known when it is built what to send
            self._send(self._source)

    def _from_il(self, il: bytes) -> None:
        if not any(device._info.get(device_info.IL_VERSION) for device in self._devices):
            what = f"{self._context!r} takes no intermediate language"
            raise LogicError("clCreateProgramWithIL", ErrorCode.INVALID_OPERATION, what)
        self._kind, self._il = program_kind.IL, il
        handle = self._session.new_handle()
        self._session.post(m.CreateProgramWithIL(handle, self._context._handle), il)
        self._handle = handle

    def _from_built_in(self, names: str) -> None:
        places = self._places(None, "clCreateProgramWithBuiltInKernels")
        handle, context = self._session.new_handle(), self._context._handle
        self._session.post(m.CreateProgramWithBuiltInKernels(handle, context, places, names))
        self._handle = handle

    def _from_binaries(self, devices: Sequence[Device], binaries: Sequence[bytes]) -> None:
        routine = "create_program_with_binary"
        if not devices or len(devices) != len(binaries):
            what = f"{len(devices)} devices and {len(binaries)} binaries; one each is needed"
            raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
        if not all(binaries):
            raise LogicError(routine, ErrorCode.INVALID_VALUE, "a binary of 0 bytes")
        places = [self._context._place(device, routine) for device in devices]
        self._devices = [self._session.devices[place] for place in places]
        handle = self._session.new_handle()
        message = m.CreateProgramWithBinary(
            handle, self._context._handle, places, [len(binary) for binary in binaries]
        )
        self._session.post(message, b"".join(binaries))
        self._handle = handle
        self._kind = program_kind.BINARY
        self._binaries = [bytes(binary) for binary in binaries]

    def build(
        self,
        options: Options = None,
        devices: Sequence[Device] | None = None,
        cache_dir: str | None = None,  # noqa: ARG002 - nodes cache, clients do not
    ) -> Program:
        """Compile and link, and return the program itself: one round trip.

        Args:
            options: Compiler options, as a string or a list. A source's includes are looked for in the
                folders of this machine that `-I` names, and in the working folder.
            devices: What to build for; None for all of the program's.
            cache_dir: Ignored: clients keep no cache.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE: the program does not compile; the build log says why.
            LogicError: INVALID_BUILD_OPTIONS and the like.
        """
        self._compile(options, devices)
        said = "\n".join(log.strip() for log in self._logs() if "warning" in log.lower())
        if said:
            warnings.warn(f"the compiler warns:\n{said}", CompilerWarning, stacklevel=2)
        return self

    def _compile(self, options: Options = None, devices: Sequence[Device] | None = None) -> None:
        given = compiler_options(options, self._platform)
        self._send(with_includes(self._source, given))
        places = self._places(devices, "clBuildProgram")
        message = m.BuildProgram(self._handle, places, given.sent)
        self._ask(message, places, given.text, program_binary_type.EXECUTABLE)

    def compile(
        self,
        options: Options = None,
        devices: Sequence[Device] | None = None,
        headers: Sequence[tuple[str, Program]] | None = None,
    ) -> Program:
        """Compile, to be linked by `link_program`, and return the program itself: one round trip.

        Args:
            options: As `build`.
            devices: What to compile for; None for all of the program's.
            headers: Programs from source, each after the name by which this one includes it.

        Raises:
            RuntimeError: COMPILE_PROGRAM_FAILURE: the program does not compile; the build log says why.
            LogicError: INVALID_COMPILER_OPTIONS, INVALID_OPERATION and the like.
        """
        names = [name for name, _ in headers or ()]
        given = compiler_options(options, self._platform)
        included = [header._send(with_includes(header._source, given, names)) for _, header in headers or ()]
        self._send(with_includes(self._source, given, names))
        places = self._places(devices, "clCompileProgram")
        message = m.CompileProgram(self._handle, places, given.sent, included or None, names or None)
        self._ask(message, places, given.text, program_binary_type.COMPILED_OBJECT)
        return self

    def _link(self, programs: Sequence[Program], options: Options) -> None:
        """Become what programs are linked to."""
        text, places = " ".join(words_of(options)), self._places(None, "clLinkProgram")
        handle = self._session.new_handle()
        parts = [program._send(program._sent or program._source) for program in programs]
        is_library = "-create-library" in text.split()
        made = program_binary_type.LIBRARY if is_library else program_binary_type.EXECUTABLE
        self._ask(m.LinkProgram(handle, self._context._handle, parts, places, text), places, text, made)
        self._handle = handle

    def _ask(
        self,
        message: m.BuildProgram | m.CompileProgram | m.LinkProgram,
        places: list[int],
        options: str,
        made: int,
    ) -> None:
        """Have the worker compile or link, and note what became of it for each device."""
        devices = [self._session.devices[place] for place in places]
        try:
            with build_progress():
                built = self._session.ask(message, m.Built)
        except Error as error:
            one = error.what if len(devices) == 1 else None
            self._note(devices, Build(status=FAILED, options=options, log=one))
            raise
        self._built = {kernel.name: kernel for kernel in built.kernels}
        self._cores, self._binaries = {}, None
        for device in devices:
            place = self._devices.index(device)
            log = built.logs[place] if place < len(built.logs) else ""  # PoCL has one for all sub-devices
            self._note([device], Build(status=BUILT, options=options, log=log, binary_type=made))

    def set_specialization_constant(self, spec_id: int, buffer: Any) -> None:
        """Set a specialization constant of a program from SPIR-V, before it is built: one round trip.

        Args:
            spec_id: The constant's id.
            buffer: Its value: anything with the buffer protocol, as long as its type.

        Raises:
            LogicError: INVALID_PROGRAM: the program is not from SPIR-V; INVALID_SPEC_ID: it has no such
                constant; INVALID_VALUE: the value is not as long as its type.
        """
        if spec_id < 0:
            raise TypeError(f"a constant's id is not negative: {spec_id}")
        if self._kind != program_kind.IL:
            routine = "clSetProgramSpecializationConstant"
            raise LogicError(routine, ErrorCode.INVALID_PROGRAM, f"{self!r} is not from SPIR-V")
        value = memoryview(buffer).tobytes()
        self._session.ask(m.SetProgramSpecializationConstant(self._handle, spec_id, value), m.Done)

    def kind(self) -> int:
        """Return what the program is made from, one of `program_kind`; UNKNOWN if it is linked."""
        return self._kind

    def all_kernels(self) -> list[Kernel]:
        """Return all kernels of the built program.

        Raises:
            LogicError: INVALID_PROGRAM_EXECUTABLE: it is not built.
        """
        self._check_built("clCreateKernelsInProgram")
        return [Kernel(self, name) for name in self._built]

    def __getattr__(self, attr: str) -> Kernel:
        """Return the kernel of that name, with no arguments set."""
        if attr.startswith("_"):  # ours, and not there: never a kernel while the object is being made
            raise AttributeError(f"{type(self).__name__} has no attribute {attr!r}")
        try:
            return Kernel(self, attr)
        except LogicError as error:
            raise AttributeError(
                f"the program has no attribute and no kernel {attr!r}: {error.what}"
            ) from error

    def _core(self, name: str) -> KernelCore:
        """Return the worker's kernel of a name, made on its first use."""
        core = self._cores.get(name)
        if core is None:
            self._check_built("clCreateKernel")
            info = self._built.get(name)
            if info is None:
                what = f"no kernel {name!r} in the program; it has {', '.join(self._built) or 'none'}"
                raise LogicError("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME, what)
            places = [self._context._place(device, "clCreateKernel") for device in self._devices]
            core = KernelCore(self._session, self._context._handle, self._handle, info, places)
            self._cores[name] = core
        return core
