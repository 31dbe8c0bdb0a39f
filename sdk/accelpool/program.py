"""Programs: from source or binaries to kernels."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from typing import Any, overload

from accelpool.constants import program_binary_type, program_build_info, program_info
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import CompilerWarning, Error, LogicError
from accelpool.includes import with_includes
from accelpool.info import Info
from accelpool.kernel import Kernel
from accelpool.kernel_core import KernelCore
from accelpool.objects import SessionObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

SPIRV_MAGIC = (b"\x03\x02\x23\x07", b"\x07\x23\x02\x03")
NOT_BUILT, BUILT, FAILED = -1, 0, -2


class Program(SessionObject):
    """A program; built, its kernels are its attributes: `program.saxpy(queue, size, None, a, x, y)`.

    Args:
        arg1: The context.
        arg2: OpenCL C source, or with `arg3` the devices.
        arg3: One binary per device.

    Raises:
        LogicError: INVALID_VALUE: not one binary per device; INVALID_OPERATION: SPIR-V, not possible yet.
    """

    __slots__ = (
        "_binaries",
        "_built",
        "_context",
        "_cores",
        "_devices",
        "_logs",
        "_options",
        "_source",
        "_status",
    )

    @overload
    def __init__(self, arg1: Context, arg2: str | bytes) -> None: ...

    @overload
    def __init__(self, arg1: Context, arg2: Sequence[Device], arg3: Sequence[bytes]) -> None: ...

    def __init__(
        self, arg1: Context, arg2: str | bytes | Sequence[Device], arg3: Sequence[bytes] | None = None
    ) -> None:
        if not isinstance(arg1, Context):
            raise TypeError(f"Program: a Context is needed, not {arg1!r}")
        self._session = arg1._session
        self._context = arg1
        self._cores: dict[str, KernelCore] = {}
        self._built: dict[str, m.KernelInfo] = {}
        self._binaries: list[bytes] | None = None
        self._logs: list[str] = []
        self._options = ""
        self._status = NOT_BUILT
        self._source = ""
        self._devices = list(arg1._devices)
        if isinstance(arg2, (str, bytes)):
            self._from_source(arg2)
        else:
            self._from_binaries(arg2, arg3 or ())

    def _from_source(self, source: str | bytes) -> None:
        if isinstance(source, bytes) and source.startswith(SPIRV_MAGIC):
            what = "programs from SPIR-V are not possible yet"
            raise LogicError("clCreateProgramWithIL", ErrorCode.INVALID_OPERATION, what)
        self._source = source.decode() if isinstance(source, bytes) else source
        handle = self._session.new_handle()
        sent = with_includes(self._source)
        self._session.post(m.CreateProgramWithSource(handle, self._context._handle, sent))
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

    def build(
        self,
        options: str | Sequence[str] | None = None,
        devices: Sequence[Device] | None = None,
        cache_dir: str | None = None,  # noqa: ARG002 - nodes cache, clients do not
    ) -> Program:
        """Compile and link, and return the program itself: one round trip.

        Args:
            options: Compiler options, as a string or a list; files that they name are the node's.
            devices: What to build for; None for all of the program's.
            cache_dir: Ignored: clients keep no cache.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE: the program does not compile; the build log says why.
            LogicError: INVALID_BUILD_OPTIONS and the like.
        """
        self._compile(options, devices)
        said = "\n".join(log.strip() for log in self._logs if "warning" in log.lower())
        if said:
            warnings.warn(f"the compiler warns:\n{said}", CompilerWarning, stacklevel=2)
        return self

    def _compile(
        self, options: str | Sequence[str] | None = None, devices: Sequence[Device] | None = None
    ) -> None:
        words = shlex.split(options) if isinstance(options, str) else options or ()
        self._options = " ".join(words)
        places = [self._context._place(device, "clBuildProgram") for device in devices or self._devices]
        try:
            built = self._session.ask(m.BuildProgram(self._handle, places, self._options), m.Built)
        except Error as error:
            self._status, self._logs = FAILED, [error.what] * len(self._devices)
            raise
        self._status, self._logs = BUILT, built.logs
        self._built = {kernel.name: kernel for kernel in built.kernels}
        self._binaries = None

    def all_kernels(self) -> list[Kernel]:
        """Return all kernels of the built program.

        Raises:
            LogicError: INVALID_PROGRAM_EXECUTABLE: it is not built.
        """
        self._check_built("clCreateKernelsInProgram")
        return [Kernel(self, name) for name in self._built]

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `program_info` number; BINARIES and BINARY_SIZES cost a round trip once.

        Raises:
            LogicError: INVALID_PROGRAM_EXECUTABLE: not built; INVALID_VALUE: there is no such info here.
        """
        routine = "clGetProgramInfo"
        if arg == program_info.CONTEXT:
            return self._context
        if arg == program_info.DEVICES:
            return list(self._devices)
        if arg == program_info.NUM_DEVICES:
            return len(self._devices)
        if arg == program_info.SOURCE:
            return self._source
        if arg == program_info.IL:
            return ""
        if arg == program_info.REFERENCE_COUNT:
            return 1
        if arg == program_info.NUM_KERNELS:
            self._check_built(routine)
            return len(self._built)
        if arg == program_info.KERNEL_NAMES:
            self._check_built(routine)
            return ";".join(self._built)
        if arg == program_info.BINARIES:
            return list(self._fetched_binaries())
        if arg == program_info.BINARY_SIZES:
            return [len(binary) for binary in self._fetched_binaries()]
        name = program_info.to_string(arg, "%d")
        raise LogicError("Program.get_info", ErrorCode.INVALID_VALUE, f"a program has no {name} here")

    def get_build_info(self, device: Device, param: int, /) -> Any:
        """Return the value of a `program_build_info` number for a device.

        Raises:
            LogicError: INVALID_VALUE: no such info here; INVALID_DEVICE: the device is not the program's.
        """
        routine = "clGetProgramBuildInfo"
        if device not in self._devices:
            raise LogicError(routine, ErrorCode.INVALID_DEVICE, f"{device!r} is not of this program")
        index = self._devices.index(device)
        if param == program_build_info.LOG:
            return self._logs[index] if index < len(self._logs) else ""
        if param == program_build_info.STATUS:
            return self._status
        if param == program_build_info.OPTIONS:
            return self._options
        if param == program_build_info.BINARY_TYPE:
            is_built = self._status == BUILT
            return program_binary_type.EXECUTABLE if is_built else program_binary_type.NONE
        name = program_build_info.to_string(param, "%d")
        raise LogicError("Program.get_build_info", ErrorCode.INVALID_VALUE, f"a build has no {name} here")

    reference_count = Info[int](program_info.REFERENCE_COUNT)
    context = Info[Context](program_info.CONTEXT)
    num_devices = Info[int](program_info.NUM_DEVICES)
    devices = Info[list[Device]](program_info.DEVICES)
    source = Info[str](program_info.SOURCE)
    binary_sizes = Info[list[int]](program_info.BINARY_SIZES)
    binaries = Info[list[bytes]](program_info.BINARIES)
    num_kernels = Info[int](program_info.NUM_KERNELS)
    kernel_names = Info[str](program_info.KERNEL_NAMES)
    il = Info[str](program_info.IL)

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

    def __repr__(self) -> str:
        state = {NOT_BUILT: "not built", BUILT: "built", FAILED: "failed to build"}[self._status]
        return f"<accelpool.Program {state}{': ' if self._built else ''}{', '.join(self._built)}>"

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

    def _check_built(self, routine: str) -> None:
        if self._status != BUILT:
            raise LogicError(routine, ErrorCode.INVALID_PROGRAM_EXECUTABLE, f"{self!r}: build it first")

    def _fetched_binaries(self) -> list[bytes]:
        if self._binaries is None:
            self._check_built("clGetProgramInfo")
            self._binaries = self._session.fetch_binaries(self._handle)
        return self._binaries
