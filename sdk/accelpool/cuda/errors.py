"""The errors of CUDA's driver, with PyCUDA's names and split.

AccelpoolError
└─ Error
    ├─ LogicError       the call was wrong
    ├─ LaunchError      a launch failed, or was impossible
    ├─ MemoryError      the device has no room, or the lease's share has not
    ├─ RuntimeError     no device, or no code for it
    └─ CompileError     a source does not compile

Sessions fail with OpenCL's codes and say CUDA's in words. A call of CUDA's names is made within `calling`,
which raises CUDA's error for it. As on a device of one's own, a failed launch is told by a later call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import TracebackType

from accelpool import errors as opencl
from accelpool.errors import AccelpoolError
from accelpool_wire.codes import ErrorCode

# CUDA's numbers of errors that are told apart here, by name. Source: CUDA driver API, CUresult.
RESULTS = {
    "INVALID_VALUE": 1, "OUT_OF_MEMORY": 2, "NOT_INITIALIZED": 3, "DEINITIALIZED": 4, "NO_DEVICE": 100,
    "INVALID_DEVICE": 101, "INVALID_IMAGE": 200, "INVALID_CONTEXT": 201, "NO_BINARY_FOR_GPU": 209,
    "ECC_UNCORRECTABLE": 214, "UNSUPPORTED_LIMIT": 215, "INVALID_PTX": 218, "UNSUPPORTED_PTX_VERSION": 222,
    "INVALID_SOURCE": 300, "FILE_NOT_FOUND": 301, "INVALID_HANDLE": 400, "NOT_FOUND": 500, "NOT_READY": 600,
    "ILLEGAL_ADDRESS": 700, "LAUNCH_OUT_OF_RESOURCES": 701, "LAUNCH_TIMEOUT": 702,
    "LAUNCH_INCOMPATIBLE_TEXTURING": 703, "CONTEXT_IS_DESTROYED": 709, "ASSERT": 710,
    "PEER_ACCESS_UNSUPPORTED": 217, "PEER_ACCESS_NOT_ENABLED": 705,
    "HARDWARE_STACK_ERROR": 714, "ILLEGAL_INSTRUCTION": 715, "MISALIGNED_ADDRESS": 716,
    "INVALID_ADDRESS_SPACE": 717, "INVALID_PC": 718, "LAUNCH_FAILED": 719, "NOT_SUPPORTED": 801,
    "UNKNOWN": 999,
}  # fmt: skip
OF_OPENCL = {
    ErrorCode.DEVICE_NOT_FOUND: "NO_DEVICE",
    ErrorCode.DEVICE_NOT_AVAILABLE: "LAUNCH_FAILED",
    ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE: "OUT_OF_MEMORY",
    ErrorCode.OUT_OF_RESOURCES: "LAUNCH_OUT_OF_RESOURCES",
    ErrorCode.OUT_OF_HOST_MEMORY: "OUT_OF_MEMORY",
    ErrorCode.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST: "LAUNCH_FAILED",
    ErrorCode.INVALID_BINARY: "INVALID_IMAGE",
    ErrorCode.INVALID_KERNEL_NAME: "NOT_FOUND",
    ErrorCode.INVALID_OPERATION: "NOT_SUPPORTED",
    ErrorCode.INVALID_WORK_GROUP_SIZE: "INVALID_VALUE",
}
NAMED = re.compile(r"\bCUDA_ERROR_([A-Z_]+)")


class Error(AccelpoolError):
    """CUDA's own error.

    Args:
        message: What failed and why.
        routine: The function of CUDA's driver that failed, such as "cuMemAlloc".
        code: CUDA's number of the error, 0 where it is none of CUDA's.
    """

    def __init__(self, message: str = "", *, routine: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.routine = routine
        self.code = code


class LogicError(Error):
    """The call was wrong."""


class LaunchError(Error):
    """A launch failed, or was not possible."""


class MemoryError(Error):
    """The device has no room, or the lease's share has not."""


class RuntimeError(Error):
    """There is no device, or no code for it."""


class CompileError(Error):
    """A source does not compile.

    Args:
        msg: What failed.
        command_line: The compiler's name and options.
        stdout: What the compiler said.
        stderr: What it said as errors: the build log.
    """

    def __init__(
        self, msg: str, command_line: Sequence[str], stdout: str | None = None, stderr: str | None = None
    ) -> None:
        super().__init__(msg)
        self.msg = msg
        self.command_line = command_line
        self.stdout = stdout
        self.stderr = stderr

    def __str__(self) -> str:
        told = [self.msg]
        told += [f"[command: {' '.join(self.command_line)}]"] if self.command_line else []
        said = (("stdout", self.stdout), ("stderr", self.stderr))
        return "\n".join([*told, *(f"[{name}:\n{text}]" for name, text in said if text)])


KINDS: dict[str, type[Error]] = {
    "OUT_OF_MEMORY": MemoryError,
    "LAUNCH_FAILED": LaunchError,
    "LAUNCH_OUT_OF_RESOURCES": LaunchError,
    "LAUNCH_TIMEOUT": LaunchError,
    "LAUNCH_INCOMPATIBLE_TEXTURING": LaunchError,
    "NO_DEVICE": RuntimeError,
    "NO_BINARY_FOR_GPU": RuntimeError,
    "FILE_NOT_FOUND": RuntimeError,
    "NOT_READY": RuntimeError,
    "ECC_UNCORRECTABLE": RuntimeError,
    "UNKNOWN": Error,
}


def failed(routine: str, name: str, what: str = "") -> Error:
    """Return CUDA's error of a name such as "INVALID_VALUE", of the class that PyCUDA raises for it."""
    message = f"{routine} failed: {name.lower().replace('_', ' ')}"
    kind = KINDS.get(name, LogicError)
    return kind(f"{message} - {what}" if what else message, routine=routine, code=RESULTS.get(name, 0))


def cuda_error(routine: str, error: opencl.Error) -> Error:
    """Return CUDA's error for a session's: the one that it names, else the one for OpenCL's code."""
    named = NAMED.search(error.what)
    if named is not None and named[1] in RESULTS:
        return failed(routine, named[1], error.what)
    name = OF_OPENCL.get(error.code) or (
        "INVALID_VALUE" if error.code <= ErrorCode.INVALID_VALUE else "UNKNOWN"
    )
    return failed(routine, name, str(error))


class calling:  # noqa: N801 - reads as a word: `with calling("cuMemAlloc"):`
    """A call of a function of CUDA's driver: what fails within it is raised as CUDA's error.

    A session that ended because the device failed is CUDA's error, too; all other ends stay what they are.
    """

    __slots__ = ("routine",)

    def __init__(self, routine: str) -> None:
        self.routine: str = routine

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(value, opencl.Error):
            raise cuda_error(self.routine, value) from value
        if isinstance(value, opencl.SessionLost):
            named = NAMED.search(value.detail)
            if named is not None:
                raise failed(self.routine, named[1], value.detail) from value
