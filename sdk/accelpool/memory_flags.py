"""What a buffer is made from: flags, size and first content, checked as clCreateBuffer checks them.

Source of the rules: OpenCL 3.0 API specification, clCreateBuffer.
"""

from __future__ import annotations

import operator
import warnings
from typing import Any

from accelpool.constants import mem_flags
from accelpool.errors import LogicError
from accelpool.host import flat_bytes
from accelpool_wire.codes import ErrorCode

HOST_PTR = mem_flags.USE_HOST_PTR | mem_flags.COPY_HOST_PTR
KERNEL_ACCESS = mem_flags.READ_WRITE | mem_flags.WRITE_ONLY | mem_flags.READ_ONLY
HOST_ACCESS = mem_flags.HOST_WRITE_ONLY | mem_flags.HOST_READ_ONLY | mem_flags.HOST_NO_ACCESS


def first_content(flags: int, size: int, hostbuf: Any) -> tuple[memoryview | None, int]:
    """Return the bytes that a buffer begins with, if any, and its size."""
    check_flags(flags, "create_buffer")
    if size < 0:
        raise TypeError(f"Buffer: size is in bytes, not negative: {size}")
    if hostbuf is None:
        if flags & HOST_PTR:
            raise LogicError("create_buffer", ErrorCode.INVALID_HOST_PTR, "the flags ask for a hostbuf")
        return None, size
    if not flags & HOST_PTR:
        warnings.warn("'hostbuf' needs COPY_HOST_PTR or USE_HOST_PTR to be used", stacklevel=4)
        raise LogicError("create_buffer", ErrorCode.INVALID_HOST_PTR, "hostbuf needs COPY_HOST_PTR")
    content = flat_bytes(hostbuf, writable=bool(flags & mem_flags.USE_HOST_PTR))
    if size > content.nbytes:
        what = f"size is {size} bytes, but hostbuf has {content.nbytes}"
        raise LogicError("Buffer", ErrorCode.INVALID_VALUE, what)
    size = size or content.nbytes
    return content[:size], size


def require_whole(value: Any, what: str) -> int:
    """Return a whole number that a buffer is made with.

    Raises:
        TypeError: It is none, and `what` it is.
    """
    try:
        return operator.index(value)
    except TypeError:
        hint = "`hostbuf=` is for host memory"
        raise TypeError(f"Buffer: {what}, not of type {type(value).__name__}; {hint}") from None


def check_flags(flags: int, routine: str) -> None:
    """Check that flags do not exclude each other.

    Raises:
        LogicError: INVALID_VALUE: they do.
    """
    for choices in (KERNEL_ACCESS, HOST_ACCESS):
        if (flags & choices).bit_count() > 1:
            names = mem_flags.to_string(flags & choices)
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"{names} exclude each other")
    if flags & mem_flags.USE_HOST_PTR and flags & (mem_flags.ALLOC_HOST_PTR | mem_flags.COPY_HOST_PTR):
        what = "USE_HOST_PTR excludes ALLOC_HOST_PTR and COPY_HOST_PTR"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, what)


def sent_flags(flags: int) -> int:
    """Return the flags for the worker, to whom host memory is always something to copy from."""
    if flags & mem_flags.USE_HOST_PTR:
        return flags & ~mem_flags.USE_HOST_PTR | mem_flags.COPY_HOST_PTR
    return flags
