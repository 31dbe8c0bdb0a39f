"""What can be asked of a program."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accelpool.constants import program_binary_type, program_build_info, program_info, program_kind
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import LogicError
from accelpool.info import Info
from accelpool.objects import SessionObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from accelpool.kernel_core import KernelCore

NOT_BUILT, BUILT, FAILED = -1, 0, -2
CONSTRUCTORS = (program_info.SCOPE_GLOBAL_CTORS_PRESENT, program_info.SCOPE_GLOBAL_DTORS_PRESENT)
BUILD_INFOS = (
    program_build_info.STATUS,
    program_build_info.OPTIONS,
    program_build_info.LOG,
    program_build_info.BINARY_TYPE,
    program_build_info.GLOBAL_VARIABLE_TOTAL_SIZE,
)


@dataclass(frozen=True, kw_only=True)
class Build:
    """What became of a program for one device; `log` is None where the driver must be asked."""

    status: int = NOT_BUILT
    options: str = ""
    log: str | None = ""
    binary_type: int = program_binary_type.NONE


class ProgramInfos(SessionObject):
    """A program's infos: what it is made from, and what became of it for each of its devices."""

    __slots__ = (
        "_binaries",
        "_builds",
        "_built",
        "_context",
        "_cores",
        "_devices",
        "_il",
        "_kind",
        "_sent",
        "_source",
    )

    def _begin(self, context: Context) -> None:
        self._session = context._session
        self._context = context
        self._cores: dict[str, KernelCore] = {}
        self._built: dict[str, m.KernelInfo] = {}
        self._builds: dict[Device, Build] = {}
        self._binaries: list[bytes] | None = None
        self._kind = program_kind.UNKNOWN
        self._source = self._sent = ""
        self._il = b""
        self._handle = 0
        self._devices = list(context._devices)

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `program_info` number; BINARIES and BINARY_SIZES cost a round trip once.

        Raises:
            LogicError: INVALID_PROGRAM_EXECUTABLE: not built; INVALID_VALUE: there is no such info.
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
            return self._il or ""
        if arg in CONSTRUCTORS:
            return self._session.ask(m.GetInfo(m.PROGRAM, self._known_handle(), arg), m.Info).value
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

        GLOBAL_VARIABLE_TOTAL_SIZE costs a round trip, and so does what a program from a binary is before it
        is built.

        Raises:
            LogicError: INVALID_VALUE: no such info here; INVALID_DEVICE: the device is not the program's.
        """
        routine = "clGetProgramBuildInfo"
        if device not in self._devices:
            raise LogicError(routine, ErrorCode.INVALID_DEVICE, f"{device!r} is not of this program")
        build = self._builds.get(device)
        if build is None:
            if self._kind == program_kind.BINARY and param in BUILD_INFOS:
                return self._asked_build_info(device, param)
            build = Build()
        if param == program_build_info.LOG:
            return self._asked_build_info(device, param) if build.log is None else build.log
        if param == program_build_info.STATUS:
            return self._asked_build_info(device, param) if build.log is None else build.status
        if param == program_build_info.OPTIONS:
            return build.options
        if param == program_build_info.BINARY_TYPE:
            return build.binary_type
        if param == program_build_info.GLOBAL_VARIABLE_TOTAL_SIZE:
            return self._asked_build_info(device, param)
        name = program_build_info.to_string(param, "%d")
        raise LogicError("Program.get_build_info", ErrorCode.INVALID_VALUE, f"a build has no {name} here")

    reference_count: Info[int] = Info(program_info.REFERENCE_COUNT)
    context: Info[Context] = Info(program_info.CONTEXT)
    num_devices: Info[int] = Info(program_info.NUM_DEVICES)
    devices: Info[list[Device]] = Info(program_info.DEVICES)
    source: Info[str] = Info(program_info.SOURCE)
    binary_sizes: Info[list[int]] = Info(program_info.BINARY_SIZES)
    binaries: Info[list[bytes]] = Info(program_info.BINARIES)
    num_kernels: Info[int] = Info(program_info.NUM_KERNELS)
    kernel_names: Info[str] = Info(program_info.KERNEL_NAMES)
    il: Info[str | bytes] = Info(program_info.IL)
    scope_global_ctors_present: Info[bool] = Info(program_info.SCOPE_GLOBAL_CTORS_PRESENT)
    scope_global_dtors_present: Info[bool] = Info(program_info.SCOPE_GLOBAL_DTORS_PRESENT)

    def __repr__(self) -> str:
        return f"<accelpool.Program {self._state}{': ' if self._built else ''}{', '.join(self._built)}>"

    @property
    def _state(self) -> str:
        builds = self._builds.values()
        if any(build.binary_type == program_binary_type.EXECUTABLE for build in builds):
            return "built"
        if any(build.status == BUILT for build in builds):
            return "compiled"
        return "failed to build" if builds else "not built"

    @property
    def _platform(self) -> str:
        return str(self._devices[0].platform.name)

    def _logs(self) -> list[str]:
        return [build.log or "" for build in self._builds.values()]

    def _places(self, devices: Sequence[Device] | None, routine: str) -> list[int]:
        return [self._context._place(device, routine) for device in devices or self._devices]

    def _known_handle(self) -> int:
        """Return the handle of the program as the worker knows it."""
        return self._handle or self._send(self._source)

    def _asked_build_info(self, device: Device, param: int) -> Any:
        place = self._context._place(device, "clGetProgramBuildInfo")
        message = m.GetInfo(m.BUILD, self._known_handle(), param, place)
        return self._session.ask(message, m.Info).value

    def _note(self, devices: Sequence[Device], build: Build) -> None:
        self._builds = {**self._builds, **dict.fromkeys(devices, build)}

    def _send(self, source: str) -> int:
        """Have the worker know this source as the program's, and return its handle."""
        if self._kind == program_kind.SOURCE and (not self._handle or source != self._sent):
            handle, old = self._session.new_handle(), self._handle
            self._session.post(m.CreateProgramWithSource(handle, self._context._handle, source))
            self._handle, self._sent = handle, source
            self._cores = {}
            if old:
                self._session.release(old)
        return self._handle

    def _check_built(self, routine: str) -> None:
        if self._state != "built":
            raise LogicError(routine, ErrorCode.INVALID_PROGRAM_EXECUTABLE, f"{self!r}: build it first")

    def _fetched_binaries(self) -> list[bytes]:
        if self._binaries is None:
            if not any(build.status == BUILT for build in self._builds.values()):
                self._check_built("clGetProgramInfo")
            self._binaries = self._session.fetch_binaries(self._handle)
        return self._binaries
