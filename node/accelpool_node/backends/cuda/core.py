"""PyCUDA, calls with a context current, and CUDA's errors as the wire's.

PyCUDA keeps a stack of contexts for each thread, and ends the process if a thread ends with one on it. Any
thread may call a backend: each call makes the context that it is about the thread's current one, past PyCUDA.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import pycuda.driver as cuda  # pyright: ignore[reportMissingImports]  # built where it is needed

from accelpool_node.backends.cuda import driver
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

__all__ = ["CODES", "FAILURES", "FATAL", "code_of", "cuda", "in_context", "refused", "translate"]

Method = TypeVar("Method", bound=Callable[..., Any])

# CUDA's error codes by OpenCL's nearest. Source: CUDA Driver API reference, CUresult; OpenCL 3.0 API.
CODES = {
    1: ErrorCode.INVALID_VALUE,
    2: ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE,
    3: ErrorCode.DEVICE_NOT_AVAILABLE,  # NOT_INITIALIZED
    4: ErrorCode.DEVICE_NOT_AVAILABLE,  # DEINITIALIZED
    46: ErrorCode.DEVICE_NOT_AVAILABLE,
    100: ErrorCode.DEVICE_NOT_FOUND,
    101: ErrorCode.INVALID_DEVICE,
    200: ErrorCode.INVALID_BINARY,  # INVALID_IMAGE
    201: ErrorCode.INVALID_CONTEXT,
    209: ErrorCode.INVALID_BINARY,  # NO_BINARY_FOR_GPU
    218: ErrorCode.INVALID_BINARY,  # INVALID_PTX
    221: ErrorCode.COMPILER_NOT_AVAILABLE,  # JIT_COMPILER_NOT_FOUND
    222: ErrorCode.INVALID_BINARY,  # UNSUPPORTED_PTX_VERSION
    300: ErrorCode.INVALID_BINARY,  # INVALID_SOURCE
    302: ErrorCode.INVALID_BINARY,  # SHARED_OBJECT_SYMBOL_NOT_FOUND
    303: ErrorCode.INVALID_BINARY,  # SHARED_OBJECT_INIT_FAILED
    400: ErrorCode.INVALID_VALUE,  # INVALID_HANDLE
    500: ErrorCode.INVALID_VALUE,  # NOT_FOUND
    801: ErrorCode.INVALID_OPERATION,  # NOT_SUPPORTED
}
# After these a process can do nothing more with its context: they stick.
FATAL = frozenset({214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 999})


FAILURES = (cuda.Error, driver.DriverError)


class Fallible(Protocol):
    """What remembers that nothing more can be done."""

    fault: str


def in_context(routine: str) -> Callable[[Method], Method]:
    """Call a method with the context of its first argument current, and raise CUDA's errors as the wire's.

    Args:
        routine: The OpenCL function that the method stands for.
    """

    def decorate(function: Method) -> Method:
        @functools.wraps(function)
        def call(self: Any, first: Any, *args: Any, **kwargs: Any) -> Any:
            context = first.context
            try:
                context.enter()
                return function(self, first, *args, **kwargs)
            except FAILURES as error:
                raise translate(routine, error, context) from error
            except (TypeError, ValueError, OverflowError) as error:  # what PyCUDA cannot convert
                what = next(iter(str(error).splitlines()), type(error).__name__)
                raise error_for(routine, ErrorCode.INVALID_VALUE, what) from error

        return cast("Method", call)

    return decorate


def translate(routine: str, error: Exception, context: Fallible | None = None) -> Error:
    """Return the wire's error for one of CUDA's; of one that sticks, the context takes note."""
    code = code_of(error)
    what = f"{driver.name_of(code)}: {_said(error)}" if code else str(error)
    if code in FATAL and context is not None and not context.fault:
        context.fault = what
    return error_for(routine, CODES.get(code, ErrorCode.OUT_OF_RESOURCES), what)


def code_of(error: Exception) -> int:
    """Return the driver's error code of an error, 0 if that is not known."""
    if isinstance(error, driver.DriverError):
        return error.code
    return driver.codes_by_text().get(_said(error), 0)


def _said(error: Exception) -> str:
    """Return what the driver said: PyCUDA's errors are texts, "FUNCTION failed: WHAT - MORE"."""
    if isinstance(error, driver.DriverError):
        return error.log or driver.text_of(error.code)
    _, _, said = str(error).partition(" failed: ")
    return said.partition(" - ")[0].strip()


def refused(routine: str, code: int, what: str) -> Error:
    """Return OpenCL's error."""
    return error_for(routine, code, what)
