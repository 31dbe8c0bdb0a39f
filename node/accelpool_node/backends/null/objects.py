"""What null devices are made of."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

MEMORY_BYTES = 1 << 30
MAX_SIZE = (1 << 64) - 1
MAX_GROUP = 1024
PROFILING = 1 << 1
BUILT_IN = "accelpool.nothing"  # a kernel without arguments


@dataclass(kw_only=True)
class NullBuffer:
    """Host memory that stands for device memory."""

    content: memoryview


@dataclass(kw_only=True)
class NullProgram:
    """Source, and the kernels found in it once it is built."""

    source: str
    kernels: dict[str, int] = field(default_factory=dict)


@dataclass(kw_only=True)
class NullKernel:
    """A kernel's argument count and which arguments are set."""

    count: int
    args: dict[int, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NullEvent:
    """A complete command."""

    times: list[int] | None


def complete(queue: int) -> NullEvent:
    """Return the event of a command of a queue with these properties."""
    return NullEvent(times=[time.monotonic_ns()] * 4 if queue & PROFILING else None)


def refused(routine: str, code: ErrorCode, what: str) -> Error:
    """Return OpenCL's error."""
    return error_for(routine, code, what)


def region_of(routine: str, buffer: NullBuffer, offset: int, size: int) -> memoryview:
    """Return a region of a buffer's content, if it lies within."""
    if offset < 0 or size <= 0 or offset + size > len(buffer.content):
        raise refused(
            routine, ErrorCode.INVALID_VALUE, f"{size} bytes at {offset} of {len(buffer.content)} bytes"
        )
    return buffer.content[offset : offset + size]
